"""The camera's small stream, over the simulated and the real picamera2."""

from __future__ import annotations

import itertools

import pytest

from robot_node.core.state import CameraState
from robot_node.devices.camera.capture import small_size
from tests.devices.camera.rig import ON_EVERY_CAMERA, ON_EVERY_PI, Pi, Pictures, grey, rig, stamp_at, stamp_of
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line


@pytest.mark.parametrize(
    ("video", "small"),
    [
        ((1280, 720), (320, 180)),
        ((1920, 1080), (320, 180)),
        ((640, 480), (320, 240)),
        ((1296, 972), (320, 240)),
        ((1536, 864), (320, 180)),
        ((640, 272), (320, 136)),
        ((160, 120), (160, 120)),
        ((1920, 64), (320, 10)),
        ((64, 1080), (64, 1080)),
    ],
)
def test_the_small_stream_has_the_videos_aspect_in_even_numbers(video: tuple[int, int], small: tuple[int, int]) -> None:
    assert small_size(*video) == small


@ON_EVERY_CAMERA
async def test_small_pictures_show_the_scene_beside_video_and_large_pictures(pi: Pi) -> None:
    async with rig(pi, watched=True, small_stream=True) as robot:
        small, large = Pictures(), Pictures()
        robot.camera.set_small_sink(small)
        robot.camera.set_small_watched(10)
        robot.camera.set_raw_sink(large)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        received = await small.more(3)
        (whole,) = await large.more(1)
        await robot.frames.more(1)
    assert (whole.width, whole.height) == (640, 360)
    for frame in received:
        assert (frame.width, frame.height) == (320, 180)
        assert len(frame.planes) == frame.stride * 180 * 3 // 2
        assert pi.name == "USB camera" or frame.metadata["SensorTimestamp"] > 0, "what the library says about it"
        assert abs(stamp_of(grey(frame)) - stamp_at(frame.timestamp_us)) <= 20


@ON_EVERY_PI
async def test_they_come_at_the_rate_that_is_needed_and_only_then(pi: Pi) -> None:
    pi.sensor.speed = 2  # so that the times are exact
    async with rig(pi, watched=True, small_stream=True) as robot:
        small = Pictures()
        robot.camera.set_small_sink(small)
        await robot.camera.start()
        await robot.frames.more(5)
        assert not small.received, "nobody needs one"
        robot.camera.set_small_watched(5)
        await small.more(4)
        assert set(_gaps_in_frames(small)) == {6}, "5 of 30 frames/s"
        robot.camera.set_small_watched(15)
        await eventually(lambda: _gaps_in_frames(small)[-2:] == [2, 2])
        robot.camera.set_small_watched(None)
        await eventually(lambda: pi.running_encoders() == ["h264"])
        seen = len(small.received)
        await robot.frames.more(5)
        assert len(small.received) == seen
        assert robot.frames.keyframes == [0], "the video was not disturbed"


@ON_EVERY_PI
async def test_a_camera_without_small_stream_has_no_buffers_for_it(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        assert pi.cameras[-1].camera_configuration()["lores"] is None
        robot.camera.set_small_watched(5)
        await robot.frames.more(3)
        assert robot.camera_state() is CameraState.ON
    assert caplog.text.count("delivers no unencoded pictures") == 1, "once, not in a loop"


async def test_it_goes_on_after_the_camera_was_off_and_keeps_it_on(pi: Pi) -> None:
    async with rig(pi, small_stream=True, off_when_unwatched_s=0.3) as robot:
        small = Pictures()
        robot.camera.set_small_sink(small)
        robot.camera.set_small_watched(30, keeps_on=True)
        await robot.camera.start()
        await small.more(2)
        await robot.camera.stop()
        seen = len(small.received)
        await robot.camera.start()
        await small.more(30)
        assert small.received[seen].timestamp_us > small.received[seen - 1].timestamp_us
        assert robot.camera_state() is CameraState.ON
        robot.camera.set_small_watched(None)
        await eventually(lambda: robot.camera_state() is CameraState.OFF)


def _gaps_in_frames(pictures: Pictures) -> list[int]:
    times = [frame.timestamp_us for frame in pictures.received]
    return [round((late - early) * 30 / 1_000_000) for early, late in itertools.pairwise(times)]
