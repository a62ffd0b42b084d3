"""Value types of the simulated libcamera: sizes, formats, roles, controls. The names are libcamera's."""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any


class Size:
    """Width and height in pixels."""

    def __init__(self, width: int = 0, height: int = 0) -> None:
        self.width, self.height = width, height

    def to_tuple(self) -> tuple[int, int]:
        """Both."""
        return self.width, self.height


class Rectangle:
    """A rectangle in the picture."""

    def __init__(self, x: int = 0, y: int = 0, width: int = 0, height: int = 0) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height

    def to_tuple(self) -> tuple[int, int, int, int]:
        """All four."""
        return self.x, self.y, self.width, self.height


class Transform:
    """Mirroring of the picture."""

    def __init__(self, other: Transform | None = None, *, hflip: int = 0, vflip: int = 0, transpose: int = 0) -> None:
        self.hflip: bool = other.hflip if other else bool(hflip)
        self.vflip: bool = other.vflip if other else bool(vflip)
        self.transpose: bool = other.transpose if other else bool(transpose)

    def __hash__(self) -> int:
        return hash((self.hflip, self.vflip, self.transpose))

    def __str__(self) -> str:  # picamera2 uses it as __repr__
        return f"Transform(hflip={self.hflip}, vflip={self.vflip}, transpose={self.transpose})"


class ColorSpace:
    """Colour space."""

    YcbcrEncoding = SimpleNamespace(Null="Null")
    Range = SimpleNamespace(Full="Full")

    def __init__(self, other: ColorSpace | str) -> None:
        self.primaries: str = other if isinstance(other, str) else other.primaries
        self.transferFunction = self.ycbcrEncoding = self.range = ""

    def __hash__(self) -> int:
        return hash(self.primaries)

    def __str__(self) -> str:  # picamera2 uses it as __repr__
        return self.primaries

    @staticmethod
    def Raw() -> ColorSpace:
        """Raw sensor data."""
        return ColorSpace("Raw")

    @staticmethod
    def Sycc() -> ColorSpace:
        """Colour space of JPEG."""
        return ColorSpace("Sycc")

    @staticmethod
    def Smpte170m() -> ColorSpace:
        """Standard-definition television."""
        return ColorSpace("Smpte170m")

    @staticmethod
    def Rec709() -> ColorSpace:
        """High-definition television."""
        return ColorSpace("Rec709")


class PixelFormat:
    """Pixel format."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


class SensorConfiguration:
    """Mode of the sensor."""

    bit_depth = 0
    output_size: Size | None = None


class StreamRole(enum.Enum):
    """Purpose of a stream."""

    Raw = 0
    StillCapture = 1
    VideoRecording = 2
    Viewfinder = 3


class Orientation(enum.Enum):
    """Orientation of the picture."""

    Rotate0 = 1
    Rotate0Mirror = 2
    Rotate180 = 3
    Rotate180Mirror = 4
    Rotate90Mirror = 5
    Rotate270 = 6
    Rotate270Mirror = 7
    Rotate90 = 8


class ControlType(enum.Enum):
    """Type of a control's value."""

    Integer32 = 0
    Rectangle = 1
    Size = 2


class ControlId:
    """A control or an item of metadata."""

    def __init__(self, name: str, type: ControlType = ControlType.Integer32) -> None:
        self.name, self.type = name, type


class ControlInfo:
    """Range of a control."""

    def __init__(self, min: Any, max: Any, default: Any) -> None:
        self.min, self.max, self.default = min, max, default


controls = SimpleNamespace(
    **{
        name: ControlId(name)
        for name in (
            *("SensorTimestamp", "FrameDuration", "FrameDurationLimits", "ExposureTime", "ExposureTimeMode"),
            *("AnalogueGain", "AnalogueGainMode", "DigitalGain", "NoiseReductionMode", "HdrMode"),
            *("AfState", "AfMode", "AfTrigger", "LensPosition", "ExposureValue", "AeExposureMode", "AeFlickerMode"),
            *("AeFlickerPeriod", "AwbEnable", "AwbMode", "ColourGains", "ColourTemperature"),
            *("Brightness", "Contrast", "Saturation", "Sharpness"),
        )
    },
    ScalerCrop=ControlId("ScalerCrop", ControlType.Rectangle),
    draft=SimpleNamespace(NoiseReductionModeEnum=SimpleNamespace(Minimal=3, HighQuality=2, Fast=1)),
)
properties = SimpleNamespace(draft=SimpleNamespace(ColorFilterArrangementEnum=SimpleNamespace(MONO=4)))
