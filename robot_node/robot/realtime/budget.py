"""How much a model may be used in a day. Pure."""

from __future__ import annotations

import math
from datetime import date


class DailyBudget:
    """Minutes, tokens and sound that are left of a day.

    Args:
        minutes: Connected, of each day.
        tokens: Of each day, as the server counts them.
        sound_minutes: Of sound, of each day: what is sent and what comes.
    """

    def __init__(self, minutes: float, tokens: int, sound_minutes: float = math.inf) -> None:
        self._minutes, self._tokens, self._sound_minutes = minutes, tokens, sound_minutes
        self._day: date | None = None
        self._spent_s = 0.0
        self._spent_tokens = 0
        self._spent_sound_s = 0.0

    def spend(self, today: date, *, seconds: float = 0.0, tokens: int = 0, sound_s: float = 0.0) -> None:
        """Count what was used."""
        self._turn_to(today)
        self._spent_s += seconds
        self._spent_tokens += tokens
        self._spent_sound_s += sound_s

    def exhausted(self, today: date) -> str:
        """Return which limit has been reached, in a sentence; empty while something is left."""
        self._turn_to(today)
        if self._spent_s >= 60 * self._minutes:
            return f"The {self._minutes:g} minutes of today (realtime.minutes_per_day) are used up."
        if self._spent_tokens >= self._tokens:
            return f"The {self._tokens} tokens of today (realtime.tokens_per_day) are used up."
        if self._spent_sound_s >= 60 * self._sound_minutes:
            return (
                f"The {self._sound_minutes:g} minutes of sound of today (realtime.sound_minutes_per_day) are used up."
            )
        return ""

    def seconds_left(self, today: date) -> float:
        """Return how long a session may be."""
        self._turn_to(today)
        return max(0.0, 60 * self._minutes - self._spent_s)

    def _turn_to(self, today: date) -> None:
        if today != self._day:
            self._day, self._spent_s, self._spent_tokens, self._spent_sound_s = today, 0.0, 0, 0.0
