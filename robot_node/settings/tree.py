"""The tree of settings as a JSON schema: which keys a table has, and where a refused value is in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from robot_node.settings.root import Settings

_Node = Mapping[str, Any]
_OF_A_NAME = "[key]"  # how pydantic says that it is the name that is wrong, and not its value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands.

    Attributes:
        path: Its keys, as in the settings file.
        keys: The keys of the table at that place.
        siblings: The keys of the table that contains it.
        kinds: Kinds of table that are possible there, if there are several.
        is_name: The name is meant, not the value.
    """

    path: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    siblings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    is_name: bool = False


def keys(*path: str) -> tuple[str, ...]:
    """The keys of a table, e.g. of ``keys("camera")``; the sections when no path is given."""
    return place(path).keys


def place(loc: Iterable[str | int]) -> Place:
    """Where a value stands that validation refused.

    Args:
        loc: The location of a pydantic error. It also names the kind of a table that is one of several kinds, which is
            no key of the file.
    """
    above: _Node = {}
    node, path, is_name = _schema(), list[str](), False
    for part in loc:
        if part in _kinds(node):
            node = _resolved({"$ref": _kinds(node)[str(part)]})
        elif part == _OF_A_NAME:
            is_name = True
        else:
            path.append(str(part))
            above, node = node, _below(node, part)
    here, siblings = (tuple(table.get("properties", ())) for table in (node, above))
    return Place(tuple(path), here, siblings, tuple(_kinds(node)), is_name)


@cache
def _schema() -> _Node:
    return Settings.model_json_schema()


def _kinds(node: _Node) -> Mapping[str, str]:
    kinds: Mapping[str, str] = node.get("discriminator", {}).get("mapping", {})
    return kinds


def _below(node: _Node, part: str | int) -> _Node:
    others: Any = (*node.get("patternProperties", {}).values(), node.get("additionalProperties"), node.get("items"))
    known: Mapping[str | int, Any] = node.get("properties", dict(enumerate(node.get("prefixItems", ()))))
    child = known.get(part, next((other for other in others if isinstance(other, Mapping)), None))
    return _resolved(child) if child else {}


def _resolved(node: _Node) -> _Node:
    """A node without references; of several possibilities, the one that is a table or a list."""
    while reference := node.get("$ref"):
        node = _schema()["$defs"][reference.rpartition("/")[2]]
    for choice in node.get("anyOf", ()):
        if choice.keys() & {"$ref", "properties", "items", "additionalProperties"}:
            return _resolved(choice)
    return node
