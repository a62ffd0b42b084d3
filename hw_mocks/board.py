"""The sensors of a simulated Raspberry Pi itself."""

from __future__ import annotations

from dataclasses import dataclass

from robot_node.devices.platform import no_board


@dataclass
class SimulatedBoard:
    """What the kernel and the firmware tell of the board.

    Attributes:
        temperature_c: Of the processor; None: this machine doesn't tell.
        throttled: The bits of ``vcgencmd get_throttled``; None: the machine is no Raspberry Pi.
    """

    temperature_c: float | None = 48.7
    throttled: int | None = 0

    def temperature(self) -> str:
        """What stands in ``/sys/class/thermal/thermal_zone0/temp``."""
        if self.temperature_c is None:
            raise FileNotFoundError("/sys/class/thermal/thermal_zone0/temp")
        return f"{round(1000 * self.temperature_c)}\n"

    def throttling(self) -> str:
        """What ``vcgencmd get_throttled`` prints."""
        if self.throttled is None:
            return no_board()
        return f"throttled=0x{self.throttled:x}\n"
