"""The camera's controls by V4L2: what a device has, in our names and units, and setting it by ioctl.

Numbers and structures are those of linux/v4l2-controls.h and linux/videodev2.h.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from robot_node.devices.camera.controls import ControlRange, Ranges, supported
from robot_node.devices.camera.v4l2_ioctl import ioctl_number
from robot_node.devices.v4l2 import V4l2Node
from robot_node.settings.camera_controls import CameraControls

QUERY = struct.Struct("=II32siiiiI8x")
CONTROL = struct.Struct("=Ii")
QUERYCTRL = ioctl_number(3, 36, QUERY.size)
S_CTRL = ioctl_number(3, 28, CONTROL.size)

_USER, _CAMERA = 0x0098_0900, 0x009A_0900
BRIGHTNESS, CONTRAST, SATURATION, SHARPNESS = _USER, _USER + 1, _USER + 2, _USER + 27
AUTO_WHITE_BALANCE, WHITE_BALANCE_TEMPERATURE = _USER + 12, _USER + 26
GAIN, HFLIP, POWER_LINE_FREQUENCY = _USER + 19, _USER + 20, _USER + 24
EXPOSURE_AUTO, EXPOSURE_ABSOLUTE, EXPOSURE_AUTO_PRIORITY = _CAMERA + 1, _CAMERA + 2, _CAMERA + 3
PAN_ABSOLUTE, TILT_ABSOLUTE, ZOOM_ABSOLUTE = _CAMERA + 8, _CAMERA + 9, _CAMERA + 13
FOCUS_ABSOLUTE, FOCUS_AUTO = _CAMERA + 10, _CAMERA + 12

_ALL = (
    *(BRIGHTNESS, CONTRAST, SATURATION, SHARPNESS, AUTO_WHITE_BALANCE, WHITE_BALANCE_TEMPERATURE, GAIN, HFLIP),
    *(POWER_LINE_FREQUENCY, EXPOSURE_AUTO, EXPOSURE_ABSOLUTE, EXPOSURE_AUTO_PRIORITY, PAN_ABSOLUTE, TILT_ABSOLUTE),
    *(ZOOM_ABSOLUTE, FOCUS_ABSOLUTE, FOCUS_AUTO),
)
_DISABLED_OR_READ_ONLY = 0x1 | 0x4
_MANUAL_EXPOSURE, _APERTURE_PRIORITY = 1, 3
_EXPOSURE_UNITS_PER_MS = 10
_LONGEST_EXPOSURE_MS = 1000.0
# V4L2 says nothing of the unit; those of common webcams end at about 10 cm.
_NEAREST_DIOPTRES = 10.0
_FACTORS = {"contrast": CONTRAST, "saturation": SATURATION, "sharpness": SHARPNESS}
_SHARES = {"brightness": BRIGHTNESS, "pan": PAN_ABSOLUTE, "tilt": TILT_ABSOLUTE}
_SWITCHES = {"mirror": HFLIP, "night": EXPOSURE_AUTO_PRIORITY}
_POWER_LINE = {0: 0, 50: 1, 60: 2}
_BEFORE_OTHERS = frozenset({EXPOSURE_AUTO, AUTO_WHITE_BALANCE, FOCUS_AUTO})
"""While one of these is automatic, the value that it sets is refused."""


@dataclass(frozen=True, slots=True)
class DeviceControl:
    """One control of a device, in its own unit.

    Attributes:
        minimum: Smallest value.
        maximum: Largest value.
        step: From one value to the next.
        default: The device's own.
    """

    minimum: int
    maximum: int
    step: int
    default: int

    def nearest(self, value: float) -> int:
        """Return the value that the device has nearest to one."""
        step = max(1, self.step)
        steps = round((min(max(value, self.minimum), self.maximum) - self.minimum) / step)
        return min(self.minimum + steps * step, self.maximum)


Found = Mapping[int, DeviceControl]
"""The controls of a device by the kernel's number."""

Values = dict[int, int]
"""Values by the kernel's number of the control."""


def controls_of(node: V4l2Node) -> Found:
    """Ask an open device which of these controls it has."""
    found = {}
    for number in _ALL:
        with contextlib.suppress(OSError):
            answer = node.ioctl(QUERYCTRL, QUERY.pack(number, 0, b"", 0, 0, 0, 0, 0))
            _, _, _, low, high, step, default, flags = QUERY.unpack(answer)
            if not flags & _DISABLED_OR_READ_ONLY and high > low:
                found[number] = DeviceControl(low, high, step, default)
    return found


def ranges_of(found: Found) -> Ranges:
    """Return what a device has, in our names and units."""
    return dict(_ranges(found))


def _ranges(found: Found) -> Iterator[tuple[str, ControlRange]]:
    yield from _automatic_ranges(found)
    for name, number in _SHARES.items():
        if number in found:
            yield name, ControlRange(-1, 1, 0)
    for name, number in _FACTORS.items():
        its = found.get(number)
        if its is not None and its.default > its.minimum:
            yield name, ControlRange(0, round((its.maximum - its.minimum) / (its.default - its.minimum), 2), 1)
    if (lamps := found.get(POWER_LINE_FREQUENCY)) is not None:
        usual = next((hz for hz, value in _POWER_LINE.items() if value == lamps.default), None)
        yield "flicker_hz", ControlRange(default=usual, choices=(0, 50, 60))
    if (lens := found.get(ZOOM_ABSOLUTE)) is not None and lens.minimum > 0:
        yield "zoom", ControlRange(1, lens.maximum / lens.minimum, 1)
    for name, number in _SWITCHES.items():
        if number in found:
            yield name, ControlRange(default=bool(found[number].default), choices=(False, True))
    yield "rotate", ControlRange(default=0, choices=(0, 90, 180, 270))


def _automatic_ranges(found: Found) -> Iterator[tuple[str, ControlRange]]:
    if FOCUS_AUTO in found:
        yield "focus", ControlRange(default="continuous", choices=("continuous",))
    if FOCUS_ABSOLUTE in found:
        yield "focus_dioptres", ControlRange(0, _NEAREST_DIOPTRES)
    if EXPOSURE_AUTO in found and (shutter := found.get(EXPOSURE_ABSOLUTE)) is not None:
        longest_ms = min(shutter.maximum / _EXPOSURE_UNITS_PER_MS, _LONGEST_EXPOSURE_MS)
        yield "exposure_ms", ControlRange(shutter.minimum / _EXPOSURE_UNITS_PER_MS, longest_ms)
    if (amplifier := found.get(GAIN)) is not None:
        yield "gain", ControlRange(max(1, amplifier.minimum), amplifier.maximum)
    if AUTO_WHITE_BALANCE in found:
        yield "white_balance", ControlRange(default="auto", choices=("auto",))
        if (kelvin := found.get(WHITE_BALANCE_TEMPERATURE)) is not None:
            yield "colour_temperature", ControlRange(kelvin.minimum, kelvin.maximum)


def to_v4l2(controls: CameraControls, found: Found) -> Values:
    """Return what to set, without what the device has by itself or lacks."""
    return {number: found[number].nearest(value) for number, value in _wished(controls, found) if number in found}


def _wished(controls: CameraControls, found: Found) -> Iterator[tuple[int, float]]:
    yield from _automatic(controls, found)
    for name, number in _FACTORS.items():
        factor, its = getattr(controls, name), found.get(number)
        if factor is not None and its is not None:
            yield number, its.minimum + factor * (its.default - its.minimum)
    for name, number in _SHARES.items():
        share, its = getattr(controls, name), found.get(number)
        if share is not None and its is not None:
            yield number, its.default + abs(share) * ((its.maximum if share > 0 else its.minimum) - its.default)
    if controls.flicker_hz is not None:
        yield POWER_LINE_FREQUENCY, _POWER_LINE[controls.flicker_hz]
    if controls.zoom is not None and (lens := found.get(ZOOM_ABSOLUTE)) is not None:
        yield ZOOM_ABSOLUTE, controls.zoom * lens.minimum
    for name, number in _SWITCHES.items():
        if (on := getattr(controls, name)) is not None:
            yield number, on


def _automatic(controls: CameraControls, found: Found) -> Iterator[tuple[int, float]]:
    if controls.focus_dioptres is not None and (lens := found.get(FOCUS_ABSOLUTE)) is not None:
        yield FOCUS_AUTO, 0
        yield FOCUS_ABSOLUTE, lens.minimum + controls.focus_dioptres / _NEAREST_DIOPTRES * (lens.maximum - lens.minimum)
    elif controls.focus is not None:
        yield FOCUS_AUTO, 1
    if controls.exposure_ms is not None:
        yield EXPOSURE_AUTO, _MANUAL_EXPOSURE if controls.exposure_ms else _automatic_exposure(found)
        if controls.exposure_ms:
            yield EXPOSURE_ABSOLUTE, controls.exposure_ms * _EXPOSURE_UNITS_PER_MS
    if controls.gain:
        yield GAIN, controls.gain
    if controls.colour_temperature is not None:
        yield AUTO_WHITE_BALANCE, 0
        yield WHITE_BALANCE_TEMPERATURE, controls.colour_temperature
    elif controls.white_balance is not None:
        yield AUTO_WHITE_BALANCE, 1


def _automatic_exposure(found: Found) -> int:
    its = found.get(EXPOSURE_AUTO)
    return _APERTURE_PRIORITY if its is None or its.default == _MANUAL_EXPOSURE else its.default


class AppliedV4l2Controls:
    """What a device was set to: most keep it until they are unplugged, also while nothing uses them."""

    def __init__(self) -> None:
        self._applied: Values = {}

    def change_to(self, controls: CameraControls, node: V4l2Node) -> tuple[Ranges, tuple[str, ...]]:
        """Set what the device can do of these controls; what is not wished any more gets its default.

        Returns:
            What the device has, and a sentence for each control that is not as wished.
        """
        found = controls_of(node)
        ranges = ranges_of(found)
        possible, problems = supported(controls, ranges)
        wished = to_v4l2(possible, found)
        defaults = {number: found[number].default for number in self._applied if number in found}
        self._applied = wished
        refused = tuple(
            f"The camera refuses a control (V4L2 {number:#x}): {error.strerror}."
            for number, error in _set_all(node, defaults | wished)
            if number in wished  # a value that an automatic sets again needs no default
        )
        return ranges, (*problems, *refused)


def _set_all(node: V4l2Node, values: Values) -> Iterator[tuple[int, OSError]]:
    for number in sorted(values, key=lambda number: (number not in _BEFORE_OTHERS, number)):
        try:
            node.ioctl(S_CTRL, CONTROL.pack(number, values[number]))
        except OSError as error:
            yield number, error
