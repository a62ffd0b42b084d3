"""Expressions of one's own, or changes to the known ones, from plain tables such as a settings file has. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from robot_node.errors import SettingsError
from robot_node.face import modifiers
from robot_node.face.expressions import ALIASES, EXPRESSIONS, Emotion
from robot_node.face.renderer import Size, extent
from robot_node.face.shapes import Expression
from robot_node.face.signs import COLUMN

MOST = 32
"""Expressions that can be defined or changed."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_CHECKED = TypeAdapter(Expression)
_NOT_SET_BY_USERS = "shift"


def with_custom(
    tables: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Expression] = EXPRESSIONS,
    size: Size = (128, 64),
) -> Mapping[str, Expression]:
    """Return the known expressions with some changed and some added.

    Args:
        tables: For each name what differs from the expression that is changed; keys and units are those of
            :class:`~robot_node.face.shapes.Expression`. Besides, ``like`` names the expression to begin with (a new one
            begins with ``neutral``), and ``eyes`` changes both eyes. ``brow = false`` removes a brow. Marks are given
            all together.
        known: What is there already.
        size: Width and height in pixels of the display that they shall fit.

    Raises:
        SettingsError: A name or value that cannot be used: says of which expression and key, why, and the range.
            Or an expression that does not stay inside the display.
    """
    if len(tables) > MOST:
        raise SettingsError(f"{len(tables)} expressions are defined.", remedy=f"Define at most {MOST}.")
    expressions = dict(known)
    for name, table in tables.items():
        if not _NAME.fullmatch(name) or name in ALIASES:
            raise SettingsError(
                f"An expression cannot be called {name[:40]!r}.",
                remedy="Use small letters, digits, - and _; the names of aliases are taken.",
            )
        expressions[name] = _changed(name, table, expressions)
        _check_extent(name, expressions[name], size)
    return MappingProxyType(expressions)


def find(name: str, expressions: Mapping[str, Expression] = EXPRESSIONS) -> str:
    """Return the name under which an expression is known; letter case and surrounding blanks don't matter.

    Args:
        name: A key of ``expressions``, or one of :data:`~robot_node.face.expressions.ALIASES`.
        expressions: What is known.

    Raises:
        SettingsError: There is no such expression; the remedy lists those there are.
    """
    key = name.strip().lower()
    if key in expressions:
        return str(key)
    if key in ALIASES:
        return ALIASES[key].value
    known = ", ".join(str(each) for each in expressions)
    raise SettingsError(f"There is no expression called {name[:40]!r}.", remedy=f"Use one of: {known}.")


def _changed(name: str, table: Mapping[str, Any], known: Mapping[str, Expression]) -> Expression:
    if not isinstance(table, Mapping):
        raise SettingsError(f"Expression {name}: it is not a table.", remedy="Give keys and values.")
    changes = dict(table)
    like = changes.pop("like", name if name in known else Emotion.NEUTRAL.value)
    if not isinstance(like, str):
        raise SettingsError(f"Expression {name}: like is not a name.", remedy="Name a known expression.")
    try:
        whole = dataclasses.asdict(known[find(like, known)])
    except SettingsError as error:
        raise SettingsError(f"Expression {name}: like: {error.message}", remedy=error.remedy) from None
    eyes = changes.pop("eyes", {})
    for side in ("left", "right"):
        whole[side] = _merged(whole[side], eyes)
    whole = _merged(whole, changes)
    if _NOT_SET_BY_USERS in changes:
        raise SettingsError(f"Expression {name}: there is no key 'shift'.", remedy="Use motion: bob, shake, bounce.")
    try:
        expression = _CHECKED.validate_python(whole)
    except ValidationError as error:
        raise _refusal(name, error) from None
    for key in ("blink", "glances"):
        shortest, longest = getattr(expression.motion, key)
        if shortest > longest:
            raise SettingsError(
                f"Expression {name}: motion.{key}: {shortest:g} is more than {longest:g}.",
                remedy="Give the shortest interval first.",
            )
    return expression


def _check_extent(name: str, expression: Expression, size: Size) -> None:
    """Refuse what the display's borders, or the signs at its left one, would cut at some moment of its motion."""
    motion = expression.motion
    boxes = []
    for side in (-1, 1):
        face = modifiers.breathe(modifiers.glance(expression, side * motion.glance, 0), round(motion.breath))
        face = modifiers.sway(face, lambda _, side=side: side)  # type: ignore[misc]  # bound to this turn of the loop
        low = motion.bob if side > 0 else -max(motion.bob, motion.bounce)
        boxes.append(extent(modifiers.move(face, side * motion.shake, low), size))
    (left, top, *_), (*_, right, bottom) = boxes
    if left < COLUMN or top < 0 or right > size[0] or bottom > size[1]:
        raise SettingsError(
            f"Expression {name} does not stay inside the display of {size[0]}x{size[1]}: it reaches from "
            f"({left}, {top}) to ({right}, {bottom}).",
            remedy=f"Keep it between ({COLUMN}, 0) and ({size[0]}, {size[1]}).",
        )


def _merged(old: Any, new: Any) -> Any:
    if new is False and (old is None or isinstance(old, dict)):
        return None
    if not isinstance(new, Mapping):
        return new
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        merged[key] = _merged(merged.get(key), value)
    return merged


def _refusal(name: str, error: ValidationError) -> SettingsError:
    problem = error.errors(include_url=False)[0]
    place = problem["loc"]
    key = ".".join(str(part) for part in place)
    if problem["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        owner = _kind(place[:-1])
        names = [field.name for field in dataclasses.fields(owner)] if dataclasses.is_dataclass(owner) else []
        remedy = f"Use: {', '.join(each for each in names if each != _NOT_SET_BY_USERS)}."
        return SettingsError(f"Expression {name}: there is no key {key!r}.", remedy=remedy)
    bounds = _bounds(_kind(place))
    remedy = f"Use a number from {bounds[0]:g} to {bounds[1]:g}." if bounds else "See docs/face.md for what it can be."
    return SettingsError(f"Expression {name}: {key} = {problem['input']!r:.60}: {problem['msg']}.", remedy=remedy)


def _kind(place: tuple[int | str, ...]) -> Any:
    """Return the type that is expected somewhere in an expression."""
    kind: Any = Expression
    for part in place:
        kind = _bare(kind)
        if isinstance(part, int):
            kind = get_args(kind)[0]
        elif dataclasses.is_dataclass(kind):
            kind = get_type_hints(kind, include_extras=True).get(part)
    return kind


def _bare(kind: Any) -> Any:
    """Take annotations and ``| None`` off a type."""
    if hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    if get_origin(kind) is UnionType:
        kind = get_args(kind)[0]
    return kind


def _bounds(kind: Any) -> tuple[float, float] | None:
    limits = [limit for field in getattr(kind, "__metadata__", ()) for limit in field.metadata]
    low = next((limit.ge for limit in limits if hasattr(limit, "ge")), None)
    high = next((limit.le for limit in limits if hasattr(limit, "le")), None)
    return None if low is None or high is None else (low, high)
