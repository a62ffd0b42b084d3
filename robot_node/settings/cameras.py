"""Settings of several cameras: what each inherits from ``[camera]``, and what they must not share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from robot_node.settings.camera_controls import excluded_by
from robot_node.settings.devices import CameraSettings
from robot_node.settings.section import merged

ONLY = "camera"
"""Name of a camera that has none of its own."""

CameraName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", max_length=32)]
"""Small letters, since environment variables know no others; no double ``_``, which is their separator."""

CameraTables = Annotated[dict[CameraName, CameraSettings], Field(max_length=8)]
"""The cameras by name; the first is the default."""


def with_inherited(sections: Any) -> Any:
    """Return the sections, where each camera has the settings of ``[camera]`` that it does not set itself.

    A wrong setting of ``[camera]`` is inherited by none: it is reported once, where it stands.

    Args:
        sections: Not validated yet: whatever a file may hold.
    """
    if not isinstance(sections, Mapping) or not isinstance(tables := sections.get("cameras"), Mapping):
        return sections
    shared = _own_values(sections.get("camera", {}))
    try:
        CameraSettings.model_validate(shared)
    except ValidationError:
        return sections
    return {**sections, "cameras": {name: _inheriting(shared, _own_values(own)) for name, own in tables.items()}}


def problems(cameras: Mapping[str, CameraSettings]) -> Iterator[tuple[str, str]]:
    """Yield key and reason of each setting that two cameras must not share."""
    for (one, first), (other, second) in itertools.combinations(cameras.items(), 2):
        if (key := _what_both_take(first, second)) is not None:
            value = getattr(second, key)
            yield f"{other}.{key}", f"is {value}, which is the camera {one!r}: each camera has its own"


def _what_both_take(first: CameraSettings, second: CameraSettings) -> str | None:
    if first.driver != second.driver:
        return None
    if first.driver == "picamera2" or first.device == second.device == "auto":
        return "number" if first.number == second.number else None
    return "device" if first.device == second.device else None


def _own_values(settings: Any) -> Any:
    return settings.model_dump(exclude_unset=True) if isinstance(settings, CameraSettings) else settings


def _inheriting(shared: Mapping[str, Any], own: Any) -> Any:
    if not isinstance(own, Mapping):
        return own
    if isinstance(controls := own.get("controls"), Mapping):
        excluded = excluded_by(controls)
        inherited = {key: value for key, value in dict(shared.get("controls", {})).items() if key not in excluded}
        shared = {**shared, "controls": inherited}
    return merged(shared, own)
