"""Buttons of the demo: typing ``press NAME`` in its terminal presses one."""

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

PIN_SETTINGS: dict[str, Any] = {
    "privacy": {"led_pin": 17, "switch_pin": 27, "engaged_when": "closed"},
    "pins": {
        "outputs": {"lamp": {"kind": "led", "pin": 5}, "neck": {"kind": "servo", "pin": 18}},
        "inputs": {"doorbell": {"kind": "button", "pin": 22}, "hall": {"kind": "motion_sensor", "pin": 23}},
    },
    "reactions": {"rules": [{"when": {"input": "doorbell"}, "then": {"emotion": "surprised"}}]},
}
"""Sections of settings for the pins of the demo's robot."""


class Buttons:
    """Presses buttons and switches of simulated hardware.

    Args:
        settings: The robot's settings, with its pins.
        platform: Simulated hardware.
    """

    def __init__(self, settings: Settings, platform: Platform) -> None:
        self._settings = settings
        self._platform = platform
        self._privacy_engaged = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of everything that can be pressed."""
        inputs = self._settings.pins.inputs
        pressable = (name for name, entry in inputs.items() if isinstance(entry, SwitchInputSettings))
        return (*pressable, *((PRIVACY,) if self._settings.privacy.switch_pin is not None else ()))

    def execute(self, line: str) -> str:
        """Execute a typed command and return the answer.

        Args:
            line: ``press NAME``. The privacy switch toggles; every other button is released after a moment.
        """
        command, _, name = line.strip().partition(" ")
        name = name.strip()
        if not command:
            return ""
        if command != "press" or name not in self.names or self._platform.drive_pin is None:
            return f"Type 'press NAME', where NAME is one of: {', '.join(self.names)}."
        if name == PRIVACY:
            self._privacy_engaged = not self._privacy_engaged
            self._platform.drive_pin(self._settings.privacy.switch_pin or 0, not self._privacy_engaged)
            return f"Privacy switch {'engaged: the camera is off' if self._privacy_engaged else 'disengaged'}."
        entry = self._settings.pins.inputs[name]
        assert isinstance(entry, SwitchInputSettings), "self.names lists switches only"
        self._platform.drive_pin(entry.pin, entry.active_level)
        asyncio.get_running_loop().call_later(_PRESSED_S, self._platform.drive_pin, entry.pin, not entry.active_level)
        return f"Pressed {name}."


async def read_terminal(buttons: Buttons, write: Callable[[str], None]) -> None:
    """Execute commands from stdin until cancelled or end of file; return at once if stdin cannot be polled."""
    try:
        stdin = sys.stdin.fileno()
        if os.isatty(stdin) and os.tcgetpgrp(stdin) != os.getpgrp():
            return  # a background process that reads from its terminal is stopped (SIGTTIN)
    except (OSError, ValueError, AttributeError):
        return
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        text = os.read(stdin, 4096)
        for line in text.decode(errors="replace").splitlines():
            lines.put_nowait(line[:_LONGEST_LINE])
        if not text:
            lines.put_nowait(None)
            loop.remove_reader(stdin)

    loop = asyncio.get_running_loop()
    try:
        loop.add_reader(stdin, read)
    except (OSError, ValueError):  # a file or /dev/null
        return
    try:
        while (line := await lines.get()) is not None:
            if answer := buttons.execute(line):
                write(answer)
    finally:
        with suppress(ValueError, OSError):
            loop.remove_reader(stdin)
