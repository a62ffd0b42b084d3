"""A USB camera by V4L2: what differs from other cameras. The camera's common behaviour is tested over it, too."""

from __future__ import annotations

import asyncio
import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hw_mocks.clock_scene import read_stamp
from robot_node.core.state import CameraState
from robot_node.devices.camera.capture import AbsentError, StalledError
from robot_node.devices.camera.watchdog import restart_when_stalled
from robot_node.errors import DeviceError
from tests.devices.camera.rig import (
    USB,
    Pi,
    Pictures,
    decode,
    decode_jpeg,
    grey,
    make_pi,
    nal_types,
    rig,
    stamp_at,
    stamp_of,
)
from tests.devices.camera.test_watchdog import OFTEN
from tests.waiting import DEADLINE_S, eventually

SPS, PPS, IDR = 7, 8, 5

EACH_FORMAT = pytest.mark.parametrize("video_format", ["mjpeg", "yuyv", "h264"])


@pytest.fixture
def pi() -> Pi:
    """A computer with a USB camera."""
    return make_pi(USB)


def camera_of(pi: Pi) -> Any:
    """Its USB camera."""
    assert pi.usb is not None
    return pi.usb


@EACH_FORMAT
async def test_black_and_white_stay_what_they_are(pi: Pi, video_format: str) -> None:
    """JPEG has 0 to 255, video 16 to 235; what is decoded here comes as 0 to 255."""
    async with rig(pi, format=video_format, watched=True) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        await robot.frames.reach(3)
        photo = await robot.camera.photo()
        (raw,) = await pictures.more(1)
    video = decode(robot.frames.received)[-1]
    for picture, black, white in ((video, 0, 255), (grey(raw), 16, 235), (decode_jpeg(photo.jpeg), 0, 255)):
        assert read_stamp(picture) is not None
        assert np.percentile(picture, 2) == pytest.approx(black, abs=6)
        assert np.percentile(picture, 99.8) == pytest.approx(white, abs=6)


@EACH_FORMAT
async def test_video_photos_and_pictures_are_of_their_time(pi: Pi, video_format: str) -> None:
    async with rig(pi, format=video_format, watched=True) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        await robot.camera.start()
        await robot.frames.reach(5)
        for quality in (0.9, 0.4):
            called = stamp_at(time.monotonic_ns() // 1000)
            photo = await robot.camera.photo(quality)
            assert stamp_of(decode_jpeg(photo.jpeg)) >= called - 34, "at most one frame old"
        robot.camera.set_raw_watched(True)
        for raw in await pictures.more(2):
            assert abs(stamp_of(grey(raw)) - stamp_at(raw.timestamp_us)) <= 20
    for frame, picture in zip(robot.frames.received, decode(robot.frames.received), strict=True):
        assert abs(stamp_of(picture) - stamp_at(frame.timestamp_us)) <= 20


async def test_the_cameras_own_video_is_passed_on_and_nothing_is_decoded(pi: Pi) -> None:
    usb = camera_of(pi)
    usb.keyframe_every, usb.repeats_headers = 10, False
    pi.sensor.speed = 4
    async with rig(pi, format="h264", watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(25)
        assert pi.running_encoders() == []
        assert pi.decoders == []
        assert robot.frames.keyframes[:3] == [0, 10, 20]
        for number in robot.frames.keyframes:
            types = nal_types(robot.frames.received[number].data)
            assert types[:2] == [SPS, PPS], "the camera sends them only once"
            assert IDR in types
        robot.camera.request_keyframe()
        await robot.frames.reach_keyframes(4)
        assert pi.running_encoders() == [], "the camera's next one came in time"
        await robot.camera.photo()
        assert pi.decoders == ["h264"]
    assert len(decode(robot.frames.received)) == len(robot.frames.received)


@pytest.mark.slow
async def test_a_camera_without_keyframes_is_encoded_by_the_robot_when_a_viewer_needs_one(
    pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    camera_of(pi).keyframe_every = 100_000
    async with rig(pi, format="h264", watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(10)
        robot.camera.request_keyframe()
        await robot.frames.reach_keyframes(2)
        assert pi.running_encoders() == ["h264"]
        robot.camera.request_keyframe()
        await robot.frames.reach_keyframes(3)
        assert len(decode(robot.frames.received)) == len(robot.frames.received)
        await robot.camera.stop()
        assert pi.running_encoders() == []
        await robot.camera.start()
        await robot.frames.reach_keyframes(4)
        assert camera_of(pi).opened["input_format"] != "h264", "no second attempt"
    assert caplog.text.count("has no keyframe when a viewer needs one") == 1


async def test_without_viewers_nothing_is_decoded_and_pictures_are_decoded_once_for_all(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        photo = await robot.camera.photo(0.9)
        assert pi.decoders == [], "it is the camera's own JPEG"
        robot.camera.set_watched(True)
        robot.camera.set_raw_watched(True)
        await robot.frames.reach(2)
        assert pi.decoders == ["mjpeg"]
    assert photo.jpeg.startswith(b"\xff\xd8")


async def test_a_photo_without_huffman_tables_is_readable_for_every_program(pi: Pi) -> None:
    camera_of(pi).huffman_tables = False
    async with rig(pi) as robot:
        await robot.camera.start()
        photo = await robot.camera.photo(0.9)
    assert photo.jpeg.count(b"\xff\xc4") >= 1
    assert photo.jpeg.endswith(b"\xff\xd9"), "without what fills up the buffer"
    with Image.open(io.BytesIO(photo.jpeg)) as opened:
        assert stamp_of(np.asarray(opened.convert("L"))) > 0


async def test_unplugged_is_told_at_once_and_so_is_that_it_is_not_there(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.more(2)
        pi.sensor.absent = True
        with pytest.raises(StalledError, match="it was unplugged"):
            await robot.camera.photo()
        assert not pi.capturing()
        with pytest.raises(AbsentError, match="There is no USB camera"):
            await robot.camera.start()
        assert robot.camera_state() is CameraState.FAILED
        pi.sensor.absent = False
        seen = len(robot.frames.received)
        await robot.camera.start()
        await robot.frames.reach(seen + 2)
        assert robot.frames.received[seen].keyframe


async def test_however_long_it_is_unplugged_the_robot_goes_on_and_its_viewers_see_it_again(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        watchdog = asyncio.create_task(restart_when_stalled(robot.camera, 0.6, attempts=2, policy=OFTEN))
        await robot.camera.start()
        await robot.frames.more(2)
        pi.sensor.absent = True
        await eventually(lambda: robot.states.count(CameraState.FAILED) > 5)
        assert not watchdog.done(), "another camera would have cost the robot its life"
        seen = len(robot.frames.received)
        pi.sensor.absent = False
        await robot.frames.reach(seen + 3)
        assert robot.frames.received[seen].keyframe
        await eventually(lambda: robot.camera_state() is CameraState.ON)
        assert not robot.state.snapshot.fault("camera")
        watchdog.cancel()
        await asyncio.wait([watchdog])


async def test_the_nearest_size_is_used_and_told_once(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    async with rig(pi, watched=True, width=1024, height=576) as robot:
        for _ in range(2):
            await robot.camera.start()
            assert (await robot.camera.photo()).width == 640
            await robot.camera.stop()
    assert caplog.text.count("has no 1024x576: 640x480 is used") == 1


async def test_a_camera_that_is_faster_than_asked_for_is_seen_at_the_rate_of_the_settings(pi: Pi) -> None:
    pi.sensor.speed = 2  # so that the times are exact
    async with rig(pi, watched=True, frame_rate=10) as robot:
        await robot.camera.start()
        frames = await robot.frames.more(7)
    gaps = np.diff([frame.timestamp_us for frame in frames])
    # 15 a second are the least that the camera has; a busy machine leaves out more of them, as late ones.
    assert gaps.mean() > 99_990


async def test_a_format_that_it_has_not_is_refused_with_those_that_it_has(pi: Pi) -> None:
    camera_of(pi).formats = ("YUYV", "MJPG")
    async with rig(pi, format="h264") as robot:
        with pytest.raises(DeviceError, match=r'has no h264\. Set format in \[camera\]: "mjpeg, yuyv"'):
            await robot.camera.start()


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("/dev/video7", "There is no camera /dev/video7"),
        ("/dev/video1", r"\(/dev/video1\) is no camera that can be used"),
    ],
)
async def test_a_device_that_is_no_camera_is_refused(pi: Pi, device: str, reason: str) -> None:
    async with rig(pi, device=device) as robot:
        with pytest.raises(DeviceError, match=reason) as refused:
            await robot.camera.start()
        assert "'robot-node doctor' lists the video devices" in refused.value.remedy


@pytest.mark.slow
async def test_the_boards_encoder_is_used_where_there_is_one(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    camera_of(pi).encoder = True
    pi.sensor.speed = 4
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(3)
        assert pi.encoders == ["board's"]
        keyframes = len(robot.frames.keyframes)
        robot.camera.set_bitrate(1_000_000)  # such an encoder reads it at the start
        await robot.frames.reach_keyframes(keyframes + 1)
    assert len(decode(robot.frames.received)) == len(robot.frames.received)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


async def test_a_boards_encoder_that_pyav_lacks_leaves_it_to_libx264(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    camera_of(pi).encoder = True
    pi.hardware_encoder = "no_such_encoder"
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(3)
        assert not robot.state.snapshot.fault("camera")
    assert caplog.text.count("libx264 encodes instead") == 1


async def test_damaged_pictures_are_left_out(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    camera_of(pi).damaged_every = 3
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(10)
        for _ in range(4):
            assert stamp_of(decode_jpeg((await robot.camera.photo(0.9)).jpeg)) > 0
    assert len(decode(robot.frames.received)) == len(robot.frames.received)
    assert caplog.text.count("is damaged and left out") == 1


@EACH_FORMAT
async def test_a_full_photo_has_the_cameras_largest_size_and_its_viewers_stay(pi: Pi, video_format: str) -> None:
    async with rig(pi, format=video_format, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(2)
        full = (await robot.camera.full_photo()).photo
        assert (full.width, full.height) == (1920, 1080)
        shown = decode_jpeg(full.jpeg)
        assert shown.shape == (1080, 1920)
        assert full.captured_us is not None
        assert abs(stamp_of(shown) - stamp_at(full.captured_us)) <= 20
        await robot.frames.reach_keyframes(2)
        again = robot.frames.keyframes[-1]
        assert stamp_of(shown) < stamp_at(robot.frames.received[again].timestamp_us)
        assert (await robot.camera.photo()).width == 640
        assert camera_of(pi).opened["input_format"] == {"yuyv": "yuyv422"}.get(video_format, video_format)
        assert robot.states == [CameraState.OFF, CameraState.STARTING, CameraState.ON], "on, all the time"


async def test_the_video_goes_on_when_a_device_cannot_be_closed_for_a_full_photo(
    pi: Pi, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = pi.sensor.stop

    def fail(scene: Any) -> None:
        monkeypatch.undo()
        stop(scene)
        raise OSError("Input/output error")

    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(2)
        monkeypatch.setattr(pi.sensor, "stop", fail)
        with pytest.raises(DeviceError, match="could not be closed: Input/output error"):
            await robot.camera.full_photo()
        await robot.frames.more(2)
        assert (await robot.camera.photo()).width == 640


async def test_the_second_of_two_usb_cameras_has_number_1(pi: Pi) -> None:
    async with rig(pi, number=1) as robot:
        with pytest.raises(AbsentError, match="There is no USB camera number 1: only 1 found"):
            await robot.camera.start()


async def test_two_robots_cannot_have_the_same_camera(pi: Pi) -> None:
    async with asyncio.timeout(DEADLINE_S), rig(pi) as first, rig(pi) as second:
        await first.camera.start()
        with pytest.raises(DeviceError, match="busy: another program uses it"):
            await second.camera.start()
        assert (await first.camera.photo()).jpeg
        await first.camera.stop()
        await second.camera.start()
