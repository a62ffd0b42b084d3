"""State that survives a restart, stored as JSON: its content, its format, when it is written, and its way back."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.devices.face import Face
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.errors import SettingsError, StateFileError

logger = logging.getLogger(__name__)

VERSION = 1
MAX_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class SavedState:
    """State that survives a restart; None means: as the settings say.

    Attributes:
        camera: False: somebody switched it, or the first one, off; True: somebody switched it on.
        cameras: The same of each camera, by name, when there are several.
        emotion: The expression shown.
        volume: Of the loudspeaker, 0 to 100.
        muted: The loudspeaker is muted.
        microphone: False: somebody switched it off.
        controls: Of each camera by name, empty for an only camera: its controls that were set, values by name.
    """

    camera: bool | None = None
    emotion: str | None = None
    volume: int | None = None
    muted: bool | None = None
    microphone: bool | None = None
    cameras: Mapping[str, bool] = field(default_factory=dict)
    controls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def camera_wanted(self, name: str, *, first: bool) -> bool | None:
        """Return whether somebody switched a camera on or off.

        Args:
            name: Its name.
            first: It is the first one, or the only one.
        """
        if self.cameras:
            return self.cameras.get(name)
        return self.camera if first else None

    @property
    def private(self) -> tuple[object, ...]:
        """What somebody switched off must not come back after a power cut."""
        return self.camera, self.cameras, self.microphone

    @classmethod
    def of(cls, now: RobotSnapshot, *, defaults: RobotSnapshot) -> SavedState:
        """Return what differs from the defaults.

        Args:
            now: The robot's state.
            defaults: Its state as the settings say, before anybody changed anything.
        """
        return cls(
            camera=now.camera_wanted,
            emotion=None if now.emotion == defaults.emotion else now.emotion,
            volume=None if now.volume == defaults.volume else now.volume,
            muted=None if now.muted == defaults.muted else now.muted,
            microphone=False if now.microphone_enabled is False else None,
            cameras={name: each.wanted for name, each in now.every_camera.items() if name and each.wanted is not None},
            controls={name or now.first_camera: each for name, each in now.camera_controls.items()},
        )


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    version: Literal[1]
    camera: bool | None = None
    emotion: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    volume: Annotated[int, Field(ge=0, le=100)] | None = None
    muted: bool | None = None
    microphone: bool | None = None
    cameras: Annotated[dict[Annotated[str, Field(max_length=128)], bool], Field(max_length=64)] = {}
    controls: Annotated[dict[Annotated[str, Field(max_length=128)], dict[str, Any]], Field(max_length=64)] = {}


def dump(saved: SavedState) -> bytes:
    """Serialise as JSON."""
    values: dict[str, Any] = {
        "camera": saved.camera,
        "emotion": saved.emotion,
        "volume": saved.volume,
        "muted": saved.muted,
        "microphone": saved.microphone,
    }
    changed = {name: value for name, value in values.items() if value is not None}
    if saved.cameras:
        changed["cameras"] = dict(saved.cameras)
    if saved.controls:
        changed["controls"] = {name: dict(each) for name, each in saved.controls.items()}
    return json.dumps({"version": VERSION, **changed}).encode() + b"\n"


def parse(data: bytes) -> SavedState:
    """Parse the content of a state file.

    Raises:
        StateFileError: it is damaged, too large, or of a newer version.
    """
    if len(data) > MAX_BYTES:
        raise StateFileError(f"It is damaged: larger than {MAX_BYTES} bytes.")
    try:
        found = json.loads(data)
        version = found.get("version") if isinstance(found, dict) else None
        if isinstance(version, int) and version > VERSION:
            raise StateFileError(f"It was written by a newer robot-node: it has version {version}, not {VERSION}.")
        file = _File.model_validate_json(data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise StateFileError(f"It is damaged: {f'{where}: ' if where else ''}{problem['msg']}.") from error
    except (ValueError, RecursionError) as error:
        raise StateFileError("It is damaged: it is not JSON.") from error
    return SavedState(file.camera, file.emotion, file.volume, file.muted, file.microphone, file.cameras, file.controls)


@dataclass(slots=True)
class WriteSchedule:
    """Decides when changes are written: after a burst, and rarely, since an SD card wears out.

    Attributes:
        settle_s: Seconds from a change to its write; further changes within them are part of it.
        urgent_s: Shortest time between two writes, in seconds, when camera or microphone are concerned.
        shortest_s: Shortest time between two writes otherwise, in seconds.
        retry_s: Seconds from a failed write to the next attempt.
    """

    settle_s: float = 1.0
    urgent_s: float = 5.0
    shortest_s: float = 60.0
    retry_s: float = 60.0
    _changed_at: float | None = None
    _attempted_at: float | None = None
    _failed: bool = False

    def due(self, now: float, *, current: SavedState, written: SavedState | None) -> float | None:
        """Return when to write, in seconds of a monotonic clock; None when there is nothing to write.

        Args:
            now: The time now, by that clock.
            current: What is to be saved.
            written: Content of the file; None when it holds nothing usable.
        """
        if current == written:
            self._changed_at = None
            return None
        if self._changed_at is None:
            self._changed_at = now
        due = self._changed_at + self.settle_s
        if self._attempted_at is None:
            return due
        urgent = written is None or current.private != written.private
        pause_s = self.retry_s if self._failed else self.urgent_s if urgent else self.shortest_s
        return max(due, self._attempted_at + pause_s)

    def record_attempt(self, now: float, *, failed: bool) -> None:
        """Record that a write was attempted."""
        self._attempted_at, self._failed = now, failed
        if not failed:
            self._changed_at = None


def restore(
    saved: SavedState, state: RobotState, face: Face, microphone: Microphone | None, loudspeaker: Loudspeaker | None
) -> None:
    """Apply saved state to the devices. Whether the camera comes on is not decided here: :func:`camera_comes_on`.

    Args:
        saved: The state before the restart.
        state: The robot's state.
        face: Shows the expression again, if there still is one of that name.
        microphone: Stays off, if it was; None without one.
        loudspeaker: Gets its volume; None without one.
    """
    now = state.snapshot
    others = {name: replace(each, wanted=saved.camera_wanted(name, first=False)) for name, each in now.cameras.items()}
    state.update(camera_wanted=saved.camera_wanted(now.first_camera, first=True), cameras=others)
    if saved.emotion is not None:
        try:
            face.show_emotion(saved.emotion)
        except SettingsError as error:
            logger.info("The face does not show what it showed before: %s", error)
    if microphone is not None and saved.microphone is False:
        microphone.begin_off()
    if loudspeaker is not None and (saved.volume, saved.muted) != (None, None):
        loudspeaker.begin_with(saved.volume, muted=saved.muted)


def camera_comes_on(wanted: bool | None, *, on_at_start: bool, on_after_restart: bool) -> bool:
    """Return whether a camera is to be on when the robot starts.

    Switching off wins. A camera that was on comes back only where the settings say so.

    Args:
        wanted: What was saved: somebody switched it on, or off.
        on_at_start: A setting.
        on_after_restart: A setting.
    """
    if wanted is False:
        return False
    return on_at_start or (wanted is True and on_after_restart)
