"""What a robot remembers over a restart: what it is, and how it is written down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from robot_node.core.state import RobotSnapshot
from robot_node.errors import StateFileError

VERSION = 1
LARGEST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered; None means: as the settings say.

    Attributes:
        camera: False: somebody switched it off; True: somebody switched it on.
        emotion: The expression shown.
        volume: Of the loudspeaker, 0 to 100.
        muted: Whether the loudspeaker is muted.
    """

    camera: bool | None = None
    emotion: str | None = None
    volume: int | None = None
    muted: bool | None = None

    @classmethod
    def of(cls, snapshot: RobotSnapshot, *, by_settings: RobotSnapshot) -> Kept:
        """What is to be remembered of a robot.

        Args:
            snapshot: What is true of it now.
            by_settings: What was true of it before anybody changed anything.
        """
        return cls(
            camera=snapshot.camera_wanted,
            emotion=None if snapshot.emotion == by_settings.emotion else snapshot.emotion,
            volume=None if snapshot.volume == by_settings.volume else snapshot.volume,
            muted=None if snapshot.muted == by_settings.muted else snapshot.muted,
        )


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    version: Literal[1]
    camera: bool | None = None
    emotion: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    volume: Annotated[int, Field(ge=0, le=100)] | None = None
    muted: bool | None = None


def dump(kept: Kept) -> bytes:
    """Write down what is remembered, as JSON."""
    values = {"camera": kept.camera, "emotion": kept.emotion, "volume": kept.volume, "muted": kept.muted}
    known = {name: value for name, value in values.items() if value is not None}
    return json.dumps({"version": VERSION, **known}).encode() + b"\n"


def parse(data: bytes) -> Kept:
    """Read what was written down.

    Raises:
        StateFileError: it is damaged, too large, or of a newer version.
    """
    if len(data) > LARGEST_BYTES:
        raise StateFileError(f"It is damaged: larger than {LARGEST_BYTES} bytes.")
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
    return Kept(file.camera, file.emotion, file.volume, file.muted)


@dataclass(slots=True)
class Schedule:
    """When something that has changed is written: after a burst, and rarely, since an SD card wears out.

    Attributes:
        settle_s: So many seconds after a change, further ones being part of it.
        urgent_s: Shortest time between two writes when it is about the camera.
        shortest_s: Shortest time between two writes otherwise.
        retry_s: Time from a write that failed to the next attempt.
    """

    settle_s: float = 1.0
    urgent_s: float = 5.0
    shortest_s: float = 60.0
    retry_s: float = 60.0
    _changed_at: float | None = None
    _tried_at: float | None = None
    _failed: bool = False

    def due(self, now: float, *, wanted: Kept, written: Kept | None) -> float | None:
        """When to write, in seconds of a monotonic clock; None when there is nothing to write.

        Args:
            now: The time now, by that clock.
            wanted: What is to be remembered.
            written: What the file holds; None when it holds nothing that can be used.
        """
        if wanted == written:
            self._changed_at = None
            return None
        if self._changed_at is None:
            self._changed_at = now
        due = self._changed_at + self.settle_s
        if self._tried_at is None:
            return due
        urgent = written is None or wanted.camera != written.camera
        pause_s = self.retry_s if self._failed else self.urgent_s if urgent else self.shortest_s
        return max(due, self._tried_at + pause_s)

    def tried(self, now: float, *, failed: bool) -> None:
        """Take note that it was written, or could not be."""
        self._tried_at, self._failed = now, failed
        if not failed:
            self._changed_at = None


def camera_comes_on(kept: Kept, *, on_at_start: bool, on_after_restart: bool) -> bool:
    """Whether the camera is to be on when the robot starts.

    Whoever switched it off has the last word. One that was on comes back only where the settings say so.
    """
    if kept.camera is False:
        return False
    return on_at_start or (kept.camera is True and on_after_restart)
