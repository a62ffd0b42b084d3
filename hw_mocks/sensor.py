"""The simulated image sensor, with fault injection."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw_mocks.scenes import Scene

_POLL_S = 0.05


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
        hangs_while: While this file exists, the call that starts capturing does not return, like a hanging driver.
        start_error: Error of starting to capture; empty for none.
        modes: The modes that it can be read in.
        autofocus: The lens can be moved.
        speed: How many seconds of pictures pass in a second. With more than one, which a test may have, the pictures
            have a clock of their own: each is exactly one frame later than the one before, however busy the machine is.
        capturing: Whether pictures are being captured now: what the privacy switch must prevent.
        starts: Number of times that capturing was started.
        mode: The mode chosen last; None before that.
        focus: The mode of the autofocus, as libcamera's AfMode has it: 0 manual, 1 auto, 2 continuous.
    """

    scene: str = "clock"
    absent: bool = False
    busy: bool = False
    stalled: bool = False
    hangs_while: Path | None = None
    start_error: str = ""
    modes: tuple[SensorMode, ...] = CAMERA_MODULE_3
    autofocus: bool = True
    speed: float = 1.0
    capturing: bool = field(default=False, init=False)
    starts: int = field(default=0, init=False)
    mode: SensorMode | None = field(default=None, init=False)
    focus: int = field(default=0, init=False)
    _clock: float = field(default_factory=time.monotonic, init=False)

    def start(self, width: int, height: int) -> Scene:
        """Start capturing.

        Raises:
            RuntimeError: ``start_error`` is set.
            RobotNodeError: The scene cannot be opened.
        """
        while self.hangs_while is not None and self.hangs_while.exists():
            time.sleep(_POLL_S)
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
        """Choose the mode that fits a size best, as libcamera does: the smallest of those that are large enough."""
        deep = [mode for mode in self.modes if bit_depth in {None, mode.bit_depth}] or list(self.modes)
        large = [mode for mode in deep if mode.size[0] >= size[0] and mode.size[1] >= size[1]]
        self.mode = min(large, key=lambda mode: mode.size) if large else max(deep, key=lambda mode: mode.size)
        return self.mode

    def stop(self, scene: Scene) -> None:
        """Stop capturing."""
        self.capturing = False
        scene.close()


def timestamp_ns(captured_at: float) -> int:
    """The time of a picture as libcamera tells it, in nanoseconds of CLOCK_BOOTTIME.

    Args:
        captured_at: In seconds of the monotonic clock.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns() + round(captured_at * 1e9)
