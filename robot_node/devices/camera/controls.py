"""What a camera can be set to, and what it is set to: ranges, and changes checked against them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from robot_node.errors import ArgumentError
from robot_node.settings.camera_controls import CameraControls, excluded_by

Value = float | str | bool | tuple[float, float]


@dataclass(frozen=True, slots=True)
class ControlRange:
    """What one control of a camera can be set to: a choice, or a number within limits.

    Attributes:
        minimum: Smallest value; of a pair: of each.
        maximum: Largest value.
        default: The camera's own; None when it has none, or it is automatic.
        choices: All values, of a control that is no number.
    """

    minimum: float = 0.0
    maximum: float = 0.0
    default: Value | None = None
    choices: tuple[str | int | bool, ...] = ()

    def __contains__(self, value: object) -> bool:
        if self.choices:
            return value in self.choices
        numbers = value if isinstance(value, tuple | list) else (value,)
        return all(isinstance(each, int | float) and self.minimum <= each <= self.maximum for each in numbers)

    def __str__(self) -> str:
        """Say what is allowed, e.g. ``0 to 32``."""
        if self.choices:
            return ", ".join(_shown(choice) for choice in self.choices)
        return f"{self.minimum:g} to {self.maximum:g}"

    def nearest(self, value: Value) -> Value | None:
        """Return the allowed value that is nearest; None when there is none of this kind."""
        if value in self:
            return value
        if self.choices or isinstance(value, str):
            return None
        if isinstance(value, tuple):
            return (self._within(value[0]), self._within(value[1]))
        return self._within(value)

    def _within(self, value: float) -> float:
        return min(max(value, self.minimum), self.maximum)


Ranges = Mapping[str, ControlRange]
"""The controls that a camera has, by the names of :class:`CameraControls`."""

NO_CONTROLS: Ranges = MappingProxyType({})
AUTOMATIC_AT_0 = frozenset({"exposure_ms", "gain"})
"""Controls whose 0 means automatic, whatever the range is."""


def changed(now: CameraControls, wishes: Mapping[str, Any], ranges: Ranges | None) -> CameraControls:
    """Return the controls with some changed; one that excludes another takes its place.

    Args:
        now: As they are.
        wishes: What to change, by name; None: as the camera has it.
        ranges: What the camera has; None while that is not known: the limits of all cameras hold then.

    Raises:
        ArgumentError: There is no such control, this camera lacks it, or the value is out of its range.
    """
    for name, value in wishes.items():
        _check(name, value, ranges)
    given = [name for name, value in wishes.items() if value is not None]
    values = now.model_dump() | dict.fromkeys(excluded_by(given))
    values |= {name: value for name, value in wishes.items() if not (name == "rotate" and value is None)}
    try:
        return CameraControls.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0]) if problem["loc"] else "controls"
        raise ArgumentError(f"{name} cannot be set to {_shown(wishes.get(name))}: {problem['msg']}.") from error


def supported(wished: CameraControls, ranges: Ranges) -> tuple[CameraControls, tuple[str, ...]]:
    """Return what of the controls a camera can do: with what it lacks left out, and what is out of range brought near.

    Returns:
        The controls, and a sentence for each that is not as wished.
    """
    kept: dict[str, Any] = {}
    problems = []
    for name, value in wished_of(wished).items():
        if name in ranges:
            near = value if _is_automatic(name, value) else ranges[name].nearest(value)
            if near is not None:
                kept[name] = near
            if near != value:
                problems.append(_out_of_range(name, value, ranges[name]))
        else:
            problems.append(_lacking(name, ranges))
    return CameraControls.model_validate(kept), tuple(problems)


def wished_of(controls: CameraControls) -> dict[str, Any]:
    """Return what the camera would not have by itself, by name."""
    return {
        name: value
        for name, value in controls.model_dump().items()
        if value is not None and (name, value) != ("rotate", 0)
    }


def remaining_rotation(controls: CameraControls) -> int:
    """Return by how many degrees clockwise a camera's pictures still have to be rotated: none can do 90 or 270."""
    return controls.rotate if controls.rotate in {90, 270} else 0


def dioptres(distance_m: float) -> float:
    """Return a distance as dioptres, for ``focus_dioptres``.

    Raises:
        ArgumentError: It is not positive.
    """
    if not distance_m > 0:
        raise ArgumentError(f"A distance to focus at is above 0 metres, not {distance_m:g}.")
    return 1 / distance_m


def _check(name: str, value: Any, ranges: Ranges | None) -> None:
    if name not in CameraControls.model_fields:
        raise ArgumentError(
            f"There is no control {name[:40]!r}.", remedy=f"There are: {', '.join(CameraControls.model_fields)}."
        )
    if ranges is None or value is None:
        return
    if name not in ranges:
        raise ArgumentError(_lacking(name, ranges))
    if value not in ranges[name] and not _is_automatic(name, value):
        raise ArgumentError(_out_of_range(name, value, ranges[name]))


def _is_automatic(name: str, value: Any) -> bool:
    return name in AUTOMATIC_AT_0 and value == 0


def _lacking(name: str, ranges: Ranges) -> str:
    return f"This camera has no {name}. It has: {', '.join(ranges) or 'no controls'}."


def _out_of_range(name: str, value: Any, allowed: ControlRange) -> str:
    automatic = ", or 0: automatic" if name in AUTOMATIC_AT_0 else ""
    return f"{name} of this camera can be {allowed}{automatic}; not {_shown(value)}."


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)[:40]
