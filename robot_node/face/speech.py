"""Loudness of the robot's speech over time, from samples of the played sound. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from robot_node.face.timing import RESTING, Ramp, ease

_HOLD = 0.2
"""Seconds after the last sample for which the mouth keeps speaking: the length of pauses between words."""

_FADE = 0.2
_RISE = 0.1
_RELEASE = 0.12
_STEPS = 8
_SAMPLES = 2000
"""Maximum number of samples: more than a minute of speech that is known in advance."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Samples of the speech being played.

    Attributes:
        samples: Pairs of time in seconds and level from 0 to 1, in order of time.
        rise: Transition to the speaking mouth.
    """

    samples: tuple[tuple[float, float], ...] = ()
    rise: Ramp = RESTING

    def with_samples(self, samples: Iterable[tuple[float, float]]) -> Speech:
        """Return the speech with more samples; those that are not later than the last one are ignored."""
        speech = self
        for time, level in samples:
            if not math.isfinite(time) or (speech.samples and time <= speech.samples[-1][0]):
                continue
            rise = speech.rise
            if not speech.samples or time > speech.samples[-1][0] + _HOLD:
                rise = Ramp(speech.presence(time), 1.0, time, _RISE)
            loud = max(0.0, min(1.0, level)) if math.isfinite(level) else 0.0
            speech = Speech((*speech.samples, (time, loud)), rise)
        return speech if len(speech.samples) <= _SAMPLES else replace(speech, samples=speech.samples[-_SAMPLES:])

    def stopped_at(self, time: float) -> Speech:
        """Return the speech without the samples after a time."""
        remaining = tuple(sample for sample in self.samples if sample[0] <= time)
        return replace(self, samples=remaining) if remaining else Speech()

    def presence(self, time: float) -> float:
        """Return the weight of the speaking mouth, 0 to 1."""
        if not self.samples:
            return 0.0
        return self.rise.at(time) * (1 - ease((time - self.samples[-1][0] - _HOLD) / _FADE))

    def level(self, time: float) -> float:
        """Return the loudness, 0 to 1, in visible steps."""
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
        """Return when the mouth moves next: ``time`` itself while it moves, infinity if it does not."""
        if not self.samples or time >= self.samples[-1][0] + _HOLD + _FADE:
            return math.inf
        return max(time, self.rise.since)
