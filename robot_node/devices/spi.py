"""A display on an SPI bus: luma's serial interface, with its two control pins through gpiozero.

luma itself would want RPi.GPIO, which doesn't know the Pi 5; gpiozero knows every Pi.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpiozero import DigitalOutputDevice, GPIOZeroError
from luma.core.interface.serial import spi

from robot_node.devices.platform import Platform
from robot_node.errors import DeviceError
from robot_node.settings.devices import DisplaySettings


class _Pins:
    """The functions of RPi.GPIO that luma calls."""

    OUT = LOW = 0
    HIGH = 1

    def __init__(self, factory: Any) -> None:
        self._factory = factory
        self._outputs: dict[int, DigitalOutputDevice] = {}

    def setup(self, pin: int, _direction: int) -> None:
        self._outputs[pin] = DigitalOutputDevice(pin, pin_factory=self._factory)

    def output(self, pin: int, value: int) -> None:
        self._outputs[pin].value = value

    def cleanup(self, pins: Iterable[int] | None = None) -> None:
        for pin in tuple(self._outputs) if pins is None else pins:
            self._outputs.pop(pin).close()


class _Spi(spi):  # type: ignore[misc]  # luma ships no types
    """luma's interface; also frees the pins, which luma leaves open."""

    def cleanup(self) -> None:
        super().cleanup()
        self._gpio.cleanup()


def open_spi(platform: Platform, settings: DisplaySettings) -> Any:
    """Return luma's serial interface to a display on the SPI bus, after a reset of the display.

    Args:
        platform: Gives the bus and the pins.
        settings: Which bus and pins.

    Raises:
        DeviceError: The bus or a pin cannot be used.
    """
    pins = None
    try:
        pins = _Pins(platform.pin_factory())
        return _Spi(
            spi=platform.spidev(),
            gpio=pins,
            port=settings.spi_port,
            device=settings.spi_device,
            bus_speed_hz=settings.spi_hz,
            gpio_DC=settings.dc_pin,
            gpio_RST=settings.reset_pin,
            reset_hold_time=_RESET_S,
            reset_release_time=_RESET_S,
        )
    except (OSError, GPIOZeroError) as error:
        if pins is not None:
            pins.cleanup()
        raise DeviceError(
            f"The display on SPI {settings.spi_port}.{settings.spi_device}, pins GPIO{settings.dc_pin} and "
            f"GPIO{settings.reset_pin}, cannot be used: {error}.",
            remedy="Enable SPI with 'sudo raspi-config nonint do_spi 0', put the user into the groups spi and gpio, "
            "and see that nothing else uses the pins.",
        ) from error


_RESET_S = 0.001
"""Duration of the reset pulse, and wait after it. SSD1306 12, SH1106: at least 3 and 10 microseconds."""
