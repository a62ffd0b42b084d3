"""What becomes of a step that fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from robot_node.apps.setup import survey
from robot_node.apps.setup.actions import EnableInterface, MakeFolder, MakeUser
from robot_node.apps.setup.answers import Answers
from robot_node.apps.setup.executor import Executor
from robot_node.apps.setup.plan import installation
from robot_node.errors import SetupError
from robot_node.settings.loading import load_settings
from tests.apps.setup.system_image import make_image


@pytest.mark.parametrize(
    ("exit_status", "device", "told"),
    [
        (0, "there", ""),
        (0, "missing", "I2C will be available after a restart of the Pi: sudo reboot"),
        (1, "missing", "raspi-config nonint do_i2c 0 failed: no module. Restart the Pi and run setup again"),
    ],
)
def test_a_bus_that_cannot_be_switched_on_is_no_reason_to_be_without_a_robot(
    exit_status: int, device: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command, status in (("raspi-config", exit_status), ("udevadm", 0)):
        (tmp_path / command).write_text(f"#!/bin/sh\necho no module >&2\nexit {status}\n")
        (tmp_path / command).chmod(0o755)
    (tmp_path / "there").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setitem(survey.INTERFACES, "i2c", str(tmp_path / device))
    said = Executor(Path("/")).perform(EnableInterface("i2c"))
    assert said.startswith(told)
    assert bool(said) == bool(told)


def test_a_person_called_like_our_user_is_renamed_by_what_the_refusal_says(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image")
    subprocess.run(["useradd", "--prefix", image, "--user-group", survey.USER], check=True)
    answers = Answers.from_settings(load_settings())
    with pytest.raises(SetupError, match="login user robot-node exists") as caught:
        installation(
            answers, survey.survey(image), template="", unit="", program=survey.PROGRAM, start=False, wait=False
        )
    for command in caught.value.remedy.partition(": sudo ")[2].replace("NEW", "anna").split("; sudo "):
        program, *words = command.split()
        subprocess.run([program, "--prefix", image, *words], check=True)
    Executor(image).perform(MakeUser(survey.USER, (), survey.STATE))
    assert {"anna", survey.USER} <= set(survey.survey(image).users)


def test_a_machine_whose_users_come_from_elsewhere_too_can_be_looked_at(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image")
    for name, line in (("passwd", "+::::::\n"), ("group", "+:::\n")):
        with (image / "etc" / name).open("a") as file:
            file.write(line)
    assert set(survey.survey(image).users) == {"root"}


def test_a_step_that_fails_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "etc").touch()
    with pytest.raises(SetupError, match=r"Could not make the folder /etc/x .*: File exists\. Fix that and run"):
        Executor(tmp_path).perform(MakeFolder("/etc/x", 0o755))
