"""The video's size, frame rate and bitrate at run time, while viewers watch: simulated and real picamera2."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from robot_node.core.media import VideoMode
from robot_node.core.state import CameraState
from robot_node.devices.camera.h264_levels import level_of
from robot_node.errors import ArgumentError, DeviceError, NotReadyError
from tests.devices.camera.rig import (
    ON_EVERY_CAMERA,
    ON_EVERY_PI,
    USB,
    Hand,
    Pi,
    Pictures,
    decode,
    make_pi,
    rig,
    stamp_at,
    stamp_of,
)
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line

AT_START = VideoMode(640, 360, 30, 2_000_000)


@ON_EVERY_CAMERA
async def test_viewers_go_on_in_the_new_size_with_a_keyframe(pi: Pi) -> None:
    async with rig(pi, watched=True, small_stream=True) as robot:
        large, small = Pictures(), Pictures()
        robot.camera.set_raw_sink(large)
        robot.camera.set_raw_watched(True)
        robot.camera.set_small_sink(small)
        robot.camera.set_small_watched(30)
        modes: list[VideoMode] = []
        robot.camera.video.listen(modes.append)
        await robot.camera.start()
        await robot.frames.reach(3)
        mode = await robot.camera.video.set(width=480, height=360, frame_rate=20)
        assert mode == robot.camera.video.now == VideoMode(480, 360, 20, 2_000_000)
        assert modes == [mode]
        await robot.frames.reach_keyframes(2)
        again = robot.frames.keyframes[1]
        await robot.frames.reach(again + 4)
        received = robot.frames.received
        for frame, picture in zip(received[again:], decode(received[again : again + 4]), strict=False):
            assert picture.shape == (360, 480)
            assert abs(stamp_of(picture) - stamp_at(frame.timestamp_us)) <= 20
        assert decode(received[:again])[-1].shape == (360, 640)
        times = [frame.timestamp_us for frame in received]
        assert times == sorted(set(times)), "the RTP timestamps go on"
        for pictures, size in ((large, (480, 360)), (small, (320, 240))):
            newest = (await pictures.more(2))[-1]
            assert (newest.width, newest.height) == size
        assert (await robot.camera.photo()).width == 480
        assert robot.states == [CameraState.OFF, CameraState.STARTING, CameraState.ON], "on, all the time"


async def test_a_new_frame_rate_is_that_of_the_frames(pi: Pi) -> None:
    pi.sensor.speed = 2  # so that the times are exact
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.camera.video.set(frame_rate=10)
        frames = await robot.frames.more(6)
        gaps = {late.timestamp_us - early.timestamp_us for early, late in zip(frames[-3:], frames[-2:], strict=False)}
        assert all(abs(gap - 100_000) < 1_000 for gap in gaps)


@ON_EVERY_CAMERA
async def test_a_new_bitrate_alone_needs_no_pause(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(2)
        assert (await robot.camera.video.set(bitrate=3_000_000)).bitrate == 3_000_000
        await robot.frames.more(3)
        assert pi.sensor.starts == 1


@pytest.mark.slow
async def test_a_usb_camera_changes_too() -> None:
    async with rig(make_pi(USB), watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(3)
        await robot.camera.video.set(width=1280, height=720)
        await robot.frames.reach_keyframes(2)
        again = robot.frames.keyframes[1]
        await robot.frames.reach(again + 3)
        assert {picture.shape for picture in decode(robot.frames.received[again:])} == {(720, 1280)}
        full = await robot.camera.full_photo()
        assert (full.photo.width, full.photo.height) == (1920, 1080), "the largest that it has"
        await robot.frames.more(3)
        assert robot.states == [CameraState.OFF, CameraState.STARTING, CameraState.ON]


async def test_it_is_kept_while_the_camera_is_off(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.video.set(width=320, height=180)
        for _ in range(2):
            await robot.camera.start()
            assert (await robot.camera.photo()).width == 320
            await robot.camera.stop()
        assert await robot.camera.video.set() == VideoMode(320, 180, 30, 2_000_000), "nothing changed"


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"width": 641}, "width of the video: Input should be a multiple of 2"),
        ({"height": 4000}, "height of the video: Input should be less than or equal to 1080"),
        ({"bitrate": 1}, "bitrate of the video: "),
        ({"width": 1920, "height": 1080}, "need H.264 level 4.0: more than the 3.1 that viewers"),
        ({"frame_rate": 60, "width": 1280, "height": 720}, "need H.264 level 3.2"),
    ],
)
async def test_what_viewers_cannot_decode_is_refused(pi: Pi, wishes: dict[str, Any], reason: str) -> None:
    async with rig(pi) as robot:
        with pytest.raises(ArgumentError, match=reason):
            await robot.camera.video.set(**wishes)
        assert robot.camera.video.now == AT_START


@ON_EVERY_PI
@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"width": 1280, "height": 720}, "The sensor has no 1280x720 pixels: at most 1024x600."),
        ({"width": 800, "height": 600}, "At 800x600 the sensor gives at most 15 frames/s, not 30."),
    ],
)
async def test_what_the_sensor_cannot_do_is_refused(pi: Pi, wishes: dict[str, Any], reason: str) -> None:
    from hw_mocks.sensor import SensorMode

    whole = (0, 0, 1024, 600)
    pi.sensor.modes = (SensorMode((640, 360), 60.0, whole), SensorMode((1024, 600), 15.0, whole))
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(1)
        with pytest.raises(ArgumentError, match=reason):
            await robot.camera.video.set(**wishes)
        assert robot.camera.video.now == AT_START
        await robot.frames.more(2)
        assert pi.sensor.starts == 1, "not even disturbed"


async def test_the_settings_permit_their_own_level(pi: Pi) -> None:
    async with rig(pi, width=1920, height=1080) as robot:
        await robot.camera.video.set(width=640, height=360)
        assert (await robot.camera.video.set(width=1920, height=1080)).width == 1920


@ON_EVERY_PI
async def test_a_camera_that_refuses_goes_on_as_before(pi: Pi) -> None:
    def configure(camera: Any, config: Any, *arguments: Any) -> None:
        if config["main"]["size"] == (480, 360):
            raise RuntimeError("Configuration failed")
        pi.library.Picamera2.configure(camera, config, *arguments)

    async with rig(pi, platform=pi.with_camera(configure=configure), watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(2)
        with pytest.raises(DeviceError, match="Configuration failed"):
            await robot.camera.video.set(width=480)
        assert robot.camera.video.now == AT_START
        assert robot.camera_state() is CameraState.ON
        assert not robot.state.snapshot.fault("camera")
        await robot.frames.reach_keyframes(2)
        assert decode(robot.frames.received[robot.frames.keyframes[1] :])[0].shape == (360, 640)


async def test_privacy_meanwhile_leaves_the_camera_off_and_the_new_mode(pi: Pi) -> None:
    waiting, go_on, hand = threading.Event(), threading.Event(), Hand()

    def configure(camera: Any, config: Any, *arguments: Any) -> None:
        if config["main"]["size"] == (480, 360):
            waiting.set()
            go_on.wait(DEADLINE_S)
        pi.library.Picamera2.configure(camera, config, *arguments)

    async with rig(pi, platform=pi.with_camera(configure=configure), privacy=hand, watched=True) as robot:
        await robot.camera.start()
        changing = asyncio.create_task(robot.camera.video.set(width=480))
        await eventually(waiting.is_set)
        hand.engage()
        go_on.set()
        with pytest.raises(NotReadyError):
            await changing
        await eventually(lambda: robot.camera_state() is CameraState.OFF)
        assert not pi.capturing()
        hand.release()
        await robot.camera.start()
        assert (await robot.camera.photo()).width == 480


@pytest.mark.parametrize(
    ("mode", "level"),
    [
        (VideoMode(1280, 720, 30, 2_000_000), "3.1"),
        (VideoMode(1280, 720, 30, 15_000_000), "3.2"),
        (VideoMode(1920, 1080, 30, 2_000_000), "4.0"),
        (VideoMode(1920, 1080, 60, 2_000_000), "4.2"),
        (VideoMode(64, 1080, 30, 2_000_000), "3.1"),
    ],
)
def test_levels_of_h264(mode: VideoMode, level: str) -> None:
    assert level_of(mode) == level
