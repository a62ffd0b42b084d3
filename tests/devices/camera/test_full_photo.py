"""Photos in the sensor's full size, while viewers watch. Over the simulated and the real picamera2."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hw_mocks.sensor import SensorMode
from robot_node.core.state import CameraState
from robot_node.devices.camera.capture import StalledError
from robot_node.devices.platform import Platform
from robot_node.errors import ArgumentError, DeviceError, NotReadyError
from tests.devices.camera.rig import (
    ON_EVERY_PI,
    Hand,
    Pi,
    Pictures,
    Rig,
    decode,
    decode_jpeg,
    grey,
    make_pi,
    rig,
    stamp_at,
    stamp_of,
)
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line

FULL = (1280, 720)
MODES = (SensorMode((640, 360), 60.0, (0, 0, *FULL)), SensorMode(FULL, 30.0, (0, 0, *FULL)))


@pytest.fixture
def pi(pi: Pi) -> Pi:
    """Its sensor has twice the video's size."""
    pi.sensor.modes = MODES
    return pi


async def video_goes_on(robot: Rig, seen: int) -> None:
    """After ``seen`` frames comes a keyframe, and the video goes on from there in its size."""
    await robot.frames.until(lambda: any(number >= seen for number in robot.frames.keyframes))
    again = next(number for number in robot.frames.keyframes if number >= seen)
    await robot.frames.reach(again + 5)
    shown = decode(robot.frames.received[again : again + 4])
    assert all(picture.shape == (360, 640) for picture in shown)
    times = [frame.timestamp_us for frame in robot.frames.received]
    assert times == sorted(set(times)), "each later than the one before"


@ON_EVERY_PI
async def test_a_full_photo_shows_the_scene_and_all_streams_go_on(pi: Pi) -> None:
    async with rig(pi, watched=True, small_stream=True) as robot:
        large, small = Pictures(), Pictures()
        robot.camera.set_raw_sink(large)
        robot.camera.set_raw_watched(True)
        robot.camera.set_small_sink(small)
        robot.camera.set_small_watched(30)
        await robot.camera.start()
        await robot.frames.reach(3)
        full = await robot.camera.full_photo()
        assert (full.photo.width, full.photo.height) == FULL
        shown = decode_jpeg(full.photo.jpeg)
        assert shown.shape == FULL[::-1]
        assert full.files == ()
        await robot.frames.reach_keyframes(2)
        again = robot.frames.keyframes[1]
        before, after = (stamp_at(robot.frames.received[each].timestamp_us) for each in (again - 1, again))
        assert before < stamp_of(shown) < after, "between two frames of the video"
        assert full.photo.captured_us is not None
        assert abs(stamp_of(shown) - stamp_at(full.photo.captured_us)) <= 20
        await video_goes_on(robot, again)
        for pictures, size in ((large, (640, 360)), (small, (320, 180))):
            frame = (await pictures.more(2))[-1]
            assert (frame.width, frame.height) == size
            assert abs(stamp_of(grey(frame)) - stamp_at(frame.timestamp_us)) <= 20
        assert robot.states == [CameraState.OFF, CameraState.STARTING, CameraState.ON], "on, all the time"
        assert (await robot.camera.photo()).width == 640, "an ordinary photo is as large as the video"


@ON_EVERY_PI
async def test_a_full_photo_is_stored_as_dng_and_jpeg(pi: Pi, tmp_path: Path) -> None:
    async with rig(pi, photo_folder=tmp_path / "photos") as robot:
        await robot.camera.start()
        full = await robot.camera.full_photo(dng=True)
        dng, jpeg = full.files
        assert jpeg.read_bytes() == full.photo.jpeg
        assert dng.read_bytes()[:4] == b"II*\0", "a DNG file is a TIFF file"
        assert dng.stat().st_size > FULL[0] * FULL[1]
        assert sorted((tmp_path / "photos").iterdir()) == [dng, jpeg]
        assert (dng.stem, dng.suffix, jpeg.suffix) == (jpeg.stem, ".dng", ".jpg")


@pytest.mark.parametrize("form", ["DNG", "JPEG"])
async def test_a_picture_that_cannot_be_encoded_is_explained_and_the_video_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def fail(*arguments: Any, **_: Any) -> None:
        raise TypeError(f"{len(arguments)} are no use")  # its traceback holds the pixels

    pi = make_pi("real picamera2")
    pi.sensor.modes = MODES
    if form == "DNG":
        monkeypatch.setattr(sys.modules["pidng.core"].PICAM2DNG, "convert", fail)
    else:
        monkeypatch.setattr(sys.modules["simplejpeg"], "encode_jpeg_yuv_planes", fail)
    async with rig(pi, watched=True, photo_folder=tmp_path) as robot:
        await robot.camera.start()
        errors = []
        for _ in range(2):
            with pytest.raises(DeviceError, match=rf"could not be stored as {form}: \d are no use") as refused:
                await robot.camera.full_photo(dng=True)
            errors.append(refused)  # each with its traceback
            await robot.frames.more(3)
        assert not any(path.is_file() for path in tmp_path.iterdir())  # noqa: ASYNC240  # of a few entries
        assert robot.camera_state() is CameraState.ON


async def test_the_video_stays_when_no_picture_is_larger(pi: Pi) -> None:
    pi.sensor.modes = (SensorMode((640, 360), 60.0, (0, 0, 640, 360)),)
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(2)
        full = await robot.camera.full_photo()
        assert (full.photo.width, full.photo.height) == (640, 360)
        await robot.frames.more(3)
        assert pi.sensor.starts == 1


@ON_EVERY_PI
async def test_a_photo_that_the_library_refuses_leaves_the_video(pi: Pi) -> None:
    def refuse(camera: Any, *arguments: Any, **options: Any) -> Any:
        if options:  # the library calls it without for itself
            raise RuntimeError("failed to allocate capture buffers for stream 0")
        return pi.library.Picamera2.create_still_configuration(camera, *arguments)

    async with rig(pi, platform=pi.with_camera(create_still_configuration=refuse), watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(2)
        seen = len(robot.frames.received)
        with pytest.raises(DeviceError, match="full size: failed to allocate capture buffers"):
            await robot.camera.full_photo()
        await video_goes_on(robot, seen)
        assert robot.camera_state() is CameraState.ON
        assert not robot.state.snapshot.fault("camera")


@ON_EVERY_PI
async def test_a_sensor_that_stalls_meanwhile_is_restarted_and_viewers_stay(pi: Pi) -> None:
    starts: list[object] = []

    def stalls_at_second_start(camera: Any, *arguments: Any) -> None:
        pi.sensor.stalled = bool(starts)
        starts.append(camera)
        pi.library.Picamera2.start(camera, *arguments)

    async with rig(pi, platform=pi.with_camera(start=stalls_at_second_start), watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(2)
        with pytest.raises(StalledError, match="delivers no pictures"):
            await robot.camera.full_photo()
        assert robot.camera_state() is CameraState.FAILED
        assert not pi.capturing()
        assert await robot.camera.is_delivering_frames() is False, "the watchdog restarts it"
        starts.clear()
        seen = len(robot.frames.received)
        await robot.camera.restart()
        await video_goes_on(robot, seen)


@ON_EVERY_PI
async def test_a_video_that_does_not_come_back_is_a_stall(pi: Pi) -> None:
    configured: list[object] = []

    def refuses_third(camera: Any, *arguments: Any) -> None:
        configured.append(camera)
        if len(configured) == first + 2:
            raise RuntimeError("Configuration failed")
        pi.library.Picamera2.configure(camera, *arguments)

    async with rig(pi, platform=pi.with_camera(configure=refuses_third), watched=True) as robot:
        first = 10**9
        await robot.camera.start()
        first = len(configured)
        with pytest.raises(StalledError, match="does not go on with the video after a photo: Configuration failed"):
            await robot.camera.full_photo()
        assert robot.camera_state() is CameraState.FAILED
        assert await robot.camera.is_delivering_frames() is False, "the watchdog restarts it"
        await robot.camera.restart()
        await robot.frames.more(2)


def holding(pi: Pi, held: threading.Event) -> tuple[Platform, threading.Event, list[Any]]:
    """A Pi whose full photo waits until ``held`` is set; when it waits, and all requests that were given out."""
    waiting, requests = threading.Event(), list[Any]()

    def capture_request(camera: Any, **options: Any) -> Any:
        request = pi.library.Picamera2.capture_request(camera, **options)
        requests.append(request)
        if request.config["main"]["size"] == FULL:
            waiting.set()
            held.wait(DEADLINE_S)
        return request

    return pi.with_camera(capture_request=capture_request), waiting, requests


@ON_EVERY_PI
@pytest.mark.parametrize("end", ["privacy", "switched off", "shut down"])
async def test_an_end_in_the_middle_leaves_nothing_on(pi: Pi, end: str) -> None:
    go_on, hand = threading.Event(), Hand()
    platform, waiting, requests = holding(pi, go_on)
    async with rig(pi, platform=platform, privacy=hand, watched=True) as robot:
        await robot.camera.start()
        taking = asyncio.create_task(robot.camera.full_photo())
        await eventually(waiting.is_set)
        ends: dict[str, Callable[[], object]] = {
            "privacy": hand.engage,
            "switched off": lambda: asyncio.create_task(robot.camera.stop()),
            "shut down": lambda: asyncio.create_task(robot.camera.close()),
        }
        ending = ends[end]()
        await asyncio.sleep(0)
        go_on.set()
        if end == "switched off":
            await asyncio.wait([taking])  # it was taken before, or could not be encoded any more
            assert taking.exception() is None or isinstance(taking.exception(), NotReadyError)
        else:
            with pytest.raises(NotReadyError):
                await taking
        await eventually(lambda: robot.camera_state() is CameraState.OFF)
        assert not pi.capturing()
        assert pi.running_encoders() == []
        if isinstance(ending, asyncio.Task):
            await ending
        await eventually(lambda: all(request.ref_count == 0 for request in requests))


async def test_a_photo_that_is_refused_while_it_is_encoded_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pi, hand, encoding, go_on = make_pi("real picamera2"), Hand(), threading.Event(), threading.Event()
    pi.sensor.modes = MODES
    converter = sys.modules["pidng.core"].PICAM2DNG
    convert = converter.convert

    def held(*arguments: Any, **options: Any) -> Any:
        encoding.set()
        go_on.wait(DEADLINE_S)
        return convert(*arguments, **options)

    monkeypatch.setattr(converter, "convert", held)
    async with rig(pi, privacy=hand, photo_folder=tmp_path / "photos") as robot:
        await robot.camera.start()
        taking = asyncio.create_task(robot.camera.full_photo(dng=True))
        await eventually(encoding.is_set)
        hand.engage()
        await eventually(lambda: robot.camera_state() is CameraState.OFF)
        go_on.set()
        with pytest.raises(NotReadyError):
            await taking
        assert list((tmp_path / "photos").iterdir()) == []


@ON_EVERY_PI
async def test_a_caller_that_is_cancelled_costs_the_viewers_nothing_more(pi: Pi) -> None:
    go_on = threading.Event()
    platform, waiting, requests = holding(pi, go_on)
    async with rig(pi, platform=platform, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(2)
        taking = asyncio.create_task(robot.camera.full_photo())
        await eventually(waiting.is_set)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        del taking
        go_on.set()
        await robot.frames.until(lambda: len(robot.frames.keyframes) == 2)
        await video_goes_on(robot, robot.frames.keyframes[-1])
        await eventually(lambda: all(request.ref_count == 0 for request in requests))


async def test_a_full_photo_may_switch_the_camera_on_for_itself(pi: Pi) -> None:
    async with rig(pi, photo_switches_on=True) as robot:
        full = await robot.camera.full_photo()
        assert (full.photo.width, full.photo.height) == FULL
        await eventually(lambda: robot.camera_state() is CameraState.OFF)
        assert not pi.capturing()
        assert robot.states == [*[*CameraState][:4], CameraState.OFF]


async def test_a_camera_that_is_off_takes_none(pi: Pi) -> None:
    async with rig(pi) as robot:
        with pytest.raises(NotReadyError, match="The camera is off"):
            await robot.camera.full_photo()
        await robot.camera.start()
        with pytest.raises(ValueError, match="quality"):
            await robot.camera.full_photo(2)
        with pytest.raises(ArgumentError, match="no folder for DNG"):
            await robot.camera.full_photo(dng=True)
