"""What all tables of the settings file have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the settings file: a key that is not known is refused, and what was read never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
