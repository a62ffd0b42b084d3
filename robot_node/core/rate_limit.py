"""Rate limits: a token bucket, and one for each of many keys. Pure: the time is passed in.

Every ``now`` is in seconds, of one clock that never goes back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

_MAX_KEYS = 4096
# Filling a bucket has rounding errors: a caller that waited for the announced time must get through.
_ONE = 1 - 1e-9


class TokenBucket:
    """A token bucket, full at first.

    Args:
        per_s: Events per second in the long run; more than 0.
        burst: Events that may come at once; at least 1.
        now: The time.
    """

    __slots__ = ("_burst", "_filled_at", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = self._tokens = burst
        self._filled_at = now

    def wait_s(self, now: float) -> float:
        """Seconds until an event is allowed; 0 when it is now."""
        self._fill(now)
        return 0.0 if self._tokens >= _ONE else (1 - self._tokens) / self._per_s

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Count an event; return False, without counting it, when it exceeds the limit.

        Args:
            now: The time.
            tokens: What it costs, e.g. bytes; never allowed when it is more than the burst.
        """
        self._fill(now)
        if self._tokens < tokens * _ONE:
            return False
        self._tokens = max(0.0, self._tokens - tokens)
        return True

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_s)
        self._filled_at = now


class RateLimiter:
    """A token bucket for each key, e.g. for each client.

    Args:
        per_minute: Events of one key in the long run.
        burst: Events that may come at once; ten seconds' worth by default, at least one.
        max_keys: Keys that are remembered; beyond, the least recently used one is forgotten.
    """

    def __init__(self, per_minute: float, *, burst: float | None = None, max_keys: int = _MAX_KEYS) -> None:
        self._per_s = per_minute / 60
        # An agent works in bursts, and then thinks.
        self._burst = max(1.0, per_minute / 6) if burst is None else burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, key: Hashable, now: float) -> float:
        """Seconds until an event of this key is allowed; 0 when it is now."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else bucket.wait_s(now)

    def take(self, key: Hashable, now: float) -> bool:
        """Count an event of this key; return False, without counting it, when it exceeds the limit."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._per_s, self._burst, now)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)
