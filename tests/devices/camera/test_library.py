"""picamera2 itself: missing, too old, the real one, and what the driver avoids in it."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from robot_node.core.state import CameraState
from robot_node.devices.platform import CameraLibrary, raspberry_pi
from robot_node.errors import DeviceError
from tests.devices.camera.rig import PIS, make_pi, rig

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line


async def test_a_missing_library_is_reported_with_the_package_to_install() -> None:
    def missing() -> CameraLibrary:
        raise DeviceError("The camera library cannot be loaded.", remedy="sudo apt install python3-picamera2")

    pi = make_pi("simulated Pi 5")
    async with rig(pi, platform=replace(pi.platform, camera_library=missing)) as robot:
        with pytest.raises(DeviceError, match="python3-picamera2"):
            await robot.camera.start()
        assert robot.camera_state() is CameraState.FAILED
        assert robot.indicator == []


def test_a_pi_without_libcamera_names_the_apt_package() -> None:
    program = "from robot_node.devices.platform import raspberry_pi; raspberry_pi().camera_library()"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "sudo apt install python3-libcamera" in process.stderr
    assert "--system-site-packages" in process.stderr


def test_the_real_platform_hands_out_the_real_library() -> None:
    real = make_pi("real picamera2").library
    library = raspberry_pi().camera_library()
    assert issubclass(real.Picamera2, library.Picamera2)
    assert library.version == "0.3.38"


def test_a_picamera2_that_is_too_old_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    make_pi("real picamera2")
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "0.3.12")
    with pytest.raises(DeviceError, match=r"picamera2 0\.3\.12 is too old: 0\.3\.26 or later is needed.*full-upgrade"):
        raspberry_pi().camera_library()


def two_seconds_of_photos(picam2: Any) -> None:
    for _ in range(60):
        picam2.capture_file(io.BytesIO(), format="jpeg", wait=0.5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("name", "trap"),
    [
        *((name, "an output raises") for name in PIS),
        ("simulated Pi 5", "a keyframe is forced"),
        ("real picamera2", "a keyframe is forced"),
    ],
)
def test_the_traps_that_the_driver_avoids_are_there(name: str, trap: str) -> None:
    """picamera2 used without the driver: the same end of all frames in the simulated and in the real package."""
    pi = make_pi(name)
    received: list[bytes] = []
    base: Any = pi.library.Output

    class Output(base):  # type: ignore[misc]  # picamera2 ships no types
        def outputframe(self, frame: bytes, *_others: object) -> None:
            received.append(bytes(frame))
            if trap == "an output raises":
                raise RuntimeError("full")

    picam2 = pi.library.Picamera2()
    try:
        picam2.configure(picam2.create_video_configuration(main={"size": (160, 120), "format": "YUV420"}, queue=False))
        encoder = pi.library.H264Encoder(bitrate=500_000)
        picam2.start()
        picam2.capture_file(io.BytesIO(), format="jpeg", wait=5)
        if trap == "a keyframe is forced":
            encoder.force_key_frame()
        picam2.start_encoder(encoder, Output())
        with pytest.raises(TimeoutError):
            two_seconds_of_photos(picam2)  # the first picture that is encoded ends the thread
        assert len(received) <= 1
    finally:
        picam2.cancel_all_and_flush()
        picam2.close()
    assert not pi.capturing()
