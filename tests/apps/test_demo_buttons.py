"""A person presses the demo's buttons in the terminal."""

from __future__ import annotations

import os
import sys

import pytest

from robot_node.apps.demo_buttons import PIN_SETTINGS, Buttons, read_terminal
from robot_node.core.state import CameraState
from tests.devices.pins.rig import Rig, robot, settings_with
from tests.waiting import eventually


def buttons_of(robot: Rig) -> Buttons:
    return Buttons(settings_with(**PIN_SETTINGS), robot.pi.platform)


async def test_pressing_a_button_is_what_the_robot_feels() -> None:
    async with robot(**PIN_SETTINGS) as it:
        buttons = buttons_of(it)
        assert buttons.names == ("doorbell", "hall", "privacy")
        assert buttons.execute("press doorbell") == "Pressed doorbell."
        await eventually(lambda: it.state.snapshot.inputs["doorbell"].active is True)
        await eventually(lambda: it.state.snapshot.inputs["doorbell"].active is False)
        buttons.execute(" press  hall ")
        await eventually(lambda: it.state.snapshot.inputs["hall"].active is True)
        await eventually(lambda: it.state.snapshot.inputs["hall"].active is False)


async def test_at_its_start_the_demo_has_nothing_to_tell_of_its_pins() -> None:
    async with robot(**PIN_SETTINGS) as it:
        assert it.told == []


async def test_the_privacy_switch_stays_as_it_is_put() -> None:
    async with robot(**PIN_SETTINGS) as it:
        buttons = buttons_of(it)
        await it.parts.camera.start()
        assert "engaged: the camera is off" in buttons.execute("press privacy")
        await eventually(lambda: it.state.snapshot.camera is CameraState.OFF)
        assert "disengaged" in buttons.execute("press privacy")
        await eventually(lambda: not it.state.snapshot.privacy)


@pytest.mark.parametrize("line", ["press", "press nose", "kick doorbell", "press doorbell doorbell"])
async def test_other_lines_are_answered_with_what_can_be_pressed(line: str) -> None:
    async with robot(**PIN_SETTINGS) as it:
        assert buttons_of(it).execute(line) == "Type 'press NAME', where NAME is one of: doorbell, hall, privacy."
        assert buttons_of(it).execute("  ") == ""


async def test_lines_come_from_the_terminal_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        os.write(write, b"press doorbell\npress nose\n")
        os.close(write)
        said: list[str] = []
        async with robot(**PIN_SETTINGS) as it:
            await read_terminal(buttons_of(it), said.append)
            await eventually(lambda: it.state.snapshot.inputs["doorbell"].active is False)
    assert said == ["Pressed doorbell.", "Type 'press NAME', where NAME is one of: doorbell, hall, privacy."]
