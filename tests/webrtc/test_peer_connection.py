"""A peer connection that is closed while it connects: nothing of it goes on; its certificate; its life as tasks."""

from __future__ import annotations

import asyncio
import gc
import re

import pytest
from aiortc import RTCPeerConnection, VideoStreamTrack

from robot_node.webrtc import peer_connection
from robot_node.webrtc.peer_connection import Lifetime, PeerConnection
from tests.waiting import DEADLINE_S


@pytest.mark.slow
async def test_closing_at_any_moment_of_connecting_ends_everything() -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(repr(context)))
    before = asyncio.all_tasks()
    for moment in range(60):  # half a millisecond apart: connecting takes some ten
        async with asyncio.timeout(DEADLINE_S):
            await _connect_and_close(moment * 0.0005)
    deadline = asyncio.get_running_loop().time() + 30
    while (left := asyncio.all_tasks() - before) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
    gc.collect()
    assert not left
    assert not complaints


async def test_closing_does_not_wait_for_a_connecting_that_overhears_its_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_end, deaf = asyncio.Event(), set[RTCPeerConnection]()

    async def connect(connection: RTCPeerConnection) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            deaf.add(connection)
            await may_end.wait()

    monkeypatch.setattr(RTCPeerConnection, "_RTCPeerConnection__connect", connect)
    monkeypatch.setattr(peer_connection, "_CONNECTING_SHARE", 0.01)
    async with asyncio.timeout(DEADLINE_S):
        await _connect_and_close(0)
    assert [connection.connectionState for connection in deaf] == ["closed", "closed"]
    may_end.set()


async def test_the_certificate_has_one_fingerprint_by_sha_256() -> None:
    robot = PeerConnection()
    robot.createDataChannel("status")
    sdp = (await robot.createOffer()).sdp
    await robot.close()
    assert re.findall(r"a=fingerprint:(\S+)", sdp) == ["sha-256"], "libdatachannel takes the last of several"


async def _connect_and_close(after_s: float) -> None:
    robot, viewer = PeerConnection(), PeerConnection()
    viewer.addTransceiver("video", direction="recvonly")
    viewer.createDataChannel("status")
    await viewer.setLocalDescription(await viewer.createOffer())
    await robot.setRemoteDescription(viewer.localDescription)
    robot.addTrack(VideoStreamTrack())
    await robot.setLocalDescription(await robot.createAnswer())
    await viewer.setRemoteDescription(robot.localDescription)
    await asyncio.sleep(after_s)
    await robot.close()
    await viewer.close()


def test_what_is_overridden_exists() -> None:
    assert callable(RTCPeerConnection._RTCPeerConnection__connect)  # type: ignore[attr-defined]  # aiortc's private name


async def for_ever(cleaned_up: asyncio.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        cleaned_up.set()


async def test_the_first_end_counts_and_no_task_outlives_it() -> None:
    life: Lifetime[str] = Lifetime()
    cleaned_up = asyncio.Event()

    async def negotiate() -> None:
        life.spawn(for_ever(cleaned_up), "test")
        await asyncio.sleep(0)
        life.end("first")
        life.end("second")

    assert await life.run(negotiate()) == "first"
    assert life.over
    assert cleaned_up.is_set()


async def test_the_negotiation_is_never_cancelled_by_the_end() -> None:
    life: Lifetime[str] = Lifetime()
    began, may_go_on, went_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def negotiate() -> None:
        began.set()
        await may_go_on.wait()
        went_on.set()

    running = asyncio.create_task(life.run(negotiate()))
    await began.wait()
    life.end("over")
    done, _ = await asyncio.wait({running}, timeout=0.05)
    assert not done
    may_go_on.set()
    assert await running == "over"
    assert went_on.is_set()


async def test_after_the_end_nothing_begins_and_nobody_waits() -> None:
    life: Lifetime[str] = Lifetime()
    life.end("over")
    assert life.spawn(for_ever(asyncio.Event()), "test") is None
    await life.wait_for(asyncio.get_running_loop().create_future(), 1000)
