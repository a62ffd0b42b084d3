"""Growing, jittered delays between attempts."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Growing, jittered delays between attempts, e.g. to connect.

    Attributes:
        initial_s: First delay, in seconds.
        maximum_s: Longest delay, in seconds.
        stable_after_s: After a success that lasted this long, in seconds, delays begin with the first again.
        random: Where the jitter comes from.
    """

    initial_s: float = 1.0
    maximum_s: float = 30.0
    stable_after_s: float = 10.0
    random: random.Random = field(default_factory=random.Random)
    _attempt: int = field(default=0, init=False)

    def next_delay(self) -> float:
        """The next delay: doubles up to the maximum, then varies by a quarter so that a fleet spreads out."""
        delay = min(self.maximum_s, self.initial_s * 2.0 ** min(self._attempt, 16))
        self._attempt += 1
        return delay * self.random.uniform(0.75, 1.0)

    def reset(self) -> None:
        """Begin again with the shortest delay."""
        self._attempt = 0
