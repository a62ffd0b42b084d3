"""FFmpeg's real device input and our real requests to the kernel, over a camera that a library puts below them.

This machine's kernel may have no video device; ``make test-v4l2 DEVICE=...`` runs the same program over a real one.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from hw_mocks.scenes import open_scene
from hw_mocks.v4l2 import SimulatedUsbCamera, camera_codec
from robot_node.core.state import RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.devices.camera.capture import AbsentError
from robot_node.devices.platform import raspberry_pi
from robot_node.settings.devices import CameraSettings

_SOURCE = Path(__file__).with_name("v4l2_kernel.c")


def make_frames(folder: Path) -> None:
    """A second of the clock in each format, as cameras send it: MJPEG without Huffman tables."""
    for video_format, fourcc in (("mjpeg", "MJPG"), ("yuyv422", "YUYV"), ("h264", "H264")):
        codec = camera_codec(video_format, 640, 360, SimulatedUsbCamera(huffman_tables=False))
        scene = open_scene("clock", 640, 360)
        frames = [codec(scene.picture(number / 30)) for number in range(30)]
        (folder / f"frames.{fourcc}").write_bytes(b"".join(struct.pack("<I", len(each)) + each for each in frames))


@pytest.mark.slow
def test_each_format_and_each_fault_over_an_emulated_kernel(tmp_path: Path) -> None:
    library = tmp_path / "kernel.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl", "-lpthread"], check=True)
    make_frames(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.devices.camera.v4l2_through_kernel", "/dev/video90", str(tmp_path)],
        env={**os.environ, "LD_PRELOAD": str(library), "V4L2_KERNEL": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    device, mjpeg, yuyv, h264, absent, busy, faults = done.stdout.splitlines()
    assert device == "Camera of a test, uvcvideo, usb-0000:00:14.0-3: mjpeg, yuyv, h264"
    assert [line.partition(",")[0] for line in (mjpeg, yuyv, h264)] == [
        "mjpeg: 640x360",
        "yuyv: 640x360",
        "h264: 640x360",
    ]
    assert absent.startswith("There is no camera /dev/video90. Plug it in")
    assert busy.endswith("sudo fuser -v /dev/video90.")
    assert faults == "mjpeg: faults"


async def test_a_kernel_without_that_device_says_so_and_nothing_is_left_out_silently() -> None:
    settings = CameraSettings(driver="v4l2", device="/dev/video987")
    camera = Camera(raspberry_pi(), settings, RobotState())
    try:
        with pytest.raises(AbsentError, match="There is no camera /dev/video987") as refused:
            await camera.start()
        assert "Plug it in, or set device in [camera]" in refused.value.remedy
    finally:
        await camera.close()
