"""Results of checks: ok, note, not ok, or not applicable. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self


class Level(enum.Enum):
    """Result of a check; the value is printed."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; the robot works."""
    NOT_OK = "not ok"
    NOT_APPLICABLE = "n/a"
    """Does not apply here, or cannot be determined."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check.

    Attributes:
        check: Subject of the check.
        level: Its result.
        detail: The observation, in one sentence.
        why: Why it matters; empty if ok.
        remedy: How to fix it, with the command or setting; empty if ok.
    """

    check: str
    level: Level
    detail: str
    why: str = ""
    remedy: str = ""

    @classmethod
    def good(cls, check: str, detail: str) -> Self:
        """The check passed."""
        return cls(check, Level.OK, detail)

    @classmethod
    def note(cls, check: str, detail: str, *, why: str, remedy: str) -> Self:
        """The robot works, but there is something worth knowing."""
        return cls(check, Level.NOTE, detail, why, remedy)

    @classmethod
    def bad(cls, check: str, detail: str, *, why: str, remedy: str) -> Self:
        """Something does not work, or is not secure."""
        return cls(check, Level.NOT_OK, detail, why, remedy)

    @classmethod
    def not_applicable(cls, check: str, detail: str) -> Self:
        """Nothing was checked; ``detail`` says why."""
        return cls(check, Level.NOT_APPLICABLE, detail)

    @property
    def ok(self) -> bool:
        """Whether no action is needed."""
        return self.level is not Level.NOT_OK

    def __str__(self) -> str:
        """Format it as one line for people."""
        return " ".join(filter(None, (f"{self.level.value:6}  {self.check}:", self.detail, self.why, self.remedy)))

    def as_json(self) -> dict[str, Any]:
        """Format it for ``doctor --json``."""
        return {
            "check": self.check,
            "ok": self.ok,
            "level": self.level.value,
            "detail": self.detail,
            "why": self.why,
            "remedy": self.remedy,
        }


Report = Callable[[Finding], None]
"""Called with each finding as soon as it is known."""
