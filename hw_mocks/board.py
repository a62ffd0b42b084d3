"""Temperature and throttling of a simulated Raspberry Pi."""

from __future__ import annotations

from dataclasses import dataclass

from robot_node.devices.platform import no_board


@dataclass
class SimulatedBoard:
    """Board status from kernel and firmware.

    Attributes:
        temperature_c: Temperature of the processor; None if unavailable.
        throttled: Bits of ``vcgencmd get_throttled``; None on a machine other than a Raspberry Pi.
    """

    temperature_c: float | None = 48.7
    throttled: int | None = 0

    def temperature(self) -> str:
        """Return the content of ``/sys/class/thermal/thermal_zone0/temp``."""
        if self.temperature_c is None:
            raise FileNotFoundError("/sys/class/thermal/thermal_zone0/temp")
        return f"{round(1000 * self.temperature_c)}\n"

    def throttling(self) -> str:
        """Return the output of ``vcgencmd get_throttled``."""
        if self.throttled is None:
            return no_board()
        return f"throttled=0x{self.throttled:x}\n"
