"""What every output on the pins has in common."""

from __future__ import annotations

from typing import Any

from robot_node.devices.pins import PinBoard
from robot_node.settings.pins import OutputSettings


class PinOutput:
    """An output on the pins: opened when it is first used, and again after a failure."""

    def __init__(self, board: PinBoard, name: str, settings: OutputSettings) -> None:
        self.name = name
        pins = ", ".join(f"GPIO{gpio}" for gpio in settings.gpios())
        self._what = f"The {settings.kind} {name!r} on {pins}"
        self._board = board
        self._made: Any = None

    async def open(self) -> None:
        """Take the pins; nothing lights, sounds or moves yet.

        Raises:
            DeviceError: They cannot be used.
        """
        if self._made is None:
            self._made = await self._board.make(self._what, self._build)

    def _build(self, gpiozero: Any, factory: Any) -> Any:
        raise NotImplementedError

    async def _set(self, attribute: str, value: object) -> None:
        await self.open()
        await self._board.call(self._what, setattr, self._made, attribute, value)
