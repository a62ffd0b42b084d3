"""Custom expressions, new or changed, from the tables of a settings file. Pure."""

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

MAX_EXPRESSIONS = 32
"""Maximum number of custom expressions."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ADAPTER = TypeAdapter(Expression)
_INTERNAL_KEY = "shift"


def with_custom(
    tables: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Expression] = EXPRESSIONS,
    size: Size = (128, 64),
) -> Mapping[str, Expression]:
    """Return all expressions, with the custom ones changed or added.

    Args:
        tables: For each name the differences from its base expression; keys and units are those of
            :class:`~robot_node.face.shapes.Expression`. In addition, ``like`` names the base expression (``neutral``
            for a new one), and ``eyes`` changes both eyes. ``brow = false`` removes a brow. Marks replace all marks.
        known: The expressions to extend.
        size: Width and height of the display in pixels.

    Raises:
        SettingsError: A name or value is invalid (the text names expression, key, reason and range), or an expression
            does not fit on the display.
    """
    if len(tables) > MAX_EXPRESSIONS:
        raise SettingsError(f"{len(tables)} expressions are defined.", remedy=f"Define at most {MAX_EXPRESSIONS}.")
    expressions = dict(known)
    for name, table in tables.items():
        if not _NAME.fullmatch(name) or name in ALIASES:
            raise SettingsError(
                f"{name[:40]!r} is not a valid name for an expression.",
                remedy="Use lower-case letters, digits, - and _; names of aliases are reserved.",
            )
        expressions[name] = _changed(name, table, expressions)
        _check_extent(name, expressions[name], size)
    return MappingProxyType(expressions)


def find(name: str, expressions: Mapping[str, Expression] = EXPRESSIONS) -> str:
    """Return the canonical name of an expression; case and surrounding blanks are ignored.

    Args:
        name: A key of ``expressions``, or one of :data:`~robot_node.face.expressions.ALIASES`.
        expressions: Available expressions.

    Raises:
        SettingsError: The expression does not exist; the remedy lists all names.
    """
    key = name.strip().lower()
    if key in expressions:
        return str(key)
    if key in ALIASES:
        return ALIASES[key].value
    known = ", ".join(str(each) for each in expressions)
    raise SettingsError(f"There is no expression {name[:40]!r}.", remedy=f"Use one of: {known}.")


def _changed(name: str, table: Mapping[str, Any], known: Mapping[str, Expression]) -> Expression:
    if not isinstance(table, Mapping):
        raise SettingsError(f"Expression {name}: it is not a table.", remedy="Write a table of keys and values.")
    changes = dict(table)
    like = changes.pop("like", name if name in known else Emotion.NEUTRAL.value)
    if not isinstance(like, str):
        raise SettingsError(f"Expression {name}: like is not a name.", remedy="Use the name of an expression.")
    try:
        whole = dataclasses.asdict(known[find(like, known)])
    except SettingsError as error:
        raise SettingsError(f"Expression {name}: like: {error.message}", remedy=error.remedy) from None
    eyes = changes.pop("eyes", {})
    for side in ("left", "right"):
        whole[side] = _merged(whole[side], eyes)
    whole = _merged(whole, changes)
    if _INTERNAL_KEY in changes:
        raise SettingsError(f"Expression {name}: there is no key 'shift'.", remedy="Use motion: bob, shake, bounce.")
    try:
        expression = _ADAPTER.validate_python(whole)
    except ValidationError as error:
        raise _settings_error(name, error) from None
    for key in ("blink", "glances"):
        shortest, longest = getattr(expression.motion, key)
        if shortest > longest:
            raise SettingsError(
                f"Expression {name}: motion.{key}: {shortest:g} is more than {longest:g}.",
                remedy="Write the shorter interval first.",
            )
    return expression


def _check_extent(name: str, expression: Expression, size: Size) -> None:
    """Raise a SettingsError if the expression in motion would exceed the display or overlap the signs at its left."""
    motion = expression.motion
    boxes = []
    for side in (-1, 1):
        face = modifiers.breathe(modifiers.glance(expression, side * motion.glance, 0), round(motion.breath))
        face = modifiers.sway(face, lambda _, side=side: side)  # type: ignore[misc]  # binds the loop variable
        low = motion.bob if side > 0 else -max(motion.bob, motion.bounce)
        boxes.append(extent(modifiers.move(face, side * motion.shake, low), size))
    (left, top, *_), (*_, right, bottom) = boxes
    if left < COLUMN or top < 0 or right > size[0] or bottom > size[1]:
        raise SettingsError(
            f"Expression {name} does not fit on the display of {size[0]}x{size[1]}: it extends from "
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


def _settings_error(name: str, error: ValidationError) -> SettingsError:
    problem = error.errors(include_url=False)[0]
    place = problem["loc"]
    key = ".".join(str(part) for part in place)
    if problem["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        owner = _kind(place[:-1])
        names = [field.name for field in dataclasses.fields(owner)] if dataclasses.is_dataclass(owner) else []
        remedy = f"Use: {', '.join(each for each in names if each != _INTERNAL_KEY)}."
        return SettingsError(f"Expression {name}: there is no key {key!r}.", remedy=remedy)
    bounds = _bounds(_kind(place))
    remedy = f"Use a number from {bounds[0]:g} to {bounds[1]:g}." if bounds else "See docs/face.md for valid values."
    return SettingsError(f"Expression {name}: {key} = {problem['input']!r:.60}: {problem['msg']}.", remedy=remedy)


def _kind(place: tuple[int | str, ...]) -> Any:
    """Return the type at a place in an expression."""
    kind: Any = Expression
    for part in place:
        kind = _bare(kind)
        if isinstance(part, int):
            kind = get_args(kind)[0]
        elif dataclasses.is_dataclass(kind):
            kind = get_type_hints(kind, include_extras=True).get(part)
    return kind


def _bare(kind: Any) -> Any:
    """Remove annotations and ``| None`` from a type."""
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
