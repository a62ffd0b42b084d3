"""The indicator LED, which tells everybody near the robot that its camera sees. No tool can reach it."""

from __future__ import annotations

from typing import Any, Protocol

from robot_node.devices.pins import PinBoard
from robot_node.errors import DeviceError


class Indicator(Protocol):
    """What the camera shows with that its sensor captures."""

    async def light(self, *, lit: bool) -> None:
        """Light it, or let it go dark.

        Raises:
            DeviceError: It cannot be lit: the sensor must not be started.
        """


class NoIndicator:
    """A robot without indicator LED."""

    async def light(self, *, lit: bool) -> None:
        """Show nothing."""


class IndicatorLed:
    """An LED on a pin.

    Args:
        board: The pins.
        pin: Number of its GPIO.
        active_high: A high level lights it.
    """

    def __init__(self, board: PinBoard, pin: int, *, active_high: bool = True) -> None:
        self._board = board
        self._pin = pin
        self._active_high = active_high
        self._led: Any = None
        self._name = f"The indicator LED on GPIO{pin}"

    async def open(self) -> None:
        """Take the pin; the LED is dark. Does nothing when it was taken already.

        Raises:
            DeviceError: The pin cannot be used.
        """
        if self._led is None:
            self._led = await self._board.make(
                self._name,
                lambda gpiozero, factory: gpiozero.LED(self._pin, active_high=self._active_high, pin_factory=factory),
            )

    async def light(self, *, lit: bool) -> None:
        """Light it, or let it go dark, and read the pin back.

        Raises:
            DeviceError: The pin cannot be used, or does not follow.
        """
        await self.open()
        if not await self._board.call(self._name, self._switch, lit):
            raise DeviceError(
                f"{self._name} cannot be {'lit' if lit else 'switched off'}: the pin does not follow.",
                remedy="Check the LED, its resistor and its wiring.",
            )

    def _switch(self, lit: bool) -> bool:  # noqa: FBT001  # in the pins' thread
        self._led.value = lit
        return bool(self._led.value) == lit
