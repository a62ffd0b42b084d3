"""Functions of time for animations: easing, ramps, waves and seeded random schedules. Pure.

They are stateless: the value at any time does not depend on earlier frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_MASK = (1 << 64) - 1
_SLOW_TICKS = 8
"""Steps per second of slow waves: in between, nothing needs to be drawn."""


def ease(progress: float) -> float:
    """Return the smoothstep of ``progress``, which is clamped to 0 to 1."""
    if progress <= 0:
        return 0.0
    if progress >= 1:
        return 1.0
    return progress * progress * (3 - 2 * progress)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A smooth transition of a value.

    Attributes:
        start: Initial value.
        end: Final value.
        since: Start time in seconds.
        duration: Duration in seconds.
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
        """Whether the value changes at or after a time."""
        return self.start != self.end and time < self.since + self.duration


RESTING = Ramp()
"""Constantly 0."""


def chance(seed: int, purpose: int, index: int) -> float:
    """Return a pseudo-random number from 0 to 1, determined by three integers."""
    mixed = (seed * 0x9E3779B97F4A7C15 + purpose * 0xD1B54A32D192ED03 + index * 0x8CB92BA72F3D8DD7) & _MASK
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # the finalizer of splitmix64
        mixed = ((mixed ^ mixed >> shift) * factor) & _MASK
    return (mixed ^ mixed >> 31) / _MASK


@dataclass(frozen=True, slots=True)
class Schedule:
    """Events at random intervals.

    Each event is at a random time in its own slot, so that it can be computed without the earlier ones.

    Attributes:
        seed: Seed of the face.
        purpose: Distinguishes the schedules of one face.
        shortest: Minimum seconds between two events.
        longest: Maximum seconds between two events.
    """

    seed: int
    purpose: int
    shortest: float
    longest: float

    def time_of(self, index: int) -> float:
        """Return the time of the event with that number."""
        slot, slack = (self.shortest + self.longest) / 2, (self.longest - self.shortest) / 2
        return index * slot + chance(self.seed, self.purpose, index) * slack

    def last(self, time: float) -> int:
        """Return the number of the latest event at or before a time."""
        index = math.floor(time / ((self.shortest + self.longest) / 2))
        return index if self.time_of(index) <= time else index - 1


def slow_wave(time: float, period: float) -> float:
    """Return a sine from -1 to 1, in steps of an eighth of a second."""
    return math.sin(2 * math.pi * math.floor(time * _SLOW_TICKS) / _SLOW_TICKS / period)


def next_slow_tick(time: float) -> float:
    """Return when slow waves change next."""
    return (math.floor(time * _SLOW_TICKS) + 1) / _SLOW_TICKS


def burst(time: float, length: float, every: float) -> float:
    """Return the strength, 0 to 1, of periodic bursts that swell and fade."""
    within = time % every
    if within >= length:
        return 0.0
    return math.sin(math.pi * within / length)


def blink(since: float, length: float) -> float:
    """Return how far the eyes are closed, 0 to 1, ``since`` seconds after the start of a blink."""
    closing, closed, opening = 0.07 * length, 0.03 * length, 0.15 * length
    if since < closing:
        return ease(since / closing)
    return 1 - ease((since - closing - closed) / opening)


BLINK_LENGTH = 0.25
"""Duration of a blink of length 1, in seconds."""
