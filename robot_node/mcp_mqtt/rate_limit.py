"""How often somebody may do something: token buckets, bounded in number. Pure; the time is passed in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Hashable, Mapping
from dataclasses import dataclass

_MAX_KEYS = 4096
# Ten seconds' worth may come at once: an agent works in bursts, and then thinks.
_BURST_MINUTES = 1 / 6


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Counts events per key, e.g. per client.

    Every ``now`` is in seconds, of one clock that never goes back.

    Args:
        per_minute: Events of one key in the long run.
        burst: Events that may come at once; ten seconds' worth by default, at least one.
        max_keys: Keys that are remembered; beyond, the one that was quiet for longest is forgotten.
    """

    def __init__(self, per_minute: float, *, burst: float | None = None, max_keys: int = _MAX_KEYS) -> None:
        self._per_second = per_minute / 60
        self._burst = max(1.0, per_minute * _BURST_MINUTES) if burst is None else burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, key: Hashable, now: float) -> float:
        """Seconds until an event of this key is allowed; 0 when it is now."""
        tokens = self._tokens(key, now)
        # What floating point loses in filling up must not cost a caller that waited for as long as it was told.
        return 0.0 if tokens >= 1 - 1e-9 else (1 - tokens) / self._per_second

    def count(self, key: Hashable, now: float) -> None:
        """Count an event of this key."""
        self._buckets[key] = _Bucket(max(0.0, self._tokens(key, now) - 1), now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)

    def _tokens(self, key: Hashable, now: float) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return self._burst
        return min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._per_second)


class CallLimits:
    """How often a client may call tools: all of them together, and single ones.

    Args:
        per_minute: Calls of one client; 0 for no limit.
        per_tool: Calls of one client by the tool's name; 0 for no limit.
        free: Tools whose calls do not count towards ``per_minute``, and are not refused because of it.
    """

    def __init__(
        self, per_minute: float = 0, per_tool: Mapping[str, float] | None = None, *, free: Container[str] = ()
    ) -> None:
        self._free = free
        self._all = RateLimiter(per_minute) if per_minute else None
        self._tools = {tool: RateLimiter(limit) for tool, limit in (per_tool or {}).items() if limit}

    def __bool__(self) -> bool:
        return self._all is not None or bool(self._tools)

    def wait_s(self, client_id: str, tool: str, now: float) -> float:
        """Seconds after which a call may be made; 0 when it may be made now."""
        return max((limiter.wait_s(client_id, now) for limiter in self._limiters(tool)), default=0.0)

    def take(self, client_id: str, tool: str, now: float) -> float:
        """Count a call, unless it is one too many.

        Returns:
            As :meth:`wait_s`; when it isn't 0, nothing was counted.
        """
        wait_s = self.wait_s(client_id, tool, now)
        if not wait_s:
            for limiter in self._limiters(tool):
                limiter.count(client_id, now)
        return wait_s

    def _limiters(self, tool: str) -> list[RateLimiter]:
        of_all = None if tool in self._free else self._all
        return [limiter for limiter in (of_all, self._tools.get(tool)) if limiter is not None]
