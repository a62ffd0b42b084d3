"""The simulated image sensor, with fault injection."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hw_mocks.scenes import Picture, Scene

_POLL_S = 0.05
_LONGEST_FRAME_US = 1_000_000
_TUNED_LENS = 1.0
_PICTURES_TO_SCAN = 15

_MODES = {"ExposureTimeMode": "ExposureTime", "AnalogueGainMode": "AnalogueGain"}
"""Controls that are automatic when another one is 0."""

Range = tuple[Any, Any, Any]
"""Minimum, maximum and default of a control, None for none; a rectangle as x, y, width and height."""


class Board(enum.Enum):
    """Model of the Raspberry Pi: a Pi 5 has no hardware encoder for H.264."""

    PI_4 = "Raspberry Pi 4"
    PI_5 = "Raspberry Pi 5"


@dataclass(frozen=True)
class SensorMode:
    """A way to read the sensor.

    Attributes:
        size: Width and height of its pictures, in pixels.
        fps: Highest number of frames per second.
        crop: The part of the sensor that is read: x, y, width and height, in pixels of the sensor.
        bit_depth: Bits of a pixel.
    """

    size: tuple[int, int]
    fps: float
    crop: tuple[int, int, int, int]
    bit_depth: int = 10


CAMERA_MODULE_3 = (
    SensorMode((1536, 864), 120.13, (768, 432, 3072, 1728)),
    SensorMode((2304, 1296), 56.03, (0, 0, 4608, 2592)),
    SensorMode((4608, 2592), 14.35, (0, 0, 4608, 2592)),
)
"""The modes of the imx708, as libcamera lists them."""


@dataclass
class SimulatedSensor:
    """A simulated camera module. Tests inject faults and read its state.

    Attributes:
        scene: Its picture (:func:`hw_mocks.scenes.open_scene`).
        absent: Not connected: no camera is listed.
        busy: Another program uses the camera.
        stalled: The sensor delivers no more frames.
        hangs_while: While this file exists, a call does not return, like a hanging driver or on an overloaded machine.
        hangs_at: Which: ``"open"``, ``"start"`` or ``"stop"``.
        start_error: Error of starting to capture; empty for none.
        modes: The modes that it can be read in.
        autofocus: The lens can be moved.
        lacking: Controls that it does not have, by libcamera's names.
        subject_dioptres: Where the lens must be for a sharp picture: 1 / distance of the subject in metres.
        light: Of the scene, 1: normal.
        flicker_hz: Frequency of the lamps' mains, which makes bands in the picture; 0: daylight.
        speed: How many seconds of pictures pass in a second. With more than one, which a test may have, the pictures
            have a clock of their own: each is exactly one frame later than the one before, however busy the machine is.
        sees: What a camera with a network in it has detected: for each object left, top, right and bottom (0 to 1),
            score, and number of the class.
        network: File of the network that was loaded into it; empty: none.
        capturing: Whether pictures are being captured now: what the privacy switch must prevent.
        starts: Number of times that capturing was started.
        mode: The mode chosen last; None before that.
        controls: What was set, by libcamera's names; it stays set when the camera is closed, as libcamera does.
    """

    scene: str = "clock"
    absent: bool = False
    busy: bool = False
    stalled: bool = False
    hangs_while: Path | None = None
    hangs_at: str = "start"
    start_error: str = ""
    modes: tuple[SensorMode, ...] = CAMERA_MODULE_3
    autofocus: bool = True
    lacking: frozenset[str] = frozenset()
    subject_dioptres: float = _TUNED_LENS
    light: float = 1.0
    flicker_hz: int = 0
    speed: float = 1.0
    sees: tuple[tuple[float, float, float, float, float, int], ...] = ()
    network: str = ""
    capturing: bool = field(default=False, init=False)
    starts: int = field(default=0, init=False)
    mode: SensorMode | None = field(default=None, init=False)
    controls: dict[str, Any] = field(default_factory=dict, init=False)
    _focused_at: float = field(default=_TUNED_LENS, init=False)
    _pictures_to_scan: int = field(default=0, init=False)
    _clock: float = field(default_factory=time.monotonic, init=False)

    def hang(self, at: str) -> None:
        """Return when calls of that kind do not hang any more.

        Args:
            at: As in ``hangs_at``.
        """
        while self.hangs_at == at and self.hangs:
            time.sleep(_POLL_S)

    @property
    def hangs(self) -> bool:
        """Calls of the kind of ``hangs_at`` do not return."""
        return self.hangs_while is not None and self.hangs_while.exists()

    def start(self, width: int, height: int) -> Scene:
        """Start capturing.

        Raises:
            RuntimeError: ``start_error`` is set.
            RobotNodeError: The scene cannot be opened.
        """
        self.hang("start")
        if self.start_error:
            raise RuntimeError(self.start_error)
        from hw_mocks.scenes import open_scene  # late: imports numpy and av

        scene = open_scene(self.scene, width, height)
        self.capturing = True
        self.starts += 1
        return scene

    def capture_time(self, frame_s: float) -> float:
        """Return the time of the next picture, in seconds of the monotonic clock.

        Args:
            frame_s: Seconds from one picture to the next.
        """
        self._clock = time.monotonic() if self.speed == 1 else self._clock + frame_s
        return self._clock

    def choose_mode(self, size: tuple[int, int], bit_depth: int | None = None) -> SensorMode:
        """Choose the mode that fits a size best, as libcamera does: the smallest of those that are large enough.

        Configuring takes the crop back.
        """
        self.controls.pop("ScalerCrop", None)
        deep = [mode for mode in self.modes if bit_depth in {None, mode.bit_depth}] or list(self.modes)
        large = [mode for mode in deep if mode.size[0] >= size[0] and mode.size[1] >= size[1]]
        self.mode = min(large, key=lambda mode: mode.size) if large else max(deep, key=lambda mode: mode.size)
        return self.mode

    def stop(self, scene: Scene) -> None:
        """Stop capturing."""
        self.hang("stop")
        self.capturing = False
        scene.close()

    @property
    def focus(self) -> int:
        """The mode of the autofocus, as libcamera's AfMode has it: 0 manual, 1 auto, 2 continuous."""
        return int(self.controls.get("AfMode", 0))

    @property
    def lens(self) -> float:
        """Where the lens is, in dioptres."""
        if not self.autofocus or self.focus == 2:
            return self.subject_dioptres
        return self._focused_at if self.focus == 1 else float(self.controls.get("LensPosition", _TUNED_LENS))

    @property
    def metadata(self) -> dict[str, Any]:
        """What libcamera says with a picture, besides its time."""
        return {
            "ExposureTime": self.controls.get("ExposureTime", 20_000),
            "AnalogueGain": self.controls.get("AnalogueGain", 2.0),
            "DigitalGain": 1.0,
            "FrameDuration": self.frame_us(),
            "AfState": 1 if self._pictures_to_scan else 2,
        }

    def control_ranges(self) -> dict[str, Range]:
        """What can be set, by libcamera's names, as a Camera Module 3 has it."""
        mode = self.mode or self.modes[-1]
        lens = {"AfMode": (0, 2, 0), "AfTrigger": (0, 1, 0), "LensPosition": (0.0, 15.0, _TUNED_LENS)}
        ranges: dict[str, Range] = {
            "FrameDurationLimits": (round(1_000_000 / mode.fps), _LONGEST_FRAME_US, 33333),
            "ExposureTime": (9, _LONGEST_FRAME_US, 20000),
            "AnalogueGain": (1.0, 16.0, 1.0),
            "ExposureValue": (-8.0, 8.0, 0.0),
            "AeExposureMode": (0, 3, 0),
            "AeFlickerMode": (0, 1, 0),
            "AeFlickerPeriod": (100, 1_000_000, None),
            "AwbEnable": (False, True, None),
            "AwbMode": (0, 7, 0),
            "ColourGains": (0.0, 32.0, None),
            "ColourTemperature": (100, 100_000, None),
            "HdrMode": (0, 4, 0),
            "Brightness": (-1.0, 1.0, 0.0),
            "Contrast": (0.0, 32.0, 1.0),
            "Saturation": (0.0, 32.0, 1.0),
            "Sharpness": (0.0, 16.0, 1.0),
            "NoiseReductionMode": (0, 4, 1),
            "ScalerCrop": ((0, 0, 64, 64), mode.crop, mode.crop),
            **(lens if self.autofocus else {}),
        }
        return {name: found for name, found in ranges.items() if name not in self.lacking}

    def set_control(self, name: str, value: Any) -> None:
        """Set a control; unknown ones are ignored, as they are by libcamera."""
        if name in _MODES and value == 0:
            self.controls.pop(_MODES[name], None)
        if name not in self.control_ranges():
            return
        if name == "AfTrigger" and value == 0 and self.focus == 1:
            self._pictures_to_scan = _PICTURES_TO_SCAN
        if name == "ColourTemperature":
            self.controls.pop("ColourGains", None)
        self.controls[name] = value

    def set_controls(self, values: dict[str, Any]) -> None:
        """Set controls, the mode of the autofocus before what depends on it."""
        for name in sorted(values, key=lambda name: (name != "AfMode", name)):
            self.set_control(name, values[name])

    def frame_us(self) -> int:
        """Time from one picture to the next, in microseconds."""
        from hw_mocks.optics import exposure  # late: imports numpy

        shortest, longest = self.controls.get("FrameDurationLimits", (33333, 33333))
        own_shortest, own_longest, _ = self.control_ranges()["FrameDurationLimits"]
        exposed_us = exposure(self.controls, self.light)[1]
        return int(min(max(shortest, own_shortest, min(exposed_us, longest)), own_longest))

    def picture(self, scene: Scene, captured_at: float, flips: tuple[bool, bool]) -> Picture:
        """Return what it sees.

        Args:
            scene: The scene.
            captured_at: In seconds of the monotonic clock.
            flips: Left and right, top and bottom are exchanged.
        """
        from hw_mocks.optics import seen  # late: imports numpy

        if self._pictures_to_scan:
            self._pictures_to_scan -= 1
            if not self._pictures_to_scan:
                self._focused_at = self.subject_dioptres
        return seen(
            scene.picture(captured_at),
            self.controls,
            flips=flips,
            whole=(self.mode or self.modes[-1]).crop,
            defocus=abs(self.lens - self.subject_dioptres),
            light=self.light,
            flicker_hz=self.flicker_hz,
        )


def timestamp_ns(captured_at: float) -> int:
    """The time of a picture as libcamera tells it, in nanoseconds of CLOCK_BOOTTIME.

    Args:
        captured_at: In seconds of the monotonic clock.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns() + round(captured_at * 1e9)
