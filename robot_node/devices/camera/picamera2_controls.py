"""The camera's controls in libcamera's names and units. Pure.

libcamera's control_ids_core.yaml and control_ids_draft.yaml define names and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from robot_node.devices.camera.controls import ControlRange, Ranges
from robot_node.settings.camera_controls import CameraControls

Available = Mapping[str, tuple[Any, Any, Any]]
"""What a camera has, as ``Picamera2.camera_controls`` tells it: minimum, maximum and default, by libcamera's name."""

LibcameraControls = dict[str, Any]

_AF_MANUAL, _AF_AUTO, _AF_CONTINUOUS = 0, 1, 2
_AF_START = 0
AF_SCANNING = 1
"""AfState: the lens is searching; other states are idle, focused and failed."""
_LONG_EXPOSURES = 2  # AeExposureMode
_SLOWEST_NIGHT_FRAME_US = 200_000
# A picture that takes longer would count as missing.
_LONGEST_EXPOSURE_MS = 1000.0

_NUMBERS = {
    "exposure_compensation": "ExposureValue",
    "brightness": "Brightness",
    "contrast": "Contrast",
    "saturation": "Saturation",
    "sharpness": "Sharpness",
    "gain": "AnalogueGain",
    "focus_dioptres": "LensPosition",
    "colour_temperature": "ColourTemperature",
    "colour_gains": "ColourGains",
}
_CHOICES: Mapping[str, tuple[str, Mapping[Any, int]]] = {
    "white_balance": (
        "AwbMode",
        {
            "auto": 0,
            "incandescent": 1,
            "tungsten": 2,
            "fluorescent": 3,
            "indoor": 4,
            "daylight": 5,
            "cloudy": 6,
        },
    ),
    "hdr": ("HdrMode", {"off": 0, "multi_exposure": 2, "single_exposure": 3, "night": 4}),
    "noise_reduction": ("NoiseReductionMode", {"off": 0, "fast": 1, "high_quality": 2, "minimal": 3}),
    "focus": ("AfMode", {"once": _AF_AUTO, "continuous": _AF_CONTINUOUS}),
}
_FLICKER_PERIODS_US = {50: 10_000, 60: 8_333}  # lamps flicker at twice the frequency of the mains
_AUTOMATIC = {"ExposureTime": 0, "AnalogueGain": 0, "AwbEnable": True}
"""What makes a control automatic again: its default would not."""


def ranges_of(available: Available) -> Ranges:
    """Return what a camera has, in our names and units."""
    return dict(_ranges(available))


def _ranges(available: Available) -> Iterator[tuple[str, ControlRange]]:
    for name, (theirs, numbers) in _CHOICES.items():
        if theirs in available:
            low, high, default = available[theirs]
            possible = {choice: number for choice, number in numbers.items() if low <= number <= high}
            usual = next((choice for choice, number in possible.items() if number == default), None)
            yield name, ControlRange(default="continuous" if name == "focus" else usual, choices=tuple(possible))
    for name, theirs in _NUMBERS.items():
        if theirs in available:
            low, high, default = available[theirs]
            automatic = theirs in _AUTOMATIC or not isinstance(default, int | float)
            yield name, ControlRange(float(low), float(high), None if automatic else default)
    if "ExposureTime" in available:
        low, high, _ = available["ExposureTime"]
        yield "exposure_ms", ControlRange(low / 1000, min(high / 1000, _LONGEST_EXPOSURE_MS))
        yield "night", ControlRange(default=False, choices=(False, True))
    if "AeFlickerMode" in available:
        yield "flicker_hz", ControlRange(default=0, choices=(0, 50, 60))
    if "ScalerCrop" in available:
        (_, _, least_width, least_height), _, (_, _, width, height) = available["ScalerCrop"]
        most = min(width / max(1, least_width), height / max(1, least_height))
        yield "zoom", ControlRange(1, max(1.0, int(most * 10) / 10), 1)
        yield "pan", ControlRange(-1, 1, 0)
        yield "tilt", ControlRange(-1, 1, 0)
    yield "mirror", ControlRange(default=False, choices=(False, True))
    yield "rotate", ControlRange(default=0, choices=(0, 90, 180, 270))


def to_libcamera(controls: CameraControls, available: Available, frame_us: int) -> LibcameraControls:
    """Return what to set, by libcamera's name, without what the camera has by itself or lacks.

    Args:
        controls: What is wished.
        available: What the camera has.
        frame_us: Time from one picture to the next, in microseconds, unless the exposure takes longer.
    """
    return {name: value for name, value in _wished(controls, available, frame_us) if name in available}


def _wished(controls: CameraControls, available: Available, frame_us: int) -> Iterator[tuple[str, Any]]:
    exposure_us = round((controls.exposure_ms or 0) * 1000)
    slowest_us = _SLOWEST_NIGHT_FRAME_US if controls.night else 0
    yield "FrameDurationLimits", (frame_us, max(frame_us, exposure_us, slowest_us))
    yield from _focus(controls)
    if exposure_us:
        yield "ExposureTime", exposure_us
    if controls.night:
        yield "AeExposureMode", _LONG_EXPOSURES
    fixed_white = controls.colour_temperature or controls.colour_gains
    if fixed_white or controls.white_balance:
        yield "AwbEnable", not fixed_white
    for name, theirs in _NUMBERS.items():
        value = getattr(controls, name)
        if value is not None and (theirs, value) != ("AnalogueGain", 0):
            yield theirs, value
    for name, (theirs, numbers) in _CHOICES.items():
        if name != "focus" and (choice := getattr(controls, name)) is not None:
            yield theirs, numbers[choice]
    if controls.flicker_hz is not None:
        yield "AeFlickerMode", int(controls.flicker_hz > 0)
        if controls.flicker_hz:
            yield "AeFlickerPeriod", _FLICKER_PERIODS_US[controls.flicker_hz]
    if (controls.zoom or 1) > 1 and "ScalerCrop" in available:
        yield "ScalerCrop", _crop(controls, available["ScalerCrop"][2])


def _focus(controls: CameraControls) -> Iterator[tuple[str, Any]]:
    if controls.focus_dioptres is not None:
        yield "AfMode", _AF_MANUAL  # LensPosition is among the numbers
    elif controls.focus == "once":
        yield "AfMode", _AF_AUTO
        yield "AfTrigger", _AF_START
    else:  # without it, picamera2 leaves the lens where the tuning file puts it
        yield "AfMode", _AF_CONTINUOUS


def _crop(controls: CameraControls, whole: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The part of the sensor that a zoomed picture shows, in its pixels; flips of the sensor come before the crop."""
    left, top, width, height = whole
    zoom = controls.zoom or 1
    shown_width, shown_height = round(width / zoom), round(height / zoom)
    pan, tilt = controls.pan or 0, controls.tilt or 0
    # Where right and up of the picture as people see it are in the sensor's: x to the right, y down.
    x, y = {90: (-tilt, -pan), 270: (tilt, pan)}.get(controls.rotate, (pan, -tilt))
    return (
        left + round((width - shown_width) * (1 + x) / 2),
        top + round((height - shown_height) * (1 + y) / 2),
        shown_width,
        shown_height,
    )


def transition(
    before: Mapping[str, Any], after: Mapping[str, Any], available: Available, *, refocus: bool = True
) -> LibcameraControls:
    """Return what to set to get from some controls to others; what is not wished any more gets its default.

    Args:
        before: What was set: libcamera keeps it, even while the camera is closed.
        after: What is to be set.
        available: What the camera has.
        refocus: A single focus is made again.
    """
    changes = {name: value for name, value in after.items() if name not in before or before[name] != value}
    if "AfTrigger" in after and (refocus or "AfMode" in changes):
        changes |= {"AfMode": after["AfMode"], "AfTrigger": after["AfTrigger"]}
    else:
        changes.pop("AfTrigger", None)
    for name in before:
        if name not in after and name in available:
            default = _AUTOMATIC.get(name, available[name][2])
            if default is not None and name != "AfTrigger":
                changes[name] = default
    return changes


class AppliedControls:
    """What libcamera was set to: it keeps that while the camera is closed, as long as the process runs."""

    def __init__(self) -> None:
        self._applied: LibcameraControls = {}

    def begin_with(self, controls: CameraControls, available: Available, frame_us: int) -> LibcameraControls:
        """Return what to set between configuring, which takes some controls back, and the start."""
        return self.change_to(controls, available, frame_us) | self._applied

    def change_to(
        self, controls: CameraControls, available: Available, frame_us: int, *, refocus: bool = True
    ) -> LibcameraControls:
        """Return what to set to get these controls: see :func:`transition`. It counts as set from now on."""
        wished = to_libcamera(controls, available, frame_us)
        changes = transition(self._applied, wished, available, refocus=refocus)
        self._applied = wished
        return changes


def flips(controls: CameraControls) -> tuple[bool, bool]:
    """Return whether the sensor is to exchange left and right, and top and bottom.

    A rotation by 90 or 270 degrees comes after it: :func:`robot_node.devices.camera.controls.remaining_rotation`.
    """
    upside_down, mirror = controls.rotate == 180, bool(controls.mirror)
    sideways = controls.rotate in {90, 270}
    return upside_down ^ (mirror and not sideways), upside_down ^ (mirror and sideways)
