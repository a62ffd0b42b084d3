"""Where a camera reports: the first one in fields of the robot's state, which an only camera has, others by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robot_node.core.state import CameraView, RobotState, camera_fault


class CameraReport:
    """The place of one camera in the robot's state.

    Args:
        state: The robot's state.
        name: The camera's name; empty for the first.
    """

    def __init__(self, state: RobotState, name: str = "") -> None:
        self._state = state
        self._name = name

    @property
    def title(self) -> str:
        """The camera at the beginning of a line of the log."""
        name = self._name or self._state.snapshot.first_camera
        return f"Camera {name!r}" if name else "Camera"

    @property
    def view(self) -> CameraView:
        """What was reported last."""
        return self._state.snapshot.view_of_camera(self._name)

    def show_controls(self, controls: Mapping[str, Any]) -> None:
        """Report which controls are set otherwise than the settings say."""
        others = {name: each for name, each in self._state.snapshot.camera_controls.items() if name != self._name}
        self._state.update(camera_controls={**others, self._name: controls} if controls else others)

    def show(self, view: CameraView, error: str) -> None:
        """Report the camera's state, and its fault; an empty ``error`` ends it."""
        if self._name:
            cameras = {**self._state.snapshot.cameras, self._name: view}
            self._state.set_fault(camera_fault(self._name), error, cameras=cameras)
        else:
            self._state.set_fault(camera_fault(""), error, camera=view.state, camera_wanted=view.wanted)
