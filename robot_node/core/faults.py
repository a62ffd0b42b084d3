"""The beginning and end of faults, derived from the changes of the robot's state. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from robot_node.core.state import CameraState, RobotSnapshot


@dataclass(frozen=True, slots=True)
class FaultChange:
    """A fault that began, changed its reason, or ended.

    Attributes:
        name: Its name in :attr:`robot_node.core.state.RobotSnapshot.faults`.
        error: Why it does not work; empty when it works again.
        began: It worked before.
    """

    name: str
    error: str
    began: bool = False


class FaultTracker:
    """Derives the beginnings and ends of faults from snapshots.

    Args:
        now: The first snapshot.
    """

    def __init__(self, now: RobotSnapshot) -> None:
        self._known = dict(now.faults)

    def update(self, now: RobotSnapshot) -> tuple[FaultChange, ...]:
        """Return the changes since the previous snapshot."""
        changes = []
        for name, error in now.faults.items():
            before = self._known.get(name, "")
            if error != before:
                changes.append(FaultChange(name, error, began=not before))
            self._known[name] = error
        cameras = now.cameras_by_fault()
        for name in self._known.keys() - now.faults.keys():
            camera = cameras.get(name)
            if camera is not None and camera.state is not CameraState.ON:
                # A start clears its error, but only a picture shows that it works again; until then the same failure
                # is no news, perhaps for days, unless somebody has switched the camera off in between.
                if camera.state is CameraState.OFF:
                    self._known[name] = ""
                continue
            del self._known[name]
            changes.append(FaultChange(name, ""))
        return tuple(changes)
