"""The small video, for pages that show many robots: real peers before a camera that simulates its hardware only."""

from __future__ import annotations

import re

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CameraState
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.negotiation import VideoCodec
from robot_node.webrtc.signaling import Answer, Offer, Terminated
from tests.end_to_end.footage import Footage, clip_path
from tests.waiting import eventually
from tests.webrtc.counts import vp8_threads
from tests.webrtc.peer import peer, with_candidates
from tests.webrtc.test_vp8 import frames, running_robot, sees

# picamera2's own line
pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")


@pytest.mark.slow
async def test_viewers_of_the_small_video_share_one_encoder_of_small_pictures(broker: PrivateBroker) -> None:
    footage = Footage.of(clip_path())
    async with (
        running_robot(broker) as robot,
        peer(robot.broker, "a", video="small") as a,
        peer(robot.broker, "b", video="small") as b,
        peer(robot.broker, "c") as whole,
    ):
        for viewer in (a, b):
            answered = await viewer.offer(codec=None)
            assert re.findall(r"a=rtpmap:\d+ (\w+)/90000", answered) == ["VP8", "rtx"]
            frame = await viewer.frame()
            assert (frame.width, frame.height) == (320, 136)
        assert vp8_threads() == 1
        assert not robot.encodes_h264(), "nobody wants the whole video"
        first, *_, last = await frames(b, 11)
        assert first.time is not None
        assert last.time is not None
        assert 0.8 < last.time - first.time < 3, "10 pictures a second"
        await whole.offer(codec=None)
        assert (await whole.frame()).width == 640
        await sees(footage, whole, 10)
        await a.send(Terminated())
        await b.send(Terminated())
        await eventually(lambda: vp8_threads() == 0)
        await eventually(lambda: not robot.gives_pictures())


async def test_the_small_video_does_not_keep_the_camera_on(broker: PrivateBroker) -> None:
    async with running_robot(broker, off_when_unwatched_s=1) as robot, peer(robot.broker, video="small") as viewer:
        await viewer.offer(codec=None)
        await viewer.frame()
        await eventually(lambda: robot.camera.state is CameraState.OFF)


@pytest.mark.slow
async def test_the_last_place_is_not_for_the_small_video_and_its_viewers_leave_theirs_to_others(
    broker: PrivateBroker,
) -> None:
    async with (
        running_robot(broker, webrtc=WebRtcSettings(max_viewers=3)) as robot,
        peer(robot.broker, "a", video="small") as a,
        peer(robot.broker, "b", video="small") as b,
        peer(robot.broker, "c", video="small") as c,
        peer(robot.broker, "person") as person,
        peer(robot.broker, "another") as another,
        peer(robot.broker, "third") as third,
        peer(robot.broker, "fourth") as fourth,
    ):
        assert robot.state.snapshot.small_video_places == 2
        for viewer in (a, b):
            await viewer.offer(codec=None)
            await viewer.frame()
        await eventually(lambda: robot.state.snapshot.small_video_places == 0)
        await c.send(Offer((await c.make_offer())[0]))
        assert "3 viewers" in (await c.receive(Terminated)).reason
        await person.offer()
        await person.frame()
        for newcomer, guest in ((another, b), (third, a)):
            sdp, candidates = await newcomer.make_offer()
            await newcomer.send(Offer(with_candidates(sdp, candidates)))
            await newcomer.apply(await newcomer.receive(Answer))
            await newcomer.frame()
            assert "another of the viewers" in (await guest.receive(Terminated)).reason.lower()
        await fourth.send(Offer((await fourth.make_offer())[0]))
        assert "3 viewers" in (await fourth.receive(Terminated)).reason


async def test_who_cannot_decode_the_small_video_is_refused_with_a_reason(broker: PrivateBroker) -> None:
    async with running_robot(broker) as robot, peer(robot.broker, video="small") as viewer:
        await viewer.send(Offer((await viewer.make_offer(codec=VideoCodec.H264))[0]))
        assert "Offer VP8." in (await viewer.receive(Terminated)).reason
