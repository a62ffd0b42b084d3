"""Contrast, power and pixel shift of the display: dimmed at night, off when idle, without burn-in. Pure."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from PIL import Image

_SHIFTS = ((0, 0), (1, 0), (1, 1), (0, 1))
"""Positions of the picture in turn, in pixels to the right and down."""


@dataclass(frozen=True, slots=True)
class Night:
    """A period of the day, which may include midnight.

    Attributes:
        start: Local time of its start.
        end: Local time of its end.
    """

    start: dt.time
    end: dt.time

    @classmethod
    def parse(cls, text: str) -> Night:
        """Parse ``"22:00-07:00"``.

        Raises:
            ValueError: The format is different, or both times are equal.
        """
        try:
            start, end = (dt.datetime.strptime(part.strip(), "%H:%M").time() for part in text.split("-"))  # noqa: DTZ007  # a time of day
        except ValueError:
            raise ValueError("must be two times of day, e.g. '22:00-07:00', or empty") from None
        if start == end:
            raise ValueError("start and end are equal")
        return cls(start, end)

    def contains(self, time: dt.time) -> bool:
        """Whether a time of day is in the period."""
        if self.start < self.end:
            return self.start <= time < self.end
        return time >= self.start or time < self.end


@dataclass(frozen=True, slots=True)
class DisplayState:
    """State of the display.

    Attributes:
        on: Whether the display is on.
        contrast: Contrast, 0 to 255.
        shift: Offset of the picture, in pixels to the right and down.
    """

    on: bool
    contrast: int
    shift: tuple[int, int]


@dataclass(frozen=True, slots=True)
class DisplayPolicy:
    """Settings of contrast, power and pixel shift.

    Attributes:
        contrast: Contrast by day, 0 to 255.
        night: Period in which the display is dimmed; None for never.
        night_contrast: Contrast at night, 0 to 255.
        off_after_s: Idle time in seconds after which the display is switched off; 0 for never.
        shift_every_s: Seconds after which the picture is shifted by a pixel; 0 for never.
    """

    contrast: int = 255
    night: Night | None = None
    night_contrast: int = 0
    off_after_s: float = 0.0
    shift_every_s: float = 0.0

    def state_at(self, now: float, *, active_at: float, started_at: float, local: dt.time) -> DisplayState:
        """Return the state of the display.

        Args:
            now: Time in seconds.
            active_at: When the display's content changed last.
            started_at: When the first picture was shown.
            local: Local time of day.
        """
        dim = self.night is not None and self.night.contains(local)
        turn = math.floor((now - started_at) / self.shift_every_s) if self.shift_every_s else 0
        return DisplayState(
            on=not self.off_after_s or now - active_at < self.off_after_s,
            contrast=self.night_contrast if dim else self.contrast,
            shift=_SHIFTS[turn % len(_SHIFTS)],
        )

    def next_change(self, now: float, *, active_at: float, started_at: float) -> float:
        """Return when the state may change next while the content stays the same."""
        changes = [math.inf]
        if self.night is not None:
            changes.append(now + _CLOCK_S)
        if self.off_after_s and now - active_at < self.off_after_s:
            changes.append(active_at + self.off_after_s)
        if self.shift_every_s:
            changes.append(started_at + (math.floor((now - started_at) / self.shift_every_s) + 1) * self.shift_every_s)
        return min(changes)


_CLOCK_S = 30.0
"""Interval of checking the time of day."""


def shifted(picture: Image.Image, shift: tuple[int, int]) -> Image.Image:
    """Return a picture shifted to the right and down, cropped at its borders."""
    if shift == (0, 0):
        return picture
    moved = Image.new(picture.mode, picture.size)
    moved.paste(picture, shift)
    return moved
