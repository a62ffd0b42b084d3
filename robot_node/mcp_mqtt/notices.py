"""Log lines that strangers can cause: rate-limited by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from robot_node.core.rate_limit import TokenBucket


@dataclass(slots=True)
class _Kind:
    bucket: TokenBucket
    withheld: int = 0


class Notices:
    """Logs the first few lines of each kind, then one per interval with the number of suppressed ones.

    Args:
        log: Writes a line.
        now: The time, in seconds.
        burst: Lines of one kind that pass at once.
        interval_s: Seconds after which another one may pass.
    """

    def __init__(
        self, log: Callable[[str], None], now: Callable[[], float], *, burst: int = 5, interval_s: float = 10.0
    ) -> None:
        self._log = log
        self._now = now
        self._burst = burst
        self._interval_s = interval_s
        self._kinds: dict[str, _Kind] = {}

    def note(self, kind: str, text: str) -> None:
        """Log ``text``, or count it.

        Args:
            kind: One of a small set: each kind takes memory.
            text: The line.
        """
        now = self._now()
        state = self._kinds.get(kind)
        if state is None:
            state = self._kinds[kind] = _Kind(TokenBucket(1 / self._interval_s, self._burst, now))
        if not state.bucket.take(now):
            state.withheld += 1
            return
        self._log(f"{text} ({state.withheld} more of this kind were not logged.)" if state.withheld else text)
        state.withheld = 0
