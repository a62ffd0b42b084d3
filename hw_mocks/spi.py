"""A simulated SPI bus with a display on it."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from gpiozero.pins.mock import MockFactory

from hw_mocks.oled import SimulatedOled

_COMMANDS, _DATA = 0x00, 0x40
"""Control bytes of I2C; on SPI the D/C pin has this role (SSD1306 8.1.3)."""


@dataclass
class SimulatedSpiBus:
    """SPI bus 0 with a display on chip select 0.

    Attributes:
        oled: The display.
        pins: The pins of the Pi.
        data_pin: Number of the pin that is wired to the display's D/C.
        bytes_on_wire: Number of transferred bytes.
        open_devices: Number of open devices.
    """

    oled: SimulatedOled
    pins: MockFactory
    data_pin: int = 24
    bytes_on_wire: int = field(default=0, init=False)
    open_devices: int = field(default=0, init=False)

    def spidev(self) -> SimulatedSpidev:
        """Create a device, like ``spidev.SpiDev()``."""
        return SimulatedSpidev(self)


class SimulatedSpidev:
    """The methods of ``spidev.SpiDev`` that luma calls."""

    def __init__(self, bus: SimulatedSpiBus) -> None:
        self._bus = bus
        self._open = False
        self.max_speed_hz = 0

    def open(self, bus: int, device: int) -> None:
        """Open ``/dev/spidevBUS.DEVICE``."""
        if (bus, device) != (0, 0):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._open = True
        self._bus.open_devices += 1

    def writebytes(self, values: Sequence[int]) -> None:
        """Send bytes; SPI has no acknowledgement, so that an unplugged display is not detected."""
        if not self._open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._bus.bytes_on_wire += len(values)
        kind = _DATA if self._bus.pins.pin(f"GPIO{self._bus.data_pin}").state else _COMMANDS
        self._bus.oled.receive(bytes([kind, *values]), timeout_s=1.0)

    def close(self) -> None:
        """Close the device."""
        if self._open:
            self._open = False
            self._bus.open_devices -= 1
