"""Offers that come before the media stack is loaded, which takes seconds on a Pi."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import NotReadyError
from robot_node.mqtt import LinkStatus
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.signaling import Offer, Terminated
from tests.waiting import eventually
from tests.webrtc.conftest import running_robot
from tests.webrtc.peer import peer


@pytest.mark.slow
def test_signalling_needs_no_media_stack() -> None:
    code = "import sys, robot_node.daemon; print({'av', 'aiortc', 'aioice'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"  # our own code


async def test_an_early_offer_is_answered_as_soon_as_the_robot_can(broker: PrivateBroker) -> None:
    may_load = asyncio.Event()
    async with running_robot(broker, load_after=may_load) as robot, peer(robot.broker) as viewer:
        sdp, candidates = await viewer.make_offer()
        for candidate in candidates:
            await viewer.send(candidate)
        await viewer.send(Offer(sdp))
        await eventually(lambda: _waiting("peer"))
        assert viewer.silent()
        may_load.set()
        await viewer.take_answer(with_addresses=False)
        await viewer.frame()


async def test_without_the_media_stack_it_is_told_why_no_viewer_can_come(
    broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load, links = asyncio.Event(), list[LinkStatus]()

    async def load() -> None:
        async with running_robot(broker, load_after=may_load) as robot:
            may_load.set()
            await asyncio.wait([robot.task])
            links.extend(robot.links)

    monkeypatch.setitem(sys.modules, "robot_node.webrtc.session", None)  # Python then fails to import it
    with pytest.raises(ExceptionGroup) as crash:
        await load()
    assert crash.group_contains(NotReadyError, match="media stack cannot be loaded: .* --force-reinstall av aiortc")
    assert [link.connected for link in links] == [True, False]


async def test_of_several_early_offers_the_last_is_answered(broker: PrivateBroker) -> None:
    may_load = asyncio.Event()
    async with running_robot(broker, load_after=may_load) as robot, peer(robot.broker) as viewer:
        for _ in range(3):
            viewer.new_connection()
            sdp, candidates = await viewer.make_offer()
            await viewer.send(Offer(sdp))
        for candidate in candidates:
            await viewer.send(candidate)
        may_load.set()
        await viewer.take_last_answer()
        await viewer.frame()
        assert robot.viewers == 1


async def test_an_early_offer_that_is_taken_back_is_not_answered(broker: PrivateBroker) -> None:
    may_load = asyncio.Event()
    async with (
        running_robot(broker, load_after=may_load) as robot,
        peer(robot.broker) as viewer,
        peer(robot.broker, "other") as other,
    ):
        await viewer.send(Offer((await viewer.make_offer())[0]))
        await viewer.send(Terminated())
        await other.send_bytes(b"{")
        await other.receive(Terminated)  # the robot has read what came before
        assert _waiting("peer")
        may_load.set()
        await eventually(lambda: not _waiting("peer"))
        assert viewer.silent()


async def test_early_offers_are_no_more_than_viewers(broker: PrivateBroker) -> None:
    async with (
        running_robot(broker, WebRtcSettings(max_viewers=1), load_after=asyncio.Event()) as robot,
        peer(robot.broker, "first") as first,
        peer(robot.broker, "second") as second,
    ):
        await first.send(Offer((await first.make_offer())[0]))
        await eventually(lambda: _waiting("first"))
        await second.send(Offer((await second.make_offer())[0]))
        assert "as many as it takes" in (await second.receive(Terminated)).reason
        robot.task.cancel()
        assert "leaving" in (await first.receive(Terminated)).reason


def _waiting(client_id: str) -> bool:
    return f"WebRTC viewer {client_id}" in {task.get_name() for task in asyncio.all_tasks()}


_LOAD = """
import asyncio, gc
from robot_node.webrtc.media_stack import load_module
before = gc.get_freeze_count()
asyncio.run(load_module("session"))
print(gc.get_freeze_count() - before > 50_000, gc.isenabled())
"""


@pytest.mark.slow
def test_a_full_collection_does_not_look_through_the_media_stack() -> None:
    """It stopped the event loop for 70 ms on a PC, whenever it came."""
    done = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["True", "True"]
