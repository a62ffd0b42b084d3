"""The robot publishes by WHIP to Janus, a media server of others, which passes its picture on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
from aiortc import MediaStreamTrack

from robot_node.core.state import PublishState
from robot_node.robot.publish_control import FAULT
from tests.janus import Janus, running_janus
from tests.robot.publishing import publishing_robot
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.scene import difference
from tests.whip_front import TOKEN, WhipFront, answering, whip_front


@pytest.fixture
async def front() -> AsyncIterator[WhipFront]:
    """A WHIP endpoint before a Janus."""
    async with running_janus() as janus, whip_front(janus) as opened:
        yield opened


async def seen_by(video: MediaStreamTrack) -> None:
    """Decode one picture, and compare it with what the camera saw."""
    frame = await asyncio.wait_for(video.recv(), DEADLINE_S)
    assert isinstance(frame, av.VideoFrame)
    assert difference(frame) < 8


@pytest.mark.peer("Janus by WHIP", works="H.264 published to a VideoRoom through WHIP, keyframe for a subscriber")
async def test_a_subscriber_sees_what_the_robot_publishes_until_it_leaves(front: WhipFront, tmp_path: Path) -> None:
    kept = tmp_path / "state.publish"
    async with publishing_robot(front, file=kept) as robot:
        publisher = await front.published()
        await robot.is_in(PublishState.LIVE)
        assert kept.read_text() == f"{front.url}/session/1"
        assert kept.stat().st_mode & 0o777 == 0o600
        async with front_janus(front).watching(publisher) as video:
            await seen_by(video)
        before = robot.scene.keyframe_requests
        async with front_janus(front).watching(publisher) as video:
            await seen_by(video)
        assert robot.scene.keyframe_requests > before, "Janus asks for a keyframe when somebody comes"
        assert robot.events() == ["The video is published."]
        counters = robot.telemetry.counters
        assert (counters.publish_attempts, counters.publish_connected) == (1, 1)
    assert front.requests == [("POST", "/whip"), ("DELETE", "/whip/session/1")]
    assert set(front.authorizations) == {f"Bearer {TOKEN}"}
    assert not kept.exists()
    (offer,) = front.offers
    assert "a=group:BUNDLE 0\r\n" in offer
    assert offer.count("m=") == offer.count("a=sendonly\r\n") == offer.count("a=rtcp-mux-only\r\n") == 1
    assert "a=candidate:" in offer


def front_janus(front: WhipFront) -> Janus:
    """The server behind it."""
    assert front.janus is not None
    return front.janus


async def test_with_the_camera_the_stream_begins_and_ends(front: WhipFront) -> None:
    async with publishing_robot(front, when="camera") as robot:
        robot.switch_camera(on=False)
        assert robot.telemetry.state.snapshot.publishing is PublishState.OFF
        robot.switch_camera(on=True)
        publisher = await front.published()
        async with front_janus(front).watching(publisher) as video:
            await seen_by(video)
            robot.switch_camera(on=False)
            await publisher.happened("hangup")
            await front.asked("DELETE")
            await robot.is_in(PublishState.OFF)
            assert not front.publishers
        robot.switch_camera(on=True)
        await front.published()
        await robot.is_in(PublishState.LIVE)
    assert front.count("POST") == front.count("DELETE") == 2


async def test_always_a_session_lives_on_without_pictures_while_the_camera_is_off(front: WhipFront) -> None:
    async with publishing_robot(front) as robot:
        publisher = await front.published()
        async with front_janus(front).watching(publisher) as video:
            await seen_by(video)
            robot.switch_camera(on=False)
            while (event := await publisher.happened("media"))["receiving"] is not False:
                assert event["type"] == "video"
            assert robot.telemetry.state.snapshot.publishing is PublishState.LIVE
            robot.switch_camera(on=True)
            await seen_by(video)
    assert front.count("POST") == 1


@pytest.mark.slow
async def test_it_publishes_again_when_the_server_is_back() -> None:
    async with whip_front() as front:
        async with running_janus() as first, contextlib.AsyncExitStack() as stack:
            front.janus = first
            robot = await stack.enter_async_context(publishing_robot(front))
            await front.published()
            await robot.is_in(PublishState.LIVE)
            front.janus = None
            front.publishers.clear()
            first.process.kill()
            await robot.fails("503")
            lives = stack.pop_all()
        async with lives, running_janus() as second:
            front.janus = second
            publisher = await front.published()
            await robot.is_in(PublishState.LIVE)
            assert not robot.telemetry.state.snapshot.fault(FAULT)
            async with second.watching(publisher) as video:
                await seen_by(video)
            assert [event for event in robot.events() if "vanished" in event]


async def test_a_refused_robot_says_why_and_publishes_once_it_may(front: WhipFront) -> None:
    front.misbehaviours["POST"].extend(
        [answering(409, "another publisher"), answering(307, location="/whip/node"), answering(500)]
    )
    async with publishing_robot(front) as robot:
        await front.published()
        await robot.is_in(PublishState.LIVE)
        assert [each for each, _ in front.requests] == ["POST"] * 4
        assert front.requests[2] == ("POST", "/whip/node")
        first, second, third = robot.events()
        assert "already has a publisher there (409): 'another publisher'" in first
        assert "(500)" in second
        assert third == "The video is published."


@pytest.mark.slow
async def test_thirty_subscribers_decode_one_stream(front: WhipFront) -> None:
    async with publishing_robot(front) as robot, contextlib.AsyncExitStack() as stack:
        publisher = await front.published()
        videos = [await stack.enter_async_context(front_janus(front).watching(publisher)) for _ in range(30)]
        await asyncio.gather(*(seen_by(video) for video in videos))
        assert robot.scene.starts == 1
    await eventually(lambda: front.count("DELETE") == 1)
