"""What a client's list of tools says of a tool: what a model needs, in few bytes, since models pay for each. Pure.

A tool's description and arguments are sent with every conversation; what validation knows besides is not. Left out are
titles of arguments, ``null`` as a choice of what may be left out, bounds of lengths, the type of what is enumerated,
arguments that this robot cannot use, the form of results, which says nothing that the result itself does not say, and
hints that agents' programs don't use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import Tool

UNLISTED = "x-unlisted"
"""Key in the schema of an argument that is accepted but not offered."""


_FOR_VALIDATION_ONLY = frozenset({"title", UNLISTED, "maxLength", "minLength", "maxItems", "exclusiveMinimum"})


def listed(tool: Tool) -> Tool:
    """Return a tool as clients get it."""
    hints = tool.annotations
    return tool.model_copy(
        update={
            "input_schema": listed_schema(tool.input_schema),
            "output_schema": None,
            "annotations": hints and hints.model_copy(update={"idempotent_hint": None, "open_world_hint": None}),
        }
    )


def listed_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a tool's arguments as clients get it."""
    arguments = {name: _argument(found) for name, found in offered(schema).items()}
    rest = {key: value for key, value in schema.items() if key not in {"title", "properties", "description"}}
    return {**rest, "properties": arguments}


def offered(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas of the arguments that clients get to know, by name."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    return {name: found for name, found in properties.items() if not found.get(UNLISTED)}


def _argument(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key not in _FOR_VALIDATION_ONLY}
    if "enum" in kept or "const" in kept:
        kept.pop("type", None)
    if isinstance(kept.get("items"), dict):
        kept["items"] = _argument(kept["items"])
    if "default" in kept and kept["default"] in (None, "", []):
        del kept["default"]
        branches = kept.get("anyOf")
        if isinstance(branches, list) and len(some := [each for each in branches if each != {"type": "null"}]) == 1:
            del kept["anyOf"]
            return _argument({**some[0], **kept})
    return kept
