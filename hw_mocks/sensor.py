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
        capturing: Whether pictures are being captured now: what the privacy switch must prevent.
        starts: Number of times that capturing was started.
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

    def stop(self, scene: Scene) -> None:
        """Stop capturing."""
        self.capturing = False
        scene.close()
