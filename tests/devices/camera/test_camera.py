"""The camera's life: on and off, photos, callers that come at once. Over the simulated and the real picamera2."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

import numpy as np
import pytest

from robot_node.core.state import CameraState, RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.errors import NotReadyError
from robot_node.settings.devices import CameraSettings
from tests.devices.camera.rig import (
    ON_EVERY_CAMERA,
    ON_EVERY_PI,
    ON_PIS_WITH_LIBX264,
    SETTINGS,
    WITH_EACH_DRIVER,
    IndicatorLog,
    Pi,
    decode_jpeg,
    nal_types,
    open_files,
    rig,
    stamp_at,
    stamp_of,
    threads,
)
from tests.memory import resident_bytes
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line

SPS, PPS, IDR = 7, 8, 5


@ON_EVERY_CAMERA
async def test_off_means_that_the_sensor_is_off(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        assert pi.sensor.starts == 0
        await robot.camera.start()
        assert pi.capturing()
        assert robot.camera_state() is CameraState.ON
        await robot.frames.more(1)
        await robot.camera.stop()
        assert not pi.capturing()
        assert robot.camera_state() is CameraState.OFF
        received = len(robot.frames.received)
        await asyncio.sleep(0.1)  # three frames would have come
        assert len(robot.frames.received) == received
    assert robot.frames.received[-1].timestamp_us <= time.monotonic_ns() // 1000
    assert robot.states == [
        CameraState.OFF,
        CameraState.STARTING,
        CameraState.ON,
        CameraState.STOPPING,
        CameraState.OFF,
    ]


async def test_the_indicator_is_lit_whenever_the_sensor_captures(pi: Pi) -> None:
    capturing_when_told: list[bool] = []
    indicator = IndicatorLog(look=lambda: capturing_when_told.append(pi.capturing()))
    camera = Camera(pi.platform, SETTINGS, RobotState(), indicator=indicator)
    try:
        await camera.start()
        await camera.stop()
    finally:
        await camera.close()
    assert indicator.told == [True, False]
    assert capturing_when_told == [False, False], "lit before the sensor starts, dark after it stopped"


@ON_EVERY_CAMERA
async def test_eight_restarts_each_begin_with_a_keyframe_and_time_goes_on(pi: Pi) -> None:
    pi.sensor.speed = 4
    async with rig(pi, watched=True) as robot:
        for _ in range(8):
            start = len(robot.frames.received)
            await robot.camera.start()
            await robot.frames.reach(start + 3)
            first = robot.frames.received[start]
            assert first.keyframe
            assert nal_types(first.data)[:2] == [SPS, PPS]
            assert IDR in nal_types(first.data)
            await robot.camera.stop()
    assert pi.sensor.starts == 8
    timestamps = [frame.timestamp_us for frame in robot.frames.received]
    assert timestamps == sorted(set(timestamps))


async def test_switching_on_twice_and_off_twice_is_fine(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.stop()
        await robot.camera.start()
        await robot.camera.start()
        assert pi.sensor.starts == 1
        await robot.camera.stop()
        await robot.camera.stop()
    assert robot.indicator == [True, False]


@ON_EVERY_CAMERA
async def test_a_photo_shows_what_is_seen_after_the_call(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        for _ in range(3):
            called = stamp_at(time.monotonic_ns() // 1000)
            photo = await robot.camera.photo(0.9)
            assert (photo.width, photo.height) == (640, 360)
            picture = decode_jpeg(photo.jpeg)
            assert picture.shape == (360, 640)
            assert stamp_of(picture) >= called - 34, "at most one frame old"
            assert photo.captured_us is not None
            assert abs(stamp_of(picture) - stamp_at(photo.captured_us)) <= 20


@ON_PIS_WITH_LIBX264
async def test_quality_decides_upon_the_size_of_a_photo(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        sizes = [len((await robot.camera.photo(quality)).jpeg) for quality in (0.0, 0.5, 1.0)]
        assert sizes[0] < sizes[1] < sizes[2]
        with pytest.raises(ValueError, match="between 0 and 1"):
            await robot.camera.photo(1.1)


async def test_a_photo_with_the_camera_off_says_what_to_call_first(pi: Pi) -> None:
    async with rig(pi) as robot:
        with pytest.raises(NotReadyError) as refused:
            await robot.camera.photo()
        assert str(refused.value) == "The camera is off. Call control_camera with enabled=true first."
        await robot.camera.start()
        await robot.camera.stop()
        with pytest.raises(NotReadyError):
            await robot.camera.photo()


@ON_EVERY_CAMERA
async def test_a_camera_mounted_upside_down_is_turned(pi: Pi) -> None:
    async with rig(pi, rotate=180) as robot:
        await robot.camera.start()
        picture = decode_jpeg((await robot.camera.photo()).jpeg)
        assert stamp_of(np.ascontiguousarray(picture[::-1, ::-1]))


@ON_EVERY_PI
async def test_the_whole_sensor_is_seen_unless_that_is_too_slow(pi: Pi) -> None:
    whole, middle = (0, 0, 4608, 2592), (768, 432, 3072, 1728)
    for frame_rate, seen in ((30, whole), (60, middle)):
        async with rig(pi, width=1280, height=720, frame_rate=frame_rate) as robot:
            for _ in range(2):
                await robot.camera.start()
                assert pi.sensor.mode is not None
                assert pi.sensor.mode.crop == seen
                photo = await robot.camera.photo()
                assert (photo.width, photo.height) == (1280, 720)
                await robot.camera.stop()


async def test_modes_that_cannot_be_read_leave_the_choice_to_libcamera(
    pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_picam2: object) -> None:
        raise RuntimeError("out of memory")

    async with rig(pi, platform=pi.with_camera(sensor_modes=property(fail))) as robot:
        await robot.camera.start()
        assert (await robot.camera.photo()).jpeg
    assert "its picture may be cropped: out of memory" in caplog.text


@pytest.mark.parametrize(("autofocus", "focus"), [(True, 2), (False, 0)])
@ON_EVERY_PI
async def test_a_lens_that_can_focus_does_so_all_the_time(pi: Pi, autofocus: bool, focus: int) -> None:
    pi.sensor.autofocus = autofocus
    async with rig(pi) as robot:
        await robot.camera.start()
        assert pi.sensor.focus == focus


@ON_EVERY_CAMERA
async def test_a_size_that_needs_padding_in_memory_is_shown_whole(pi: Pi) -> None:
    async with rig(pi, width=482, height=270) as robot:
        await robot.camera.start()
        photo = await robot.camera.photo()
        assert decode_jpeg(photo.jpeg).shape == (photo.height, photo.width) == (270, 482)
        assert stamp_of(decode_jpeg(photo.jpeg))


async def test_callers_at_once_never_leave_the_camera_between_two_states(pi: Pi) -> None:
    chance = random.Random(2)

    async with rig(pi, watched=True) as robot:

        async def agent(calls: list[str]) -> None:
            for call in calls:
                match call:
                    case "on":
                        await robot.camera.start()
                    case "off":
                        await robot.camera.stop()
                    case "photo":
                        try:
                            assert decode_jpeg((await robot.camera.photo()).jpeg).shape == (360, 640)
                        except NotReadyError:
                            continue

        async with asyncio.timeout(3 * DEADLINE_S), asyncio.TaskGroup() as agents:
            for number in range(3):
                calls = chance.choices(["on", "off", "photo"], k=8)
                agents.create_task(agent(calls), name=f"agent {number}")

        assert (robot.camera_state() is CameraState.ON) == pi.capturing()
        await robot.camera.stop()
        assert not pi.capturing()
        await robot.camera.start()
        await robot.frames.more(3)
    assert CameraState.FAILED not in robot.states
    assert robot.indicator == [True, False] * (len(robot.indicator) // 2)


async def test_a_caller_that_gives_up_leaves_the_camera_usable(pi: Pi) -> None:
    async with rig(pi) as robot:
        impatient = asyncio.create_task(robot.camera.start())
        await eventually(lambda: robot.camera_state() is CameraState.STARTING)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        await eventually(lambda: robot.camera_state() is CameraState.ON)
        await robot.camera.stop()
        assert not pi.capturing()
        await robot.camera.start()
        assert (await robot.camera.photo()).width == 640


@pytest.mark.slow
@WITH_EACH_DRIVER
async def test_twenty_cycles_leave_no_thread_and_no_file_open(pi: Pi) -> None:
    pi.sensor.speed = 4

    async def cycle() -> None:
        async with rig(pi, watched=True, width=160, height=120) as robot:
            await robot.camera.start()
            await robot.frames.more(1)
            await robot.camera.photo()

    await cycle()  # loads what stays loaded
    await eventually(lambda: "camera" not in threads())
    before = open_files(), threads()
    for _ in range(20):
        await cycle()
    await eventually(lambda: threads() <= before[1])
    await eventually(lambda: open_files() <= before[0])


async def test_a_closed_camera_is_off_and_refuses_to_start(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        await robot.camera.close()
        assert not pi.capturing()
        with pytest.raises(NotReadyError):
            await robot.camera.start()
        await eventually(lambda: "camera" not in threads())


async def test_what_waits_for_its_turn_when_the_robot_shuts_down_does_not_open_the_sensor(pi: Pi) -> None:
    async with rig(pi) as robot:
        stopping = asyncio.create_task(robot.camera.stop())
        waiting = [asyncio.create_task(robot.camera.start()) for _ in range(2)]
        await asyncio.sleep(0)  # they have begun
        await robot.camera.close()
        await stopping
        for start in waiting:
            with pytest.raises(NotReadyError, match="shutting down"):
                await start
        assert pi.sensor.starts == 0
        assert robot.indicator == []


@ON_EVERY_PI
def test_a_frame_that_comes_when_the_loop_is_gone_hurts_nobody(pi: Pi) -> None:
    left, met, base = threading.Event(), threading.Semaphore(0), pi.library.H264Encoder

    def encode(encoder: Any, stream: Any, request: Any) -> None:
        base._encode(encoder, stream, request)
        if left.is_set():
            met.release()

    platform = pi.with_encoder(_encode=encode)

    async def leave_without_closing() -> Camera:
        camera = Camera(platform, CameraSettings(width=160, height=120), RobotState())
        camera.set_watched(True)
        await camera.start()
        return camera

    camera = asyncio.run(leave_without_closing())
    assert pi.capturing()
    left.set()
    for _ in range(3):  # frames meet a closed loop; an error in their thread would end it, and fail the test
        assert met.acquire(timeout=DEADLINE_S)
    asyncio.run(camera.close())
    assert not pi.capturing()


async def test_a_camera_that_goes_off_leaves_no_memory_with_the_robot(pi: Pi) -> None:
    """Here it is the test that frees it; what lies between keeps the allocator from giving it back by itself."""
    async with rig(pi) as robot:
        await robot.camera.start()
        pictures, between = [], []
        for _ in range(1000):
            pictures.append(bytes(64 * 1024))
            between.append(bytearray(1024))
        in_use = resident_bytes()
        pictures.clear()
        await robot.camera.stop()
        assert resident_bytes() < in_use - 32 * 1024 * 1024
        assert between
