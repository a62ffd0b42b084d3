"""Sparing the display and its owner's eyes: dimmed at night, off when nothing happens, never lit at one spot. Pure."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from PIL import Image

_PLACES = ((0, 0), (1, 0), (1, 1), (0, 1))
"""Where the picture stands in turn, in pixels to the right and down."""


@dataclass(frozen=True, slots=True)
class Night:
    """A time of day, which may hold midnight.

    Attributes:
        begins: Local time at which it begins.
        ends: Local time at which it is over.
    """

    begins: dt.time
    ends: dt.time

    @classmethod
    def parse(cls, text: str) -> Night:
        """Read ``"22:00-07:00"``.

        Raises:
            ValueError: It is written otherwise, or both times are the same.
        """
        try:
            begins, ends = (dt.datetime.strptime(part.strip(), "%H:%M").time() for part in text.split("-"))  # noqa: DTZ007  # a time of day
        except ValueError:
            raise ValueError("must be two times of day, e.g. '22:00-07:00', or empty") from None
        if begins == ends:
            raise ValueError("begins when it ends")
        return cls(begins, ends)

    def holds(self, time: dt.time) -> bool:
        """Whether it is night at a time of day."""
        if self.begins < self.ends:
            return self.begins <= time < self.ends
        return time >= self.begins or time < self.ends


@dataclass(frozen=True, slots=True)
class Look:
    """How the display shows a picture.

    Attributes:
        lit: It is on.
        contrast: 0 to 255.
        shift: Pixels to the right and down.
    """

    lit: bool
    contrast: int
    shift: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Care:
    """What the owner wants.

    Attributes:
        contrast: By day, 0 to 255.
        night: When the display is dimmed; None for never.
        night_contrast: At night.
        off_after_s: Seconds without anything new after which the display goes dark; 0 for never.
        shift_every_s: Seconds after which the picture moves by a pixel; 0 for never.
    """

    contrast: int = 255
    night: Night | None = None
    night_contrast: int = 0
    off_after_s: float = 0.0
    shift_every_s: float = 0.0

    def look(self, now: float, *, since: float, started: float, local: dt.time) -> Look:
        """How the display shows a picture.

        Args:
            now: Time in seconds.
            since: When something new happened last, by the same clock.
            started: When the first picture was shown.
            local: The time of day.
        """
        dim = self.night is not None and self.night.holds(local)
        place = math.floor((now - started) / self.shift_every_s) if self.shift_every_s else 0
        return Look(
            lit=not self.off_after_s or now - since < self.off_after_s,
            contrast=self.night_contrast if dim else self.contrast,
            shift=_PLACES[place % len(_PLACES)],
        )

    def next_change(self, now: float, *, since: float, started: float) -> float:
        """When the look may be another one at the latest, if nothing happens."""
        changes = [math.inf]
        if self.night is not None:
            changes.append(now + _CLOCK_S)
        if self.off_after_s and now - since < self.off_after_s:
            changes.append(since + self.off_after_s)
        if self.shift_every_s:
            changes.append(started + (math.floor((now - started) / self.shift_every_s) + 1) * self.shift_every_s)
        return min(changes)


_CLOCK_S = 30.0
"""How often the time of day is looked at."""


def shifted(picture: Image.Image, shift: tuple[int, int]) -> Image.Image:
    """A picture moved to the right and down; what leaves it there is lost."""
    if shift == (0, 0):
        return picture
    moved = Image.new(picture.mode, picture.size)
    moved.paste(picture, shift)
    return moved
