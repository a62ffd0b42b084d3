"""Error texts for wrong settings: source, key, reason. Values are never repeated: one may be a password."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from robot_node.errors import SettingsError
from robot_node.settings.credentials import credential_name
from robot_node.settings.root import ENV_PREFIX
from robot_node.settings.tree import Place, place

_UNKNOWN = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_NOT_A_TABLE = frozenset({"model_type", "dataclass_type", "dict_type", "tuple_type", "list_type"})
_CLOSE = 0.6


def explain(error: ValidationError, sources: Mapping[str, Mapping[str, Any]]) -> SettingsError:
    """The error that a person reads: one line for each wrong setting, with source, key and reason.

    Args:
        error: From validating the settings.
        sources: The tables of each source, the lowest first.
    """
    lines = [_line(problem, sources) for problem in error.errors(include_url=False)]
    remedy = "config/robot-node.toml lists every setting with its range."
    if len(lines) > 1:
        return SettingsError("Wrong settings:", details=lines, remedy=remedy)
    return SettingsError(f"Wrong settings: {lines[0]}", remedy=remedy)


def _line(problem: ErrorDetails, sources: Mapping[str, Mapping[str, Any]]) -> str:
    found = place(problem["loc"])
    path, reason = _reason(problem, found)
    return f"{_source(path, sources)}: {'.'.join(path)}: {reason}{'' if reason.endswith('?') else '.'}"


def _reason(problem: ErrorDetails, found: Place) -> tuple[tuple[str, ...], str]:
    """What is wrong, and the path of the key that is to be changed."""
    kind, context = problem["type"], problem.get("ctx", {})
    reason = problem["msg"].removeprefix("Value error, ").rstrip(".")
    if kind in _UNKNOWN:
        thing = "setting" if len(found.path) > 1 else "section"
        return found.path, f"there is no such {thing}{did_you_mean(found.path[-1], found.siblings)}"
    if kind == "union_tag_invalid":
        hint = did_you_mean(str(context["tag"]), found.kinds)
        return (*found.path, "kind"), f"there is no such kind{hint or ';'} there are: {', '.join(found.kinds)}"
    if kind == "union_tag_not_found":
        return (*found.path, "kind"), f"is missing; it is one of: {', '.join(found.kinds)}"
    if kind in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return found.path, "is missing"
    if kind in _NOT_A_TABLE and isinstance(problem["input"], str):
        return found.path, f'{reason}; in the environment, write it as JSON: \'["a", "b"]\''
    return found.path, f"its name: {reason}" if found.is_name else reason


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that suggests the most similar name; empty without one."""
    similar = get_close_matches(name, list(known), n=1, cutoff=_CLOSE)
    return f"; did you mean {similar[0]}?" if similar else ""


def _source(path: Sequence[str], sources: Mapping[str, Mapping[str, Any]]) -> str:
    """The highest source that has the value, or else the table in which it is missing."""
    for length in range(len(path), 0, -1):
        for name, tables in reversed([*sources.items()]):
            if _has(tables, path[:length]):
                return _named(name, path)
    return "defaults"


def _has(tables: Any, path: Sequence[str]) -> bool:  # whatever a file may hold
    for part in path:
        if isinstance(tables, Mapping) and part in tables:
            tables = tables[part]
        elif isinstance(tables, list | tuple) and part.isdecimal() and int(part) < len(tables):
            tables = tables[int(part)]
        else:
            return False
    return True


def _named(source: str, path: Sequence[str]) -> str:
    if source == "credential":
        return f"credential {credential_name(path[0], path[1])}"
    if source == "environment variable":
        set_here = {name.upper(): name for name in os.environ}
        names = [f"{ENV_PREFIX}{'__'.join(path[:length])}".upper() for length in range(len(path), 0, -1)]
        exact = [set_here[name] for name in names if name in set_here]
        below = [set_here[name] for name in sorted(set_here) if name.startswith(f"{names[0]}__")]
        return f"environment variable {[*exact, *below][0]}"
    return source
