"""Conditions on what robots say of themselves, for ``--where`` and ``--name``. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.presence import OnlineServer
from robot_node.robot.status import StatusOfSeveral

PRESENCE_FIELDS = ("server_id", "server_name", "description", "version")
"""What a robot's presence says, so that it need not be asked; older robots' leaves out the version."""
STATUS_FIELDS = tuple(StatusOfSeveral.model_fields)
"""What ``robot://status`` contains."""

_CONDITION = re.compile(r"\s*([^=!<>\s]+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,9}")
_WORDS = {"on": "true", "yes": "true", "off": "false", "no": "false", "null": "none", "": "none"}
_GLOB = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of a field with a value.

    Attributes:
        field: Name of the field; a part of one after a dot, e.g. ``outputs.lamp``.
        sign: One of ``=``, ``!=``, ``<``, ``>``, ``<=``, ``>=``.
        value: What to compare with. With ``=`` and ``!=`` a pattern in shell style, where case does not matter.
    """

    field: str
    sign: str
    value: str

    def holds(self, found: object) -> bool:
        """Return whether the condition holds for a field's value; None: the robot has no such field."""
        if self.sign in _ORDER:
            return _in_order(found, self.sign, self.value)
        return _equals(found, self.value) is (self.sign == "=")


def parse_condition(text: str) -> Condition:
    """Read a condition such as ``camera=on``, ``viewers>0`` or ``version!=0.2*``.

    Raises:
        SettingsError: It is none, or there is no such field; the text names all fields.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"{text!r} is no condition.", remedy="Write FIELD=PATTERN, FIELD!=PATTERN, FIELD<NUMBER or FIELD>NUMBER."
        )
    condition = Condition(*match.groups())
    if condition.field.partition(".")[0] not in {*PRESENCE_FIELDS, *STATUS_FIELDS}:
        fields = ", ".join((*PRESENCE_FIELDS, *STATUS_FIELDS))
        raise SettingsError(f"Robots have no field {condition.field}.", remedy=f"Fields: {fields}.")
    if condition.sign in _ORDER and not (_NUMBER.fullmatch(condition.value) or _VERSION.fullmatch(condition.value)):
        raise SettingsError(
            f"{condition.value!r} in {text!r} is no number.", remedy=f"Compare texts with {condition.field}=PATTERN."
        )
    return condition


def value_of(field: str, robot: OnlineServer, status: Mapping[str, Any] | None) -> Any:  # JSON
    """Return the value of a field, None if there is none.

    Args:
        field: Its name, as in a condition.
        robot: The robot's presence.
        status: Its ``robot://status``; None if it has not been asked.
    """
    if field in {"server_id", "server_name", "description"}:
        return getattr(robot, field)
    if field == "version":
        version = robot.meta.get("version")
        return version if isinstance(version, str) else _part(status, "versions.robot-node")
    return _part(status, field)


def is_known(field: str, robot: OnlineServer) -> bool:
    """Whether the robot's presence has the field."""
    return field in PRESENCE_FIELDS and value_of(field, robot, None) is not None


def name_matches(patterns: Sequence[str], robot: OnlineServer) -> bool:
    """Whether one of the patterns in shell style matches the robot's server id or name. No pattern matches all."""
    return not patterns or any(
        fnmatchcase(name, pattern) for pattern in patterns for name in (robot.server_id, robot.server_name)
    )


def missing_names(patterns: Sequence[str], robots: Sequence[OnlineServer]) -> tuple[str, ...]:
    """Return the names without wildcards that none of the robots has."""
    names = {name for robot in robots for name in (robot.server_id, robot.server_name)}
    return tuple(dict.fromkeys(each for each in patterns if not _GLOB.search(each) and each not in names))


def _part(value: Any, path: str) -> Any:
    """What is at a path in JSON objects. A key may contain dots itself, as the name of a package does."""
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    first, _, rest = path.partition(".")
    return _part(value.get(first), rest) if rest else None


def _equals(found: object, pattern: str) -> bool:
    if isinstance(found, Mapping | list):  # one of the entries; "none" when there are none
        return any(_equals(each, pattern) for each in found) if found else _matches("none", pattern)
    if isinstance(found, bool) or found is None:
        return _matches(str(found), _WORDS.get(pattern.casefold(), pattern))
    if isinstance(found, int | float) and _NUMBER.fullmatch(pattern):
        return found == float(pattern)
    return _matches(str(found), pattern)


def _matches(text: str, pattern: str) -> bool:
    """Without regard to case; an empty text is ``none``."""
    return fnmatchcase((text or "none").casefold(), (pattern or "none").casefold())


def _in_order(found: object, sign: str, value: str) -> bool:
    if isinstance(found, Mapping | list):
        found = len(found)
    if isinstance(found, bool):
        return False
    if isinstance(found, int | float):
        return _NUMBER.fullmatch(value) is not None and _ORDER[sign](found, float(value))
    if isinstance(found, str) and (version := _VERSION.match(found)) and _VERSION.fullmatch(value):
        return _ORDER[sign](_release(version[0]), _release(value))
    return False


def _release(version: str) -> tuple[int, ...]:
    """A version's numbers, without zeros at the end: 0.2 is 0.2.0."""
    return tuple(map(int, re.sub(r"(\.0+)+$", "", version).split(".")))
