"""The demo's buttons: a person at the terminal presses them by typing ``press NAME``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from robot_node.devices.platform import Platform
from robot_node.settings.pins import SwitchInputSettings
from robot_node.settings.root import Settings

_PRESSED_S = 0.3
_LONGEST_LINE = 200
PRIVACY = "privacy"

ON_THE_PINS: dict[str, Any] = {
    "privacy": {"led_pin": 17, "switch_pin": 27, "engaged_when": "closed"},
    "pins": {
        "outputs": {"lamp": {"kind": "led", "pin": 5}, "neck": {"kind": "servo", "pin": 18}},
        "inputs": {"doorbell": {"kind": "button", "pin": 22}, "hall": {"kind": "motion_sensor", "pin": 23}},
    },
    "reactions": {"rules": [{"when": {"input": "doorbell"}, "then": {"emotion": "surprised"}}]},
}
"""What the demo's robot has on its pins, as sections of settings."""


class Buttons:
    """Simulated fingers.

    Args:
        settings: What is on the pins.
        platform: Simulated hardware.
    """

    def __init__(self, settings: Settings, platform: Platform) -> None:
        self._settings = settings
        self._platform = platform
        self._switched = False

    @property
    def names(self) -> tuple[str, ...]:
        """What can be pressed."""
        inputs = self._settings.pins.inputs
        pressable = (name for name, entry in inputs.items() if isinstance(entry, SwitchInputSettings))
        return (*pressable, *((PRIVACY,) if self._settings.privacy.switch_pin is not None else ()))

    def obey(self, line: str) -> str:
        """Do what a typed line says; returns what to answer.

        Args:
            line: ``press NAME``. The privacy switch stays as it is put, and everything else is let go at once.
        """
        command, _, name = line.strip().partition(" ")
        name = name.strip()
        if not command:
            return ""
        if command != "press" or name not in self.names or self._platform.drive_pin is None:
            return f"Type 'press NAME'. There are: {', '.join(self.names)}."
        if name == PRIVACY:
            self._switched = not self._switched
            self._platform.drive_pin(self._settings.privacy.switch_pin or 0, not self._switched)
            return f"The privacy switch is {'engaged: the camera is off' if self._switched else 'disengaged'}."
        entry = self._settings.pins.inputs[name]
        assert isinstance(entry, SwitchInputSettings), "it is among the names"
        self._platform.drive_pin(entry.pin, entry.active_level)
        asyncio.get_running_loop().call_later(_PRESSED_S, self._platform.drive_pin, entry.pin, not entry.active_level)
        return f"{name} was pressed."


async def obey_terminal(buttons: Buttons, say: Callable[[str], None]) -> None:
    """Obey what is typed at the terminal, until cancelled or until its end. Does nothing without one."""
    try:
        typed = sys.stdin.fileno()
        if os.isatty(typed) and os.tcgetpgrp(typed) != os.getpgrp():
            return  # in the background: reading would stop us
    except (OSError, ValueError, AttributeError):
        return
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        text = os.read(typed, 4096)
        for line in text.decode(errors="replace").splitlines():
            lines.put_nowait(line[:_LONGEST_LINE])
        if not text:
            lines.put_nowait(None)
            loop.remove_reader(typed)

    loop = asyncio.get_running_loop()
    try:
        loop.add_reader(typed, read)
    except (OSError, ValueError):  # a file or /dev/null: nobody types there
        return
    try:
        while (line := await lines.get()) is not None:
            if answer := buttons.obey(line):
                say(answer)
    finally:
        with suppress(ValueError, OSError):
            loop.remove_reader(typed)
