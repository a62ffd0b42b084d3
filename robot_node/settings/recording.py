"""The settings of recording: clips of the camera's video, and time-lapse photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from robot_node.face.display_policy import Night
from robot_node.settings.section import Section

_Megabytes = Annotated[int, Field(ge=1, le=10_000_000)]
_Free = Annotated[int, Field(ge=0, le=10_000_000)]
_Days = Annotated[float, Field(ge=0, le=3_650)]


class RecordingSettings(Section):
    """Recording of the camera's video, and sound; off by default."""

    enabled: bool = False
    folder: Path | None = None
    sound: bool = True
    ring_s: Annotated[float, Field(ge=0, le=120)] = 10.0
    ring_mb: Annotated[int, Field(ge=1, le=1024)] = 32
    before_s: Annotated[float, Field(ge=0, le=120)] = 5.0
    after_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    longest_s: Annotated[float, Field(ge=1, le=86_400)] = 3600.0
    file_s: Annotated[float, Field(ge=1, le=3_600)] = 600.0
    max_mb: _Megabytes = 2000
    max_age_days: _Days = 7.0
    min_free_mb: _Free = 500

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what does not fit together: key, reason."""
        if self.enabled and self.before_s > self.ring_s:
            yield "before_s", f"the ring buffer has {self.ring_s:g} s: set ring_s to at least {self.before_s:g}"


class TimelapseSettings(Section):
    """Time-lapse: photos at equal intervals; off by default."""

    every_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    between: str = ""
    folder: Path | None = None
    max_mb: _Megabytes = 2000
    max_age_days: _Days = 30.0
    min_free_mb: _Free = 500

    @field_validator("between")
    @classmethod
    def _two_times_of_day(cls, value: str) -> str:
        if value:
            Night.parse(value)
        return value
