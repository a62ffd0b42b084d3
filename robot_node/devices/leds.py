"""LEDs on the pins: plain, dimmable, and of three colours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from robot_node.core.state import RobotState
from robot_node.devices.pin_output import PinOutput
from robot_node.devices.pins import PinBoard
from robot_node.errors import ArgumentError
from robot_node.settings.pins import LedSettings, RgbLedSettings


class Led(PinOutput):
    """An LED, on or off or dimmed.

    Args:
        board: The pins.
        name: What it is called.
        settings: Its pin.
        state: Where its fault is reported.
    """

    def __init__(self, board: PinBoard, name: str, settings: LedSettings, state: RobotState) -> None:
        super().__init__(board, name, settings, state)
        self._settings = settings
        self._brightness = 0.0

    @property
    def value(self) -> float:
        """Its brightness: 0 dark, 1 brightest."""
        return self._brightness

    @property
    def dims(self) -> bool:
        """It can be neither on nor off."""
        return self._settings.kind == "pwm_led"

    async def light(self, brightness: float) -> None:
        """Light it.

        Args:
            brightness: 0 dark, 1 brightest; without dimming, whatever is not 0 is 1.

        Raises:
            DeviceError: The pin cannot be used.
        """
        await self._set("value", brightness if self.dims else brightness > 0)
        self._brightness = brightness if self.dims else float(brightness > 0)

    def saved(self) -> Callable[[], Awaitable[None]]:
        """Return a function that lights it as it is now."""
        return partial(self.light, self._brightness)

    def _build(self, gpiozero: Any, factory: Any) -> Any:
        settings, kind = self._settings, gpiozero.PWMLED if self.dims else gpiozero.LED
        return kind(settings.pin, active_high=settings.active_high, pin_factory=factory)


class RgbLed(PinOutput):
    """An LED of three colours.

    Args:
        board: The pins.
        name: What it is called.
        settings: Its pins.
        state: Where its fault is reported.
    """

    dims = True

    def __init__(self, board: PinBoard, name: str, settings: RgbLedSettings, state: RobotState) -> None:
        super().__init__(board, name, settings, state)
        self._settings = settings
        self._colour = (1.0, 1.0, 1.0)
        self._brightness = 0.0

    @property
    def value(self) -> str:
        """Its light, as ``#rrggbb``; ``#000000`` is dark."""
        return "#" + "".join(f"{round(255 * part * self._brightness):02x}" for part in self._colour)

    async def light(self, brightness: float, colour: tuple[float, float, float] | None = None) -> None:
        """Light it.

        Args:
            brightness: 0 dark, 1 brightest.
            colour: Red, green and blue, 0 to 1; by default the last.

        Raises:
            DeviceError: A pin cannot be used.
        """
        self._colour = colour or self._colour
        await self._set("value", tuple(part * brightness for part in self._colour))
        self._brightness = brightness

    def saved(self) -> Callable[[], Awaitable[None]]:
        """Return a function that lights it as it is now."""
        return partial(self.light, self._brightness, self._colour)

    def _build(self, gpiozero: Any, factory: Any) -> Any:
        red, green, blue = self._settings.pins
        return gpiozero.RGBLED(red, green, blue, active_high=self._settings.active_high, pin_factory=factory)


async def set_led(
    led: Led | RgbLed, *, on: bool | None = None, brightness: float | None = None, colour: str | None = None
) -> float:
    """Set an LED, and return its brightness.

    Raises:
        ArgumentError: There is nothing to set, or the LED cannot do it.
        DeviceError: A pin cannot be used.
    """
    if on is None and brightness is None and colour is None:
        raise ArgumentError("Nothing to set.", remedy="Give on (true or false), brightness (0 to 1) or colour.")
    if brightness not in {None, 0.0, 1.0} and not led.dims:
        raise ArgumentError(f"The LED {led.name!r} cannot be dimmed: its brightness is 0 or 1.")
    wanted = 0.0 if on is False else 1.0 if brightness is None else brightness
    if isinstance(led, RgbLed):
        await led.light(wanted, None if colour is None else _parts(colour))
    elif colour is not None:
        raise ArgumentError(f"The LED {led.name!r} has one colour only.")
    else:
        await led.light(wanted)
    return wanted


def _parts(colour: str) -> tuple[float, float, float]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red / 255, green / 255, blue / 255
