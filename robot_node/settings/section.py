"""Base class, error and types that the tables of the settings file share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class Section(BaseModel):
    """A table of the settings file: unknown keys are refused, and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def refused(reasons: Mapping[str, str]) -> ValidationError:
    """The error of a validator that compares several keys.

    Args:
        reasons: What is wrong with each, by key: below the table that is validated, with dots for nested tables.
    """
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("refused", "{reason}", {"reason": reason}), loc=tuple(key.split(".")), input=None
        )
        for key, reason in reasons.items()
    ]
    return ValidationError.from_exception_data("settings", errors)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables, key by key; where both have a value, that of the upper one counts."""
    result = dict(below)
    for key, value in above.items():
        beneath = result.get(key)
        both = isinstance(beneath, Mapping) and isinstance(value, Mapping)
        result[key] = merged(beneath, value) if both else value  # type: ignore[arg-type]  # both are tables
    return result


def _number(value: Any) -> Any:  # whatever a file or the environment holds
    try:
        return int(value, 0) if isinstance(value, str) else value
    except ValueError:
        return value


NUMBER_FROM_TEXT = BeforeValidator(_number)
"""Reads numbers from text, such as the environment has: for choices of numbers, and for those written as 0x3C."""
