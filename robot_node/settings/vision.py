"""Settings of what the robot notices in its camera's pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from robot_node.settings.section import Section

PICTURE = "picture"
"""Name of the zone that is the whole picture, when no other zone is included."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")

Share = Annotated[float, Field(ge=0, le=1)]
"""Of the picture's width or height, from its left or upper edge."""

Point = tuple[Share, Share]
"""x and y."""


class ZoneSettings(Section):
    """A part of the picture: a rectangle or a polygon."""

    rectangle: tuple[Share, Share, Share, Share] | None = None
    polygon: Annotated[tuple[Point, ...], Field(max_length=32)] = ()
    exclude: bool = False

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if (self.rectangle is None) == (not self.polygon):
            raise ValueError("must have either a rectangle = [left, top, right, bottom] or a polygon = [[x, y], ...]")
        if self.rectangle is not None:
            left, top, right, bottom = self.rectangle
            if not (left < right and top < bottom):
                raise ValueError("rectangle must be [left, top, right, bottom], with left < right and top < bottom")
        elif len(self.polygon) < 3:
            raise ValueError("polygon must have at least 3 points")
        return self

    @property
    def points(self) -> tuple[Point, ...]:
        """The corners."""
        if self.rectangle is None:
            return self.polygon
        left, top, right, bottom = self.rectangle
        return (left, top), (right, top), (right, bottom), (left, bottom)


class MotionSettings(Section):
    """Motion in the camera's picture; not looked for by default."""

    enabled: bool = False
    rate: Annotated[float, Field(ge=1, le=15)] = 5.0
    sensitivity: Annotated[int, Field(ge=1, le=100)] = 50
    min_area: Annotated[float, Field(ge=0.0005, le=0.5)] = 0.005
    end_after_s: Annotated[float, Field(ge=0.5, le=600)] = 3.0
    keeps_camera_on: bool = False
    zones: Annotated[dict[str, ZoneSettings], Field(max_length=16)] = Field(default={})

    @field_validator("zones")
    @classmethod
    def _usable_names(cls, value: dict[str, ZoneSettings]) -> dict[str, ZoneSettings]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name[:80]!r} cannot be a zone's name: use letters, digits, '_' and '-'")
        return value

    @property
    def watched(self) -> tuple[str, ...]:
        """The zones in which motion is looked for; none while it is not enabled."""
        return self.included if self.enabled else ()

    @property
    def included(self) -> tuple[str, ...]:
        """The zones in which motion is looked for: the whole picture when none is named."""
        return tuple(name for name, zone in self.zones.items() if not zone.exclude) or (PICTURE,)


class DetectionSettings(Section):
    """Objects in the camera's picture; not looked for by default."""

    engine: Annotated[str, Field(min_length=1, max_length=64)] = "none"
    labels: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], Field(max_length=100)] = ()
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    rate: Annotated[float, Field(gt=0, le=15)] = 2.0
    end_after_s: Annotated[float, Field(ge=0.5, le=600)] = 3.0
    keeps_camera_on: bool = False
    model: Path | None = None
    model_checksum: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    label_file: Path | None = None
    options: dict[str, Any] = Field(default={})
