"""A simulated I2C adapter: luma's serial interface connected to simulated modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from errno import EREMOTEIO
from os import strerror

import smbus2
from luma.core.interface.serial import i2c

from hw_mocks.oled import SimulatedOled

_SMBUS_BLOCK = 32


@dataclass
class SimulatedI2cAdapter:
    """An I2C adapter of a Pi and the connected modules.

    Attributes:
        modules: Modules by I2C address.
        clock_hz: Clock of the bus; the default of a Pi is 100 kHz.
        timeout_s: Timeout of clock stretching; Linux's default.
        transfers: Number of writes and reads.
        bytes_on_wire: Number of bytes, with addresses and control bytes.
        open_interfaces: Number of open interfaces.
    """

    modules: Mapping[int, SimulatedOled]
    clock_hz: int = 100_000
    timeout_s: float = 1.0
    transfers: int = field(default=0, init=False)
    bytes_on_wire: int = field(default=0, init=False)
    open_interfaces: int = field(default=0, init=False)

    @property
    def bus_seconds(self) -> float:
        """Duration of all transfers on the wire: nine clocks per byte, and two for start and stop."""
        return (9 * self.bytes_on_wire + 2 * self.transfers) / self.clock_hz

    def open(self, _bus: int, address: int) -> i2c:
        """Return luma's interface to an address, like ``Platform.i2c``."""
        self.open_interfaces += 1
        return _LumaI2c(_SimulatedSmbus(self), address)

    def write(self, address: int, message: bytes) -> None:
        """Transfer one write.

        Raises:
            OSError: No module has this address.
        """
        self._module(address).receive(message, self.timeout_s)
        self._count(1 + len(message))

    def read(self, address: int) -> int:
        """Transfer one byte from a module.

        Raises:
            OSError: No module has this address.
        """
        value = self._module(address).status(self.timeout_s)
        self._count(2)
        return value

    def _module(self, address: int) -> SimulatedOled:
        module = self.modules.get(address)
        if module is None:
            raise OSError(EREMOTEIO, strerror(EREMOTEIO))
        return module

    def _count(self, wire_bytes: int) -> None:
        self.transfers += 1
        self.bytes_on_wire += wire_bytes


class _SimulatedSmbus:
    """The methods of ``smbus2.SMBus`` that luma and the display driver call."""

    def __init__(self, adapter: SimulatedI2cAdapter) -> None:
        self._adapter = adapter
        self._open = True

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None:
        if len(data) > _SMBUS_BLOCK:
            raise ValueError(f"A block of SMBus has at most {_SMBUS_BLOCK} bytes, not {len(data)}.")
        self._write(i2c_addr, [register, *data])

    def i2c_rdwr(self, *i2c_msgs: smbus2.i2c_msg) -> None:
        for message in i2c_msgs:
            self._write(message.addr, list(message))  # type: ignore[call-overload]  # smbus2 declares __iter__ as int

    def read_byte(self, i2c_addr: int) -> int:
        self._check_open()
        return self._adapter.read(i2c_addr)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._adapter.open_interfaces -= 1

    def _write(self, address: int, message: Iterable[int]) -> None:
        self._check_open()
        self._adapter.write(address, bytes(message))

    def _check_open(self) -> None:
        if not self._open:
            raise OSError("The I2C bus is closed.")


class _LumaI2c(i2c):  # type: ignore[misc]  # luma ships no types
    """Luma's interface as if luma had opened the bus: whole frames in one transfer, closed by cleanup()."""

    def __init__(self, bus: _SimulatedSmbus, address: int) -> None:
        super().__init__(bus=bus, address=address)
        self._managed = True
        self._i2c_msg_write = smbus2.i2c_msg.write
