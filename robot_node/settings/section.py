"""What all tables of the settings file have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class Section(BaseModel):
    """A table of the settings file: unknown keys are refused, and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def refused(key: str, reason: str) -> ValidationError:
    """The error of one key, for validators that compare several.

    Args:
        key: Below the table that is validated; with dots for a nested one.
        reason: Follows the key.
    """
    error = PydanticCustomError("refused", "{reason}", {"reason": reason})
    details = InitErrorDetails(type=error, loc=tuple(key.split(".")), input=None)
    return ValidationError.from_exception_data(key, [details])
