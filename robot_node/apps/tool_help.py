"""Describes a robot's tools for people: a list, and one tool with its arguments and an example. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robot_node.core.text import one_line, shown
from robot_node.errors import RemoteError, SettingsError

Schema = Mapping[str, Any]

_MAX_DESCRIPTION = 400
_MAX_CHOICES = 40
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)(:?=)(.*)", re.DOTALL)
_REMEDY = "Write arguments as NAME=TEXT or NAME:=JSON, or all in one as '{\"enabled\": true}', in quotes for the shell."


def parse_arguments(words: Sequence[str]) -> dict[str, Any]:
    """Parse a tool's arguments: one JSON object, or ``NAME=TEXT`` and ``NAME:=JSON``.

    Raises:
        SettingsError: They are neither.
    """
    pairs = [_PAIR.fullmatch(word) for word in words]
    if len(words) == 1 and pairs[0] is None:
        value = _json(words[0], "The tool's arguments are")
        if not isinstance(value, dict):
            raise SettingsError("The tool's arguments must be a JSON object.", remedy=_REMEDY)
        return value
    parsed: dict[str, Any] = {}
    for word, pair in zip(words, pairs, strict=True):
        if pair is None:
            raise SettingsError(f"{shown(word)!r} is no argument of a tool.", remedy=_REMEDY)
        name, sign, text = pair.groups()
        if name in parsed:
            raise SettingsError(f"The argument {shown(name)} is given twice.", remedy="Give it once.")
        parsed[name] = text if sign == "=" else _json(text, f"The argument {shown(name)} is")
    return parsed


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{what} not valid JSON: {one_line(str(error))}.", remedy=_REMEDY) from error


def list_lines(tools: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of ``robot-node tools ROBOT``: two for each tool."""
    for tool in tools:
        required = _required(tool)
        words = [_word(name, schema) for name, schema in _arguments(tool).items()]
        marked = [word if name in required else f"[{word}]" for name, word in zip(_arguments(tool), words, strict=True)]
        yield " ".join([_line(tool["name"]), *marked])
        if description := _line(tool.get("description")):
            yield f"    {description}"


def tool_lines(tools: Sequence[Mapping[str, Any]], name: str, robot: str) -> Iterator[str]:
    """Yield the lines of ``robot-node tools ROBOT TOOL``.

    Raises:
        RemoteError: There is no such tool.
    """
    tool = next((each for each in tools if each["name"] == name), None)
    if tool is None:
        names = ", ".join(shown(each["name"]) for each in tools) or "none"
        raise RemoteError(f"{robot} has no tool {shown(name)}.", remedy=f"It has: {names}.")
    yield _line(name)
    yield from (f"    {_line(line)}" for line in str(tool.get("description") or "").splitlines() if line.strip())
    arguments, required = _arguments(tool), _required(tool)
    yield ""
    yield "Arguments:" if arguments else "It has no arguments."
    width = max((len(_word(each, schema)) for each, schema in arguments.items()), default=0)
    for each, schema in arguments.items():
        facts = [*(["required"] if each in required else []), *_facts(schema)]
        yield f"    {_word(each, schema):{width}}  {_line('; '.join(facts))}".rstrip()
    yield ""
    yield f"Example: {example(tool, robot)}"


def example(tool: Mapping[str, Any], robot: str) -> str:
    """Return a command that calls the tool, with the arguments that it needs, or one of those that it takes."""
    arguments, required = _arguments(tool), _required(tool)
    chosen = [name for name in arguments if name in required] or list(arguments)[:1]
    words = ["robot-node", "call", robot, tool["name"], *(_pair(name, arguments[name]) for name in chosen)]
    return " ".join(shlex.quote(_line(word)) for word in words)


def _pair(name: str, schema: Schema) -> str:
    value = _value(schema)
    return f"{name}={value}" if isinstance(value, str) else f"{name}:={json.dumps(value)}"


def _value(schema: Schema) -> Any:
    choices, kind = _choices(schema), _kind(schema)
    if choices:
        return choices[0]
    if schema.get("default") is not None:
        return schema["default"]
    if kind in {"integer", "number"}:
        low, high = schema.get("minimum"), schema.get("maximum")
        number = high if isinstance(high, int | float) else low if isinstance(low, int | float) else 1
        return min(1, number) if not isinstance(low, int | float) or low <= 1 else low
    return {"boolean": True, "array": [], "object": {}}.get(kind, "text")


def _word(name: str, schema: Schema) -> str:
    kind = _kind(schema)
    return _line(f"{name}=TEXT" if kind == "string" else f"{name}:={kind.upper() or 'JSON'}")


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    return "string" if (choices := _choices(schema)) and all(isinstance(each, str) for each in choices) else ""


def _choices(schema: Schema) -> list[Any]:
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return choices[:_MAX_CHOICES] if isinstance(choices, list) else []


def _facts(schema: Schema) -> Iterator[str]:
    if choices := _choices(schema):
        yield "one of " + ", ".join(each if isinstance(each, str) else json.dumps(each) for each in choices)
    limits = [
        (schema.get("minimum"), "at least {}"),
        (schema.get("exclusiveMinimum"), "more than {}"),
        (schema.get("maximum"), "at most {}"),
        (schema.get("exclusiveMaximum"), "less than {}"),
        (schema.get("maxLength"), "at most {} characters"),
        (schema.get("maxItems"), "at most {} entries"),
    ]
    yield from (text.format(limit) for limit, text in limits if isinstance(limit, int | float))
    if schema.get("default") is not None:
        yield f"default {json.dumps(schema['default'])}"
    if isinstance(description := schema.get("description"), str):
        yield description


def _arguments(tool: Mapping[str, Any]) -> dict[str, Schema]:
    properties = tool["inputSchema"].get("properties")
    found = properties if isinstance(properties, dict) else {}
    return {name: schema if isinstance(schema, dict) else {} for name, schema in found.items()}


def _required(tool: Mapping[str, Any]) -> frozenset[str]:
    required = tool["inputSchema"].get("required")
    return frozenset(each for each in required if isinstance(each, str)) if isinstance(required, list) else frozenset()


def _line(text: object) -> str:
    return one_line(" ".join(str(text or "").split()), _MAX_DESCRIPTION)
