"""What a check found: all is well, worth knowing, not ok, or not to be checked here. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self


class Level(enum.Enum):
    """How a check ended; the value is what is printed."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; the robot works."""
    NOT_OK = "not ok"
    LEFT_OUT = "n/a"
    """Does not apply here, or cannot be known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was checked.
        level: How it ended.
        detail: What was found, in one sentence.
        why: Why it matters; empty when all is well.
        remedy: What to do about it, with the command or setting; empty when all is well.
    """

    check: str
    level: Level
    detail: str
    why: str = ""
    remedy: str = ""

    @classmethod
    def good(cls, check: str, detail: str) -> Self:
        """All is well."""
        return cls(check, Level.OK, detail)

    @classmethod
    def note(cls, check: str, detail: str, *, why: str, remedy: str) -> Self:
        """The robot works, but its owner should know."""
        return cls(check, Level.NOTE, detail, why, remedy)

    @classmethod
    def bad(cls, check: str, detail: str, *, why: str, remedy: str) -> Self:
        """Something does not work, or does not protect."""
        return cls(check, Level.NOT_OK, detail, why, remedy)

    @classmethod
    def left_out(cls, check: str, detail: str) -> Self:
        """Nothing to check; ``detail`` says why."""
        return cls(check, Level.LEFT_OUT, detail)

    @property
    def ok(self) -> bool:
        """Whether nothing needs to be done."""
        return self.level is not Level.NOT_OK

    def __str__(self) -> str:
        """One line for people."""
        return " ".join(filter(None, (f"{self.level.value:6}  {self.check}:", self.detail, self.why, self.remedy)))

    def as_json(self) -> dict[str, Any]:
        """As ``doctor --json`` prints it."""
        return {
            "check": self.check,
            "ok": self.ok,
            "level": self.level.value,
            "detail": self.detail,
            "why": self.why,
            "remedy": self.remedy,
        }


Tell = Callable[[Finding], None]
"""Given each finding as soon as there is one."""
