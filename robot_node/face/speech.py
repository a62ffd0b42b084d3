"""How loud the robot speaks at any time, from samples of the level of what it plays. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from robot_node.face.timing import RESTING, Ramp, ease

_HOLD = 0.2
"""Seconds after the last sample in which the mouth is still a speaking one: pauses between words are as short."""

_FADE = 0.2
_RISE = 0.1
_RELEASE = 0.12
_STEPS = 8
_SAMPLES = 2000
"""Samples kept; a minute and more of speech that is known in advance."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What is known of the speech being played.

    Attributes:
        samples: Times in seconds, in order, each with a level from 0 to 1.
        rise: How the mouth became a speaking one.
    """

    samples: tuple[tuple[float, float], ...] = ()
    rise: Ramp = RESTING

    def heard(self, samples: Iterable[tuple[float, float]]) -> Speech:
        """Return what is known after some more samples; what is not later than the last one is ignored."""
        known = self
        for time, level in samples:
            if not math.isfinite(time) or (known.samples and time <= known.samples[-1][0]):
                continue
            rise = known.rise
            if not known.samples or time > known.samples[-1][0] + _HOLD:
                rise = Ramp(known.presence(time), 1.0, time, _RISE)
            loud = max(0.0, min(1.0, level)) if math.isfinite(level) else 0.0
            known = Speech((*known.samples, (time, loud)), rise)
        return known if len(known.samples) <= _SAMPLES else replace(known, samples=known.samples[-_SAMPLES:])

    def hushed(self, time: float) -> Speech:
        """Return what is known when nothing more is played from a time on."""
        kept = tuple(sample for sample in self.samples if sample[0] <= time)
        return replace(self, samples=kept) if kept else Speech()

    def presence(self, time: float) -> float:
        """Return how much of a speaking mouth is seen, 0 to 1."""
        if not self.samples:
            return 0.0
        return self.rise.at(time) * (1 - ease((time - self.samples[-1][0] - _HOLD) / _FADE))

    def level(self, time: float) -> float:
        """Return the loudness, 0 to 1, in steps that can be seen."""
        later = bisect_right(self.samples, time, key=lambda sample: sample[0])
        if later == 0:
            return 0.0
        before, level = self.samples[later - 1]
        if later < len(self.samples) and self.samples[later][0] - before <= _HOLD:
            after, following = self.samples[later]
            level += (following - level) * (time - before) / (after - before)
        else:
            level *= max(0.0, 1 - (time - before) / _RELEASE)
        return round(level * _STEPS) / _STEPS

    def next_change(self, time: float) -> float:
        """Return when the mouth may begin to move: ``time`` itself while it does, infinity when it will not."""
        if not self.samples or time >= self.samples[-1][0] + _HOLD + _FADE:
            return math.inf
        return max(time, self.rise.since)
