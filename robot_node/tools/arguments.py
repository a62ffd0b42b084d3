"""What is wrong with the arguments of a tool call, in sentences that a model can act upon. Pure.

Each sentence names the argument, what is wrong with it and what is allowed. An argument that the tool does not have is
refused, not ignored: a misspelt argument must not appear to take effect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from mcp.server.mcpserver.tools import Tool
from pydantic import ValidationError

from robot_node.core.json_limits import check_json
from robot_node.core.text import bounded
from robot_node.tools.listing import offered

_MAX_SENTENCES = 5
_MAX_SHOWN_CHARACTERS = 40
_MAX_ALLOWED_CHARACTERS = 1000
# A text in the place of a list or an object is read as JSON by the SDK, since some clients write it so.
_MAX_VALUES_IN_TEXT = 10_000
_FOUND_BY_A_VALIDATOR = frozenset({"value_error", "assertion_error"})


def wrong_arguments(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Say what is wrong with the arguments of a call.

    Args:
        tool: The tool, as the SDK's server keeps it.
        arguments: What the call gives it, as parsed from JSON.

    Returns:
        A sentence for each argument, a few at most; empty when nothing is wrong.
    """
    schema = tool.parameters
    known: Mapping[str, Any] = schema.get("properties", {})
    sentences = _unknown(tool, arguments, known)
    given = {name: value for name, value in arguments.items() if name in known}
    too_large = {name: reason for name, value in given.items() if (reason := _too_large(value))}
    sentences += [f"{name} of {tool.name} is too large: {reason}" for name, reason in too_large.items()]
    if not too_large:
        sentences += _misfits(tool, given)
    if len(sentences) > _MAX_SENTENCES:
        sentences[_MAX_SENTENCES:] = ["There is more."]
    return " ".join(sentences)


def unknown_tool(name: str, offered: Iterable[str]) -> str:
    """Say that there is no such tool, which one may have been meant, and which there are.

    Args:
        name: What was called.
        offered: The names of the tools that there are.
    """
    names = sorted(offered)
    there_are = f" The robot has: {', '.join(names)}." if names else ""
    return f"Unknown tool {_shown(name)}.{_did_you_mean(name, names)}{there_are}"


def _unknown(tool: Tool, arguments: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    wrong = [name for name in arguments if name not in known]
    if wrong and not offered(tool.parameters):
        return [f"{tool.name} takes no arguments; {_shown(wrong[0])} was given."]
    it_takes = f" It takes {', '.join(offered(tool.parameters))}."
    return [
        f"{tool.name} has no argument {_shown(name)}.{_did_you_mean(name, known)}{it_takes if name == wrong[0] else ''}"
        for name in wrong[: _MAX_SENTENCES + 1]
    ]


def _too_large(value: object) -> str:
    if not isinstance(value, str):
        return ""  # the message that it came in was measured as a whole
    try:
        check_json(value.encode(errors="replace"), max_values=_MAX_VALUES_IN_TEXT)
    except ValueError as error:
        return str(error)
    return ""


def _misfits(tool: Tool, arguments: Mapping[str, Any]) -> list[str]:
    try:
        tool.fn_metadata.validate_arguments(dict(arguments))
    except ValidationError as error:
        # One sentence for each argument: of a union pydantic reports the errors of all branches.
        sentences: dict[str, str] = {}
        for problem in error.errors(include_url=False, include_context=True):
            name, schema = _place(problem["loc"], tool.parameters)
            sentences.setdefault(name, _misfit(name, tool, problem, schema))
        return list(sentences.values())
    return []


def _misfit(name: str, tool: Tool, problem: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    allowed = _allowed(schema, tool.parameters)
    if problem["type"] == "missing":
        return f"{tool.name} needs {name}{f': {allowed}' if allowed else ''}."
    options = _options(schema, tool.parameters)
    if problem["type"] in _FOUND_BY_A_VALIDATOR and not options:
        reason = str(problem.get("ctx", {}).get("error", "")) or problem["msg"]
        return f"{name} of {tool.name} cannot be used: {reason.rstrip('.')}."
    value = problem["input"]
    must_be = f"must be {allowed}" if allowed else f"cannot be used: {problem['msg'].lower()}"
    hint = _did_you_mean(value, options) if isinstance(value, str) else ""
    return f"{name} of {tool.name} {must_be}; {_shown(value)} is not.{hint}"


def _place(location: Iterable[int | str], root: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Name and schema of the argument, or of the part of it, that pydantic's location means."""
    name, schema = "", root
    for step in location:
        schema = _resolved(schema, root)
        if isinstance(step, str) and step in schema.get("properties", {}):
            name, schema = (f"{name}.{step}" if name else step), schema["properties"][step]
        elif isinstance(step, int) and isinstance(schema.get("items"), dict):
            name, schema = f"{name}[{step}]", schema["items"]
        else:
            break  # the branch of a union, say
    return name, schema


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    target = schema.get("$ref", "").rpartition("/")[2]
    resolved: Mapping[str, Any] = root.get("$defs", {}).get(target, schema)
    return resolved


def _options(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    schema = _resolved(schema, root)
    listed = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
    for branch in schema.get("anyOf", ()):
        listed += _options(branch, root)
    return [option for option in listed if isinstance(option, str)]


def _allowed(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in words; empty where it says nothing."""
    schema = _resolved(schema, root)
    if "enum" in schema:
        text = f"one of {', '.join(map(str, schema['enum']))}"
    elif "const" in schema:
        text = str(schema["const"])
    elif "anyOf" in schema:
        text = " or ".join(filter(None, dict.fromkeys(_allowed(branch, root) for branch in schema["anyOf"])))
    else:
        text = _allowed_of_type(schema)
    return text[:_MAX_ALLOWED_CHARACTERS]


_TYPES = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _allowed_of_type(schema: Mapping[str, Any]) -> str:
    longest = f" of at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    form = f" of the form {schema['pattern']}" if "pattern" in schema else ""
    return f"{_TYPES.get(schema.get('type', ''), '')}{_range(schema)}{longest}{form}"


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    bounds = [
        f"{word} {schema[key]:g}"
        for key, word in (
            ("minimum", "of at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "of at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    return f" {' and '.join(bounds)}" if bounds else ""


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:_MAX_SHOWN_CHARACTERS], list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _shown(value: object) -> str:
    """A value as the sentence repeats it: on one line, and short however large it is."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return repr(bounded(value, _MAX_SHOWN_CHARACTERS))
        case int() if abs(value) >= 10**_MAX_SHOWN_CHARACTERS:
            return "so large a number"
        case int() | float():
            return str(value)
        case list() | tuple():
            return "a list"
        case _:
            return "an object"
