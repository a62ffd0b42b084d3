"""JSON Schema in words, and Markdown tables: what the reference pages of tools and settings share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_WORDS = {"boolean": "`true` or `false`", "integer": "whole number", "number": "number", "string": "text"}
_LIMITS = {
    "exclusiveMinimum": "more than",
    "minimum": "at least",
    "exclusiveMaximum": "less than",
    "maximum": "at most",
    "multipleOf": "a multiple of",
}
_REFERENCE = "#/$defs/"
_TAG = re.compile("<(?!br>)")
_REFERENCES = re.compile(r'"\$ref": "#/\$defs/(\w+)"')
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an object, in words.

    Attributes:
        name: Its name.
        kind: What it may be.
        nullable: It may be null as well.
        required: It must be given.
        default: What is taken when it isn't given, as JSON.
        meaning: Its description; empty without one.
    """

    name: str
    kind: str
    nullable: bool
    required: bool
    default: str
    meaning: str


def properties(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[Property]:
    """The properties of an object's schema, in their order.

    Args:
        schema: Of an object.
        definitions: What its references lead to, by name.
    """
    of_attributes = dict(_ATTRIBUTE.findall(schema.get("description", "").replace("``", "`")))
    for name, described in schema.get("properties", {}).items():
        yield Property(
            name=name,
            kind=kind(described, definitions),
            nullable={"type": "null"} in described.get("anyOf", ()),
            required=name in schema.get("required", ()),
            default=json.dumps(described["default"], ensure_ascii=False) if "default" in described else "",
            meaning=described.get("description") or of_attributes.get(name, ""),
        )


def named_below(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """The objects that a schema names, by name, and those that they name; each once, in the order of their mention."""
    found: dict[str, Schema] = {}
    waiting = [schema]
    while waiting:
        mentions = {key: value for key, value in waiting.pop(0).items() if key != "$defs"}
        for reference in _REFERENCES.findall(json.dumps(mentions)):
            if reference not in found and definitions[reference].get("type") == "object":
                found[reference] = definitions[reference]
                waiting.append(definitions[reference])
    yield from found.items()


def summary(schema: Schema) -> str:
    """The first line of an object's description."""
    return str(schema.get("description", "")).partition("\n")[0]


def kind(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """What a value may be, with its range.

    Raises:
        KeyError: The schema has a form that no page has needed yet.
    """
    if "$ref" in schema:
        return _named(schema["$ref"], definitions)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices is not None:
        return " or ".join(
            dict.fromkeys(kind(choice, definitions) for choice in choices if choice.get("type") != "null")
        )
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") in {"array", "object"}:
        return (_list if schema["type"] == "array" else _table)(schema, definitions)
    if "type" not in schema:
        return "anything"
    word = "path" if schema.get("format") == "path" else _WORDS[schema["type"]]
    return f"{word}{_range(schema)}"


def _named(reference: str, definitions: Mapping[str, Schema]) -> str:
    name = reference.removeprefix(_REFERENCE)
    described = definitions[name]
    return f"[{name}](#{name.lower()})" if described.get("type") == "object" else kind(described, definitions)


def _list(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if "prefixItems" in schema:
        parts = [kind(item, definitions) for item in schema["prefixItems"]]
        return f"list of {len(parts)}: {parts[0] if len(set(parts)) == 1 else '; '.join(parts)}"
    longest = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
    return f"list of: {kind(schema.get('items', {}), definitions)}{longest}"


def _table(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    values = [*schema.get("patternProperties", {}).values()]
    if isinstance(more := schema.get("additionalProperties"), Mapping):
        values.append(more)
    if not values:
        return "table"
    return f"table of: {' or '.join(kind(value, definitions) for value in values)}"


def _range(schema: Schema) -> str:
    limits = {limit: schema[limit] for limit in _LIMITS if limit in schema}
    if "minimum" in limits and "maximum" in limits:
        parts = [f"{limits.pop('minimum')} to {limits.pop('maximum')}"]
    else:
        parts = []
    parts += [f"{_LIMITS[limit]} {value}" for limit, value in limits.items()]
    if "pattern" in schema:
        parts.append(f"as `{schema['pattern']}`")
    if "maxLength" in schema:
        parts.append(f"at most {schema['maxLength']} characters")
    return "".join(f", {part}" for part in parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, as lines."""
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(text: str) -> str:
    """A cell on one line. Text in <> is prose here but a tag in Markdown, except the line break."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if code % 2 else _TAG.sub(r"\<", part) for code, part in enumerate(parts))
