"""The same error again and again becomes one line, and later one that says how often. Pure: the time is passed in."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from robot_node.logs.text import MESSAGE_CHARACTERS, bounded

_CAPACITY = 256
_KEY_CHARACTERS = 200

Key = tuple[str, ...]


@dataclass(slots=True)
class _Repeated:
    record: logging.LogRecord
    since: float
    times: int = 0
    last_created: float = 0.0


class Deduplicator:
    """Lets the first of several equal warnings or errors pass, and counts those that follow within a while.

    Two records are equal when logger, level, session, text and values are; a float among the values (a delay, a
    measurement) does not count. Less than a warning is never folded: it tells a story.

    Args:
        window_s: How long, in seconds, equal records are counted; 0 to fold nothing.
        capacity: Different ones that are remembered.
    """

    def __init__(self, window_s: float, capacity: int = _CAPACITY) -> None:
        self._window_s = window_s
        self._capacity = capacity
        self._seen: dict[Key, _Repeated] = {}  # in the order of their beginning

    @property
    def next_due(self) -> float | None:
        """When :meth:`due` will have something to say; None while nothing was folded."""
        repeated = next((entry for entry in self._seen.values() if entry.times), None)
        return None if repeated is None else repeated.since + self._window_s

    def pass_on(self, record: logging.LogRecord, now: float) -> list[logging.LogRecord]:
        """What to write because of a record: it, unless it is folded, and before it what is due.

        Args:
            record: Its attribute ``session`` is set.
            now: Monotonic time in seconds.
        """
        if not self._window_s or record.levelno < logging.WARNING:
            return [record]
        said = self.due(now)
        key = _key(record)
        if (entry := self._seen.get(key)) is not None:
            entry.times += 1
            entry.last_created = record.created
            return said
        if len(self._seen) >= self._capacity:
            said += _summary(self._seen.pop(next(iter(self._seen))), now)
        self._seen[key] = _Repeated(_without_values(record), now)
        return [*said, record]

    def due(self, now: float) -> list[logging.LogRecord]:
        """Forget what began long ago; returns a line for each that was repeated."""
        said: list[logging.LogRecord] = []
        while self._seen and (oldest := next(iter(self._seen.items())))[1].since + self._window_s <= now:
            del self._seen[oldest[0]]
            said += _summary(oldest[1], now)
        return said

    def flush(self, now: float) -> list[logging.LogRecord]:
        """Forget everything; returns a line for each that was repeated."""
        said = [line for entry in self._seen.values() for line in _summary(entry, now)]
        self._seen.clear()
        return said


def _summary(entry: _Repeated, now: float) -> Iterator[logging.LogRecord]:
    if not entry.times:
        return
    line = copy.copy(entry.record)
    line.msg = f"{line.msg} (repeated {entry.times} times within {now - entry.since:.0f} s)"
    line.created = entry.last_created
    line.msecs = int(line.created % 1 * 1000)
    line.__dict__["repeated"] = entry.times
    yield line


def _without_values(record: logging.LogRecord) -> logging.LogRecord:
    """A copy that keeps nothing alive: the values, and the frames of a traceback, may be large."""
    kept = copy.copy(record)
    kept.msg, kept.args = bounded(record.getMessage(), MESSAGE_CHARACTERS), None
    kept.exc_info = kept.exc_text = kept.stack_info = None
    return kept


def _key(record: logging.LogRecord) -> Key:
    values = record.args if isinstance(record.args, tuple) else (record.args,)
    shown = [str(value)[:_KEY_CHARACTERS] for value in values if not isinstance(value, float)]
    error = record.exc_info[1] if record.exc_info else None
    return (
        record.name,
        record.levelname,
        str(getattr(record, "session", "")),
        str(record.msg)[:MESSAGE_CHARACTERS],
        *shown,
        "" if error is None else f"{type(error).__name__} {error}"[:_KEY_CHARACTERS],
    )
