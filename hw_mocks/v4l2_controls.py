"""The controls of a simulated USB camera, as a Logitech C920 has them; they act on the sensor's."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

from hw_mocks.sensor import SimulatedSensor

# By linux/v4l2-controls.h: minimum, maximum, step and default.
C920 = {
    0x00980900: (0, 255, 1, 128),  # brightness
    0x00980901: (0, 255, 1, 128),  # contrast
    0x00980902: (0, 255, 1, 128),  # saturation
    0x0098090C: (0, 1, 1, 1),  # automatic white balance
    0x00980913: (0, 255, 1, 0),  # gain
    0x00980918: (0, 2, 1, 2),  # frequency of the mains
    0x0098091A: (2000, 6500, 1, 4000),  # white balance temperature
    0x0098091B: (0, 255, 1, 128),  # sharpness
    0x009A0901: (0, 3, 1, 3),  # automatic exposure
    0x009A0902: (3, 2047, 1, 250),  # exposure, in 100 microseconds
    0x009A0903: (0, 1, 1, 0),  # the exposure may lower the frame rate
    0x009A0908: (-36000, 36000, 3600, 0),  # pan
    0x009A0909: (-36000, 36000, 3600, 0),  # tilt
    0x009A090A: (0, 250, 5, 0),  # focus
    0x009A090C: (0, 1, 1, 1),  # autofocus
    0x009A090D: (100, 500, 1, 100),  # zoom
}
_INACTIVE_WHILE = {0x009A0902: (0x009A0901, 3), 0x0098091A: (0x0098090C, 1), 0x009A090A: (0x009A090C, 1)}


class SimulatedControls:
    """The values of one camera.

    Args:
        sensor: What they act on.
    """

    def __init__(self, sensor: SimulatedSensor) -> None:
        self._sensor = sensor
        self.ranges = dict(C920)
        self.values = {number: default for number, (_, _, _, default) in C920.items()}

    def query(self, argument: bytes) -> bytes:
        """Answer VIDIOC_QUERYCTRL."""
        (number,) = struct.unpack_from("=I", argument)
        if number not in self.ranges:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        inactive = 0x10 if self._is_inactive(number) else 0
        return struct.pack("=II32s4iI8x", number, 1, b"a control", *self.ranges[number], inactive)

    def set(self, argument: bytes) -> bytes:
        """Answer VIDIOC_S_CTRL."""
        number, value = struct.unpack("=Ii", argument)
        if number not in self.ranges or self._is_inactive(number):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        low, high, _, _ = self.ranges[number]
        if not low <= value <= high:
            raise OSError(errno.ERANGE, os.strerror(errno.ERANGE))
        self.values[number] = value
        self._sensor.controls.clear()
        self._sensor.controls.update(self._seen())
        return argument

    def _is_inactive(self, number: int) -> bool:
        master, automatic = _INACTIVE_WHILE.get(number, (0, 0))
        return master in self.ranges and self.values[master] == automatic

    def _seen(self) -> dict[str, Any]:
        """The same in the names that the sensor's optics know."""
        now = self.values
        seen: dict[str, Any] = {
            "Brightness": (now[0x00980900] - 128) / 128,
            "Contrast": now[0x00980901] / 128,
            "Saturation": now[0x00980902] / 128,
            "Sharpness": now[0x0098091B] / 128,
            "AfMode": 2 if now[0x009A090C] else 0,
            "LensPosition": now[0x009A090A] / 25,
            "ScalerCrop": self._crop(),
        }
        if now[0x009A0901] == 1:
            seen["ExposureTime"], seen["AnalogueGain"] = now[0x009A0902] * 100, 1.0 + now[0x00980913] / 16
        if not now[0x0098090C]:
            seen |= {"AwbEnable": False, "ColourTemperature": now[0x0098091A]}
        if hz := {1: 50, 2: 60}.get(now[0x00980918]):
            seen |= {"AeFlickerMode": 1, "AeFlickerPeriod": 500_000 // hz}
        return seen

    def _crop(self) -> tuple[int, int, int, int]:
        left, top, width, height = (self._sensor.mode or self._sensor.modes[-1]).crop
        zoom = self.values[0x009A090D] / 100
        shown_width, shown_height = round(width / zoom), round(height / zoom)
        x, y = self.values[0x009A0908] / 36000, -self.values[0x009A0909] / 36000
        return (
            left + round((width - shown_width) * (1 + x) / 2),
            top + round((height - shown_height) * (1 + y) / 2),
            shown_width,
            shown_height,
        )
