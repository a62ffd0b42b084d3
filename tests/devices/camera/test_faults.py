"""What can go wrong with a camera, and what the owner is told. Over the simulated and the real picamera2."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from robot_node.core.state import CameraState
from robot_node.devices.camera.camera import Camera, CameraLimits
from robot_node.devices.camera.capture import StalledError
from robot_node.errors import DeviceError, NotReadyError
from tests.devices.camera.rig import (
    ON_EVERY_CAMERA,
    ON_EVERY_PI,
    WITH_EACH_DRIVER,
    Pi,
    decode,
    make_pi,
    open_files,
    rig,
)
from tests.devices.camera.stuck import Stuck
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line


@ON_EVERY_PI
async def test_no_camera_names_the_cable_and_the_command_to_check(pi: Pi) -> None:
    pi.sensor.absent = True
    async with rig(pi) as robot:
        with pytest.raises(DeviceError) as refused:
            await robot.camera.start()
        assert "no camera number 0: none is connected" in refused.value.message
        assert "ribbon cable" in refused.value.remedy
        assert "rpicam-hello --list-cameras" in refused.value.remedy
        assert robot.camera_state() is CameraState.FAILED
        assert robot.state.snapshot.fault("camera") == str(refused.value)
        with pytest.raises(NotReadyError):
            await robot.camera.photo()

        pi.sensor.absent = False
        await robot.camera.start()
        assert robot.camera_state() is CameraState.ON
        assert not robot.state.snapshot.fault("camera")


async def test_a_camera_number_too_high_says_how_many_there_are(pi: Pi) -> None:
    async with rig(pi, number=3) as robot:
        with pytest.raises(DeviceError, match="no camera number 3: only 1 found"):
            await robot.camera.start()


@ON_EVERY_CAMERA
async def test_a_busy_camera_says_how_to_find_who_uses_it(pi: Pi) -> None:
    pi.sensor.busy = True
    async with rig(pi) as robot:
        with pytest.raises(DeviceError) as refused:
            await robot.camera.start()
        assert refused.value.message == "The camera is busy: another program uses it."
        assert "fuser" in refused.value.remedy
        assert robot.camera_state() is CameraState.FAILED
        pi.sensor.busy = False
        await robot.camera.start()


@WITH_EACH_DRIVER
async def test_trying_in_vain_leaves_no_file_open(pi: Pi) -> None:
    async def try_each_fault() -> None:
        async with rig(pi) as robot:
            for fault, value in (("busy", True), ("start_error", "no"), ("absent", True), ("stalled", True)):
                setattr(pi.sensor, fault, value)
                with pytest.raises(DeviceError):
                    await robot.camera.start()
                setattr(pi.sensor, fault, type(value)())

    await try_each_fault()
    before = open_files()
    for _ in range(5):
        await try_each_fault()
    await eventually(lambda: open_files() <= before)


async def test_two_robots_cannot_have_the_same_camera(pi: Pi) -> None:
    async with rig(pi) as first, rig(pi) as second:
        await first.camera.start()
        with pytest.raises(DeviceError, match="busy"):
            await second.camera.start()
        assert (await first.camera.photo()).jpeg
        await first.camera.stop()
        await second.camera.start()


async def test_a_camera_that_libcamera_cannot_configure_is_explained_in_words(pi: Pi) -> None:
    def init(_picam2: object, *_arguments: object) -> None:
        nothing: Any = None
        try:
            nothing.at(0)
        except AttributeError as error:
            raise RuntimeError("Camera __init__ sequence did not complete.") from error

    async with rig(pi, platform=pi.with_camera(__init__=init)) as robot:
        with pytest.raises(DeviceError, match="libcamera offers no configuration for it") as refused:
            await robot.camera.start()
    assert "NoneType" not in str(refused.value)
    assert "USB camera" in refused.value.remedy


@ON_EVERY_CAMERA
async def test_a_start_that_fails_gives_the_reason_and_frees_the_camera(pi: Pi) -> None:
    pi.sensor.start_error = "Failed to start streaming: Connection timed out"
    async with rig(pi, watched=True) as robot:
        with pytest.raises(DeviceError, match="Failed to start streaming: Connection timed out"):
            await robot.camera.start()
        assert robot.camera_state() is CameraState.FAILED
        assert robot.indicator[-1:] != [True]
        pi.sensor.start_error = ""
        await robot.camera.start()
        await robot.frames.reach(2)


async def test_switching_off_a_failed_camera_clears_the_failure(pi: Pi) -> None:
    pi.sensor.absent = True
    async with rig(pi) as robot:
        with pytest.raises(DeviceError):
            await robot.camera.start()
        await robot.camera.stop()
        assert robot.camera_state() is CameraState.OFF
        assert not robot.state.snapshot.fault("camera")


@ON_EVERY_CAMERA
async def test_a_camera_that_gives_no_picture_at_the_start_is_not_on(pi: Pi) -> None:
    pi.sensor.stalled = True
    async with rig(pi, watched=True) as robot:
        with pytest.raises(StalledError, match=r"delivers no pictures: none came within 0\.2 seconds"):
            await robot.camera.start()
        assert not pi.capturing()
        assert robot.camera_state() is CameraState.FAILED
        assert robot.indicator == [True, False]
        pi.sensor.stalled = False
        await robot.camera.start()
        await robot.frames.reach(2)


async def test_a_start_that_fails_when_nobody_waits_for_it_any_more_is_told_by_the_state_alone(pi: Pi) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    pi.sensor.stalled = True
    async with rig(pi) as robot:
        starting = asyncio.create_task(robot.camera.start())
        await eventually(lambda: robot.camera_state() is CameraState.STARTING)
        starting.cancel()
        await asyncio.wait([starting])
        await eventually(lambda: robot.camera_state() is CameraState.FAILED)
    gc.collect()
    assert not complaints


async def several_photos(camera: Camera) -> None:
    for _ in range(8):
        await camera.photo()


@ON_EVERY_CAMERA
async def test_a_photo_from_a_stalled_camera_is_an_error_in_time_and_never_an_old_picture(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.more(3)
        pi.sensor.stalled = True
        with pytest.raises(StalledError) as failed:
            await several_photos(robot.camera)  # what was under way arrives
        assert "Switch it off and on again" in failed.value.remedy
        assert not pi.capturing()
        assert robot.camera_state() is CameraState.FAILED
        assert robot.indicator == [True, False]
        pi.sensor.stalled = False
        await robot.camera.start()
        assert (await robot.camera.photo()).jpeg


async def test_in_a_stall_further_photos_are_told_that_the_camera_is_being_restarted(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        pi.sensor.stalled = True
        with pytest.raises(StalledError):
            await robot.camera.photo()
        for _ in range(2):
            with pytest.raises(NotReadyError) as refused:
                await robot.camera.photo()
            assert str(refused.value) == (
                "The camera delivered no pictures and is being restarted. Try again in a few seconds."
            )
        pi.sensor.stalled = False
        await robot.camera.restart()
        assert (await robot.camera.photo()).jpeg


async def test_a_camera_that_cannot_be_closed_at_once_is_closed_at_the_second_attempt(pi: Pi) -> None:
    base = pi.library.Picamera2
    attempts: list[None] = []

    def close(picam2: Any) -> None:
        attempts.append(None)
        if len(attempts) == 1:
            raise RuntimeError("Failed to release camera")
        base.close(picam2)

    async with rig(pi, platform=pi.with_camera(close=close)) as robot:
        await robot.camera.start()
        await robot.camera.stop()
        assert not pi.capturing()
        assert robot.camera_state() is CameraState.OFF
        assert robot.indicator == [True, False]


async def test_a_stalled_camera_can_be_switched_off(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        pi.sensor.stalled = True
        await robot.camera.stop()
        assert not pi.capturing()
        assert robot.camera_state() is CameraState.OFF


async def test_a_call_that_never_returns_fails_in_time_and_the_led_stays_lit_until_the_sensor_is_off() -> None:
    pi = make_pi("simulated Pi 5")
    release = threading.Event()
    base = pi.library.Picamera2

    def start(picam2: Any, *arguments: Any) -> None:
        base.start(picam2, *arguments)
        release.wait()

    async with rig(pi, platform=pi.with_camera(start=start), limits=CameraLimits(open=1.5, release=0.2)) as robot:
        with pytest.raises(DeviceError, match=r"does not answer: a call took longer than 1\.5 seconds"):
            await robot.camera.start()
        assert robot.camera_state() is CameraState.FAILED
        with pytest.raises(DeviceError, match="the robot itself holds it"):
            await robot.camera.start()
        with pytest.raises(DeviceError, match="may still be capturing"):
            await robot.camera.stop()
        assert robot.camera_state() is CameraState.FAILED
        assert pi.capturing()
        assert robot.indicator == [True]
        release.set()
        await eventually(lambda: robot.indicator == [True, False])
        assert not pi.capturing()
        await robot.camera.start()
        assert (await robot.camera.photo()).jpeg


@ON_EVERY_PI
async def test_a_camera_that_cannot_be_closed_never_counts_as_off_and_the_led_stays_lit(pi: Pi) -> None:
    closing = Stuck(pi)
    async with rig(pi, platform=closing.platform) as robot:
        await robot.camera.start()
        with pytest.raises(DeviceError, match="could not be closed: Failed to release camera"):
            await robot.camera.stop()
        with pytest.raises(DeviceError, match="may still be capturing"):
            await robot.camera.stop()
        assert robot.camera_state() is CameraState.FAILED
        assert robot.indicator == [True]
    closing.stuck = False
    pi.cameras[0].close()
    assert not pi.capturing()


@ON_EVERY_PI
async def test_a_photo_that_cannot_be_stored_harms_neither_stream_nor_buffers(pi: Pi) -> None:
    base = pi.library.Picamera2

    def without_memory(_request: object, *_arguments: object, **_settings: object) -> None:
        raise MemoryError("no room for a JPEG")

    def capture_request(picam2: Any, *arguments: Any, **settings: Any) -> Any:
        request = base.capture_request(picam2, *arguments, **settings)
        request.save = without_memory.__get__(request)
        return request

    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.more(2)
        (picam2,) = pi.cameras
        picam2.capture_request = capture_request.__get__(picam2)
        for _ in range(8):  # it has six buffers
            with pytest.raises(DeviceError, match="could not be stored as JPEG: no room"):
                await robot.camera.photo()
        await robot.frames.more(5)
        assert robot.camera_state() is CameraState.ON
    assert len(decode(robot.frames.received)) == len(robot.frames.received)
