"""The simulated image sensor: what it sees, whether it captures, and how it fails."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw_mocks.scenes import Scene

_LOOK_S = 0.05


class Board(enum.Enum):
    """Which Raspberry Pi: a Pi 5 has no hardware encoder for H.264."""

    PI_4 = "Raspberry Pi 4"
    PI_5 = "Raspberry Pi 5"


@dataclass
class SimulatedSensor:
    """One camera module on its ribbon cable. Tests set the faults and read what it does.

    Attributes:
        scene: What it sees (:func:`hw_mocks.scenes.open_scene`).
        absent: The cable is not plugged in: no camera is listed.
        busy: Another program uses the camera.
        stalled: The sensor delivers no more frames.
        hangs_while: File; while it exists, the call that starts to capture does not return, as of a driver that hangs.
        start_error: Why capturing cannot be started; empty when it can.
        capturing: Light is turned into pictures now. The privacy promise is about this and nothing else.
        starts: How often capturing was started.
    """

    scene: str = "clock"
    absent: bool = False
    busy: bool = False
    stalled: bool = False
    hangs_while: Path | None = None
    start_error: str = ""
    capturing: bool = field(default=False, init=False)
    starts: int = field(default=0, init=False)

    def start(self, width: int, height: int) -> Scene:
        """Begin to capture.

        Raises:
            RuntimeError: ``start_error`` is set.
            RobotNodeError: The scene cannot be opened.
        """
        while self.hangs_while is not None and self.hangs_while.exists():
            time.sleep(_LOOK_S)
        if self.start_error:
            raise RuntimeError(self.start_error)
        from hw_mocks.scenes import open_scene  # numpy and av: only when the camera is needed

        scene = open_scene(self.scene, width, height)
        self.capturing = True
        self.starts += 1
        return scene

    def stop(self, scene: Scene) -> None:
        """Capture no more."""
        self.capturing = False
        scene.close()
