"""Base class of the outputs on the pins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from robot_node.core.state import RobotState, output_fault
from robot_node.devices.pins import PinBoard
from robot_node.errors import DeviceError
from robot_node.settings.pins import OutputSettings


class PinOutput:
    """An output on the pins: opened when it is first used, and again after a failure. Reports its fault to the state.

    Args:
        board: The pins.
        name: Its name in the settings.
        settings: Its pins.
        state: Where its fault is reported.
    """

    def __init__(self, board: PinBoard, name: str, settings: OutputSettings, state: RobotState) -> None:
        self.name = name
        pins = ", ".join(f"GPIO{gpio}" for gpio in settings.gpios())
        self._what = f"The {settings.kind} {name!r} on {pins}"
        self._board = board
        self._made: Any = None
        self._state = state

    async def open(self) -> None:
        """Take the pins; nothing lights, sounds or moves yet.

        Raises:
            DeviceError: They cannot be used.
        """
        if self._made is None:
            with self._reporting_fault():
                self._made = await self._board.make(self._what, self._build)

    @property
    def value(self) -> bool | float | str:
        """What it does now: brightness, light, angle in degrees, speed, or whether it sounds."""
        raise NotImplementedError

    def _build(self, gpiozero: Any, factory: Any) -> Any:
        raise NotImplementedError

    async def _set(self, attribute: str, value: object) -> None:
        await self.open()
        with self._reporting_fault():
            await self._board.call(self._what, setattr, self._made, attribute, value)

    @contextmanager
    def _reporting_fault(self) -> Iterator[None]:
        try:
            yield
        except DeviceError as error:
            self._state.set_fault(output_fault(self.name), str(error))
            raise
        self._state.set_fault(output_fault(self.name), "")
