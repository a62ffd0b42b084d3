"""The tree of settings: which keys a table has, and where a value stands that was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from robot_node.settings.root import Settings

Node = Mapping[str, Any]
"""A part of a JSON schema."""


@cache
def _schema() -> Node:
    return Settings.model_json_schema()


def keys(*path: str) -> tuple[str, ...]:
    """The keys of a table, e.g. of ``keys("camera")``; the sections for no path at all."""
    return place(path)[1]


def place(loc: Sequence[str | int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where a value stands in the settings file, and which keys are known there.

    Args:
        loc: The location of a pydantic error, which also names the kind of a table that is one of several kinds.
    """
    node, path = _schema(), list[str]()
    for part in loc:
        kinds = node.get("discriminator", {}).get("mapping", {})
        if part in kinds:
            node = _resolved({"$ref": kinds[part]})
        else:
            path.append(str(part))
            node = _below(node, part)
    return tuple(path), tuple(node.get("properties", ()))


def _below(node: Node, part: str | int) -> Node:
    if isinstance(part, int):
        places = node.get("prefixItems", ())
        return _resolved(places[part] if part < len(places) else node.get("items", {}))
    others = (*node.get("patternProperties", {}).values(), node.get("additionalProperties"))
    child = node.get("properties", {}).get(part, others[0])
    return _resolved(child) if isinstance(child, Mapping) else {}


def _resolved(node: Node) -> Node:
    """A node without references; of several possibilities, the one that is a table or a list."""
    while reference := node.get("$ref"):
        node = _schema()["$defs"][reference.rpartition("/")[2]]
    for choice in node.get("anyOf", ()):
        if choice.keys() & {"$ref", "properties", "items", "additionalProperties"}:
            return _resolved(choice)
    return node
