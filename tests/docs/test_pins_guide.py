"""The settings in the guide to pins are valid, and its commands name what the demo has."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from robot_node.apps.demo_buttons import PIN_SETTINGS
from robot_node.settings.access import TOOLS
from robot_node.settings.loading import load_settings

GUIDE = (Path(__file__).parents[2] / "docs" / "pins.md").read_text()


@pytest.mark.parametrize("recipe", re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL))
def test_the_recipes_are_settings(tmp_path: Path, recipe: str) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(recipe)
    load_settings(file)


def test_the_commands_name_what_the_demo_has() -> None:
    commands = [shlex.split(line) for line in re.findall(r"^\.venv/bin/robot-node (.*)$", GUIDE, re.MULTILINE)]
    assert len(commands) == 4
    for _call, robot, tool, *arguments in commands:
        assert robot == "demo-robot"
        assert tool in TOOLS
        name = json.loads(arguments[0])["name"] if arguments else "lamp"
        assert name in PIN_SETTINGS["pins"]["outputs"]


def test_every_tool_and_kind_is_told() -> None:
    for word in ("led", "pwm_led", "rgb_led", "buzzer", "servo", "motor", "button", "switch", "motion_sensor"):
        assert f"`{word}`" in GUIDE
