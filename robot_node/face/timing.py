"""Time functions that an animation is made of: easing, ramps, waves and seeded schedules. Pure.

All of them give the value at any time at once: nothing is remembered from frame to frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_MASK = (1 << 64) - 1
_SLOW_TICKS = 8
"""Slow waves take a new value this often in a second: in between, nothing needs to be drawn."""


def ease(progress: float) -> float:
    """Return how far something has come that sets off and arrives gently; ``progress`` is cut to 0 to 1."""
    if progress <= 0:
        return 0.0
    if progress >= 1:
        return 1.0
    return progress * progress * (3 - 2 * progress)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A value that goes gently from one level to another.

    Attributes:
        start: The level before.
        end: The level afterwards.
        since: When it begins to move, in seconds.
        duration: Seconds that it takes.
    """

    start: float = 0.0
    end: float = 0.0
    since: float = 0.0
    duration: float = 0.2

    def at(self, time: float) -> float:
        """Return the value at a time."""
        if self.start == self.end:
            return self.end
        return self.start + (self.end - self.start) * ease((time - self.since) / self.duration)

    def moves(self, time: float) -> bool:
        """Tell whether the value changes at or after a time."""
        return self.start != self.end and time < self.since + self.duration


RESTING = Ramp()
"""Stays at 0."""


def chance(seed: int, purpose: int, index: int) -> float:
    """Return a number from 0 to 1 that looks random and is always the same for the same three integers."""
    mixed = (seed * 0x9E3779B97F4A7C15 + purpose * 0xD1B54A32D192ED03 + index * 0x8CB92BA72F3D8DD7) & _MASK
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # as splitmix64 finishes
        mixed = ((mixed ^ mixed >> shift) * factor) & _MASK
    return (mixed ^ mixed >> 31) / _MASK


@dataclass(frozen=True, slots=True)
class Schedule:
    """Events at random intervals.

    Each event falls somewhere in the middle of a slot of its own, so that any of them is known without those before.

    Attributes:
        seed: Of the face.
        purpose: A number that tells schedules of one face apart.
        shortest: Seconds between two events, at least.
        longest: Seconds between two events, at most.
    """

    seed: int
    purpose: int
    shortest: float
    longest: float

    def time_of(self, index: int) -> float:
        """Return when the event of that number happens."""
        slot, slack = (self.shortest + self.longest) / 2, (self.longest - self.shortest) / 2
        return index * slot + chance(self.seed, self.purpose, index) * slack

    def last(self, time: float) -> int:
        """Return the number of the latest event that is not after a time."""
        index = math.floor(time / ((self.shortest + self.longest) / 2))
        return index if self.time_of(index) <= time else index - 1


def slow_wave(time: float, period: float) -> float:
    """Return a sine from -1 to 1 that holds each value for a moment."""
    return math.sin(2 * math.pi * math.floor(time * _SLOW_TICKS) / _SLOW_TICKS / period)


def next_slow_tick(time: float) -> float:
    """Return when slow waves take their next value."""
    return (math.floor(time * _SLOW_TICKS) + 1) / _SLOW_TICKS


def burst(time: float, length: float, every: float) -> float:
    """Return the strength, 0 to 1, of something that comes in bursts: swelling, and fading away."""
    within = time % every
    if within >= length:
        return 0.0
    return math.sin(math.pi * within / length)


def blink(since: float, length: float) -> float:
    """Return how far the eyes are closed ``since`` seconds after a blink began; they close faster than they open."""
    closing, closed, opening = 0.07 * length, 0.03 * length, 0.15 * length
    if since < closing:
        return ease(since / closing)
    return 1 - ease((since - closing - closed) / opening)


BLINK_LENGTH = 0.25
"""Seconds of a blink of length 1."""
