"""Cameras that setup offers: of a Pi's connector by number, others by device."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.apps.doctor.machine import Machine
from robot_node.apps.setup import survey
from robot_node.apps.setup.answers import camera_text, camera_values
from robot_node.errors import SettingsError
from robot_node.settings.devices import CameraSettings
from robot_node.settings.loading import load_settings
from tests.apps.setup.test_plan import ANSWERS
from tests.apps.setup.test_setup_command import image, setup  # noqa: F401  # a fixture


@pytest.mark.parametrize(
    "camera", ["0", "3", "usb", "usb1", "/dev/video2", "/dev/v4l/by-id/usb-046d_C920-video-index0"]
)
def test_an_answer_becomes_settings_and_these_the_answer_again(camera: str) -> None:
    settings = CameraSettings.model_validate(camera_values(camera))
    assert camera_text(settings) == camera
    assert settings.driver == ("picamera2" if camera.isdecimal() else "v4l2")


@pytest.mark.parametrize("camera", ["", "x", "42", "usb12", "video0", "-1"])
def test_what_is_no_camera_is_refused_with_what_would_be(camera: str) -> None:
    with pytest.raises(SettingsError, match="/dev/video0"):
        ANSWERS.with_camera(camera)


async def test_a_usb_camera_is_set_up_and_kept(image: Path) -> None:  # noqa: F811
    device = "/dev/v4l/by-id/usb-046d_C920-video-index0"
    said = await setup("--non-interactive", "--camera", device, image=image)
    assert said.status == 0, said.stderr
    settings = load_settings(image / "etc/robot-node/robot-node.toml").camera
    assert (settings.driver, settings.device) == ("v4l2", device)
    assert "Nothing to do" in (await setup("--non-interactive", image=image)).stdout
    back = await setup("--non-interactive", "--camera", "1", image=image)
    assert '  camera.driver: "v4l2" -> "picamera2"\n' in back.stdout
    settings = load_settings(image / "etc/robot-node/robot-node.toml").camera
    assert (settings.driver, settings.number) == ("picamera2", 1)
    await setup("--non-interactive", "--camera", "usb", image=image)
    settings = load_settings(image / "etc/robot-node/robot-node.toml").camera
    assert (settings.driver, settings.device, settings.number) == ("v4l2", "auto", 0), "the first of them"


def test_connected_cameras_are_found_by_a_name_that_lasts(tmp_path: Path) -> None:
    pi = simulated_platform()
    name = "HD Pro Webcam C920"
    assert survey.find_cameras(pi.platform, tmp_path)[0] == ("/dev/video0", name)
    (tmp_path / "usb-046d_C920-video-index0").symlink_to("/dev/video0")
    (tmp_path / "usb-046d_C920-video-index1").symlink_to("/dev/video1")
    assert survey.find_cameras(pi.platform, tmp_path)[0] == (f"{tmp_path}/usb-046d_C920-video-index0", name)
    for camera in pi.usb_cameras:
        camera.sensor.absent = True
    assert survey.find_cameras(pi.platform, tmp_path) == []


def test_a_machine_knows_whether_it_is_a_pi(tmp_path: Path) -> None:
    assert not Machine(tmp_path).model
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_text("Raspberry Pi 4 Model B Rev 1.5\0")
    assert Machine(tmp_path).model
