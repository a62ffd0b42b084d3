"""The doctor's checks of USB cameras: which there are, what they have, and who uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robot_node.apps.doctor.camera import check_camera, check_cameras_of_other_boards
from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding, Level
from robot_node.apps.doctor.service import service_of
from robot_node.devices.platform import raspberry_pi
from tests.apps.doctor.pi import Pi, by_check

V4L2 = {"camera": {"driver": "v4l2"}}


def case_of(pi: Pi, report: Callable[[Finding], None]) -> Case:
    return Case(pi.settings, pi.platform, pi.machine, service_of(pi.machine), report)


async def examined(pi: Pi) -> dict[str, Finding]:
    found: list[Finding] = []
    await check_camera(case_of(pi, found.append))
    return by_check(found)


async def test_devices_formats_and_what_will_be_used_are_listed(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path, **V4L2)
    found = await examined(pi)
    assert set(found) == {"video devices", "camera", "video encoder"}
    assert all(finding.level is Level.OK for finding in found.values())
    devices = found["video devices"].detail
    assert devices.startswith("/dev/video0 is HD Pro Webcam C920 (usb-0000:01:00.0-1.2): mjpeg 1920x1080, 1280x720")
    assert "; h264 1920x1080" in devices
    assert "/dev/video1 " not in devices, "it gives metadata, no pictures"
    assert found["camera"].detail == (
        "HD Pro Webcam C920 (/dev/video0) is connected and not in use: mjpeg, 1280x720, 30 frames/s."
    )
    assert "libx264 encodes" in found["video encoder"].detail
    assert pi.hardware.sensor.starts == 0


def unplugged(pi: Pi) -> None:
    pi.hardware.sensor.absent = True


def used_by_another(pi: Pi) -> None:
    pi.run_program(4711, "/usr/bin/cheese --fullscreen", "/dev/video0")
    pi.run_program(4712, "/usr/bin/other", "/dev/video01")


@pytest.mark.parametrize(
    ("camera", "fault", "detail", "remedy"),
    [
        ({}, unplugged, "There is no USB camera.", "Plug it in"),
        ({}, used_by_another, "in use by cheese (process 4711).", "sudo kill 4711"),
        ({"device": "/dev/video1"}, lambda _: None, "is no camera that can be used", "MJPEG, YUYV or H.264"),
        ({"device": "/dev/video9"}, lambda _: None, "There is no camera /dev/video9", "set device in [camera]"),
    ],
)
async def test_each_fault_is_found_with_its_remedy(
    tmp_path: Path, camera: dict[str, Any], fault: Callable[[Pi], None], detail: str, remedy: str
) -> None:
    pi = Pi.in_good_health(tmp_path, camera={"driver": "v4l2", **camera})
    fault(pi)
    found = await examined(pi)
    assert [name for name, finding in found.items() if not finding.ok] == ["camera"]
    assert detail in found["camera"].detail
    assert remedy in found["camera"].remedy


async def test_who_uses_a_device_is_listed_and_the_robot_itself_is_not_in_the_way(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path, **V4L2)
    pi.run_program(99, "/opt/robot-node/.venv/bin/python /opt/robot-node/.venv/bin/robot-node run", "/dev/video0")
    found = await examined(pi)
    assert all(finding.ok for finding in found.values())
    assert "in use by the robot itself: python (process 99)" in found["camera"].detail
    assert found["video devices"].detail.endswith("in use by python (process 99).")


@pytest.mark.parametrize(("encoder", "level"), [("h264_v4l2m2m", Level.OK), ("none", Level.NOTE)])
async def test_the_boards_encoder_is_used_if_pyav_has_it(tmp_path: Path, encoder: str, level: Level) -> None:
    pi = Pi.in_good_health(tmp_path, **V4L2)
    pi.use_encoder(encoder)
    found = await examined(pi)
    assert found["video encoder"].level is level


async def test_a_board_that_is_no_pi_lists_its_video_devices(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    found: list[Finding] = []
    await check_cameras_of_other_boards(case_of(pi, found.append))
    (devices,) = found
    assert "HD Pro Webcam C920" in devices.detail


async def test_this_machines_own_devices_are_listed_or_said_to_be_missing(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    pi.platform = raspberry_pi()
    found: list[Finding] = []
    await check_cameras_of_other_boards(case_of(pi, found.append))
    (devices,) = found
    assert devices.detail.startswith("/dev/video") or devices.detail == "There is no camera that V4L2 could drive."
