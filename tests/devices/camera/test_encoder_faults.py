"""A video encoder that fails or is missing, over the simulated and the real picamera2."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from hw_mocks.real_picamera2 import real_camera_library
from hw_mocks.sensor import Board
from robot_node.core.state import CameraState
from robot_node.devices.camera.camera import CameraLimits
from robot_node.devices.camera.capture import StalledError
from tests.devices.camera.rig import ON_EVERY_PI, Pi, decode, make_pi, rig
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@ON_EVERY_PI
async def test_a_camera_whose_event_thread_died_is_found_out_and_starts_again(pi: Pi) -> None:
    """An exception in an encoder ends picamera2's event thread; from then on stop() would wait for ever."""
    broken, failed = threading.Event(), threading.Event()
    base = pi.library.H264Encoder

    def encode(encoder: Any, stream: Any, request: Any) -> None:
        if broken.is_set():
            failed.set()
            raise OSError("the encoder's driver failed")
        base._encode(encoder, stream, request)

    limits = CameraLimits(picture=1.5)  # on a busy machine a camera that works takes some of it
    async with rig(pi, platform=pi.with_encoder(_encode=encode), limits=limits, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.more(2)
        broken.set()
        await eventually(failed.is_set)  # which ends the thread
        with pytest.raises(StalledError):
            await robot.camera.photo()
        assert not pi.capturing()
        broken.clear()
        seen = len(robot.frames.received)
        await robot.camera.start()
        await robot.frames.reach(seen + 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@ON_EVERY_PI
async def test_a_camera_whose_event_thread_died_can_be_switched_off(pi: Pi) -> None:
    failed = threading.Event()

    def encode(_encoder: Any, _stream: Any, _request: Any) -> None:
        failed.set()
        raise OSError("the encoder's driver failed")

    async with rig(pi, platform=pi.with_encoder(_encode=encode)) as robot:
        await robot.camera.start()
        robot.camera.set_watched(True)
        await eventually(failed.is_set)
        await robot.camera.stop()
        assert not pi.capturing()
        assert robot.camera_state() is CameraState.OFF


@ON_EVERY_PI
async def test_an_encoder_that_fails_is_reported_while_photos_go_on_and_is_tried_anew(pi: Pi) -> None:
    failing = [True]
    base = pi.library.H264Encoder

    def start(encoder: Any, quality: object = None) -> None:
        if failing[0]:
            raise RuntimeError("out of memory")
        base.start(encoder, quality)

    async with rig(pi, platform=pi.with_encoder(start=start), watched=True) as robot:
        await robot.camera.start()
        assert robot.camera_state() is CameraState.ON
        assert "The video encoder cannot be started: out of memory." in robot.state.snapshot.fault("camera")
        assert (await robot.camera.photo()).jpeg
        failing[0] = False
        robot.camera.set_watched(False)
        robot.camera.set_watched(True)
        await robot.frames.reach(2)
        assert not robot.state.snapshot.fault("camera")


async def test_without_the_hardware_encoder_libx264_encodes_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The V4L2 encoder of the real picamera2, on a machine without /dev/video11."""
    pi = make_pi("real picamera2")
    hardware = real_camera_library(pi.sensor, Board.PI_4).H264Encoder
    platform = replace(pi.platform, camera_library=lambda: replace(pi.library, H264Encoder=hardware))
    async with rig(pi, platform=platform, watched=True) as robot:
        for seen in (0, 3):
            await robot.camera.start()
            await robot.frames.reach(seen + 3)
            assert not robot.state.snapshot.fault("camera")
            await robot.camera.stop()
        assert not pi.capturing()
    assert len(decode(robot.frames.received)) == len(robot.frames.received)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "there is no /dev/video11" in warning
    assert "bcm2835_codec" in warning
    assert "libx264 encodes instead" in warning


async def test_without_any_encoder_there_are_photos_only(pi: Pi) -> None:
    def start(_encoder: Any, _quality: object = None, **_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/dev/video11")

    missing = type("MissingEncoder", (pi.library.LibavH264Encoder,), {"start": start})
    library = replace(pi.library, H264Encoder=missing, LibavH264Encoder=missing)
    async with rig(pi, platform=replace(pi.platform, camera_library=lambda: library), watched=True) as robot:
        await robot.camera.start()
        assert "there is no /dev/video11" in robot.state.snapshot.fault("camera")
        assert (await robot.camera.photo()).jpeg


async def test_a_hardware_encoder_that_may_not_be_opened_says_which_group(pi: Pi) -> None:
    def start(_encoder: Any, _quality: object = None, **_: object) -> None:
        raise PermissionError(13, "Permission denied", "/dev/video11")

    async with rig(pi, platform=pi.with_encoder(start=start), watched=True) as robot:
        await robot.camera.start()
        assert "usermod -aG video" in robot.state.snapshot.fault("camera")
