"""Growing, jittered delays between attempts, and a budget of restarts. Pure: the time is passed in."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

MOST_CRASHES = 10
"""Crashes of one service within :data:`WINDOW_S` that end the process."""

WINDOW_S = 600.0
STABLE_AFTER_S = 60.0
"""Time without a crash after which a service counts as recovered."""


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
        """Return the next delay: doubles up to the maximum, with a jitter of a quarter."""
        delay = min(self.maximum_s, self.initial_s * 2.0 ** min(self._attempt, 16))
        self._attempt += 1
        return delay * self.random.uniform(0.75, 1.0)

    def reset(self) -> None:
        """Reset to the shortest delay."""
        self._attempt = 0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Policy for restarts of a crashed service.

    Attributes:
        initial_s: Delay after the first crash, in seconds; doubles each time, and varies by a quarter.
        maximum_s: Longest delay.
        stable_after_s: After running so long, a service works again: the next delay is the first again.
        most_crashes: That many within ``window_s`` are one too many, however long it ran in between.
        window_s: In seconds.
    """

    initial_s: float = 1.0
    maximum_s: float = 30.0
    stable_after_s: float = STABLE_AFTER_S
    most_crashes: int = MOST_CRASHES
    window_s: float = WINDOW_S


@dataclass(slots=True)
class Crashes:
    """The crashes of one service, and the resulting restarts.

    Attributes:
        policy: When it is started again.
        random: Where the jitter of the delays comes from.
    """

    policy: RestartPolicy = RestartPolicy()
    random: random.Random = field(default_factory=random.Random)
    _backoff: Backoff = field(init=False)
    _times: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.policy.initial_s, self.policy.maximum_s, random=self.random)
        self._times = deque(maxlen=self.policy.most_crashes)

    def next_delay(self, *, began: float, now: float, counted: bool = True) -> float | None:
        """Record a crash; return the seconds until the next start, or None if it crashes too often.

        Args:
            began: When the service was started, in seconds of a monotonic clock.
            now: When it crashed, by the same clock.
            counted: It is one of those of which there may be too many.
        """
        if now - began >= self.policy.stable_after_s:
            self._backoff.reset()
        if counted:
            self._times.append(now)
            if len(self._times) == self.policy.most_crashes and now - self._times[0] < self.policy.window_s:
                return None
        return self._backoff.next_delay()
