"""Deduplicates repeated warnings and errors: one line, later a second one with the count. Pure: time is passed in."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from robot_node.core.text import LINE_CHARACTERS, bounded

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
    """Passes the first of several equal warnings or errors, and counts those that follow within a time window.

    Records are equal if logger, level, session, message and arguments are; float arguments (a delay, a measurement) are
    ignored. Records below WARNING are never deduplicated: their sequence matters.

    Args:
        window_s: Time window in seconds; 0 disables deduplication.
        capacity: Number of different records that are remembered; the oldest is evicted.
    """

    def __init__(self, window_s: float, capacity: int = _CAPACITY) -> None:
        self._window_s = window_s
        self._capacity = capacity
        self._seen: dict[Key, _Repeated] = {}  # oldest first

    @property
    def next_due(self) -> float | None:
        """When :meth:`due` returns the next summary; None while there is no repetition."""
        repeated = next((entry for entry in self._seen.values() if entry.times), None)
        return None if repeated is None else repeated.since + self._window_s

    def filter(self, record: logging.LogRecord, now: float) -> list[logging.LogRecord]:
        """Return the records to write: summaries that are due, and this one unless it is a repetition.

        Args:
            record: A record whose attribute ``session`` is set.
            now: Monotonic time in seconds.
        """
        if not self._window_s or record.levelno < logging.WARNING:
            return [record]
        output = self.due(now)
        key = _key(record)
        if (entry := self._seen.get(key)) is not None:
            entry.times += 1
            entry.last_created = record.created
            return output
        if len(self._seen) >= self._capacity:
            output += _summary(self._seen.pop(next(iter(self._seen))), now)
        self._seen[key] = _Repeated(_without_values(record), now)
        return [*output, record]

    def due(self, now: float) -> list[logging.LogRecord]:
        """Remove entries whose time window has passed; return a summary for each that was repeated."""
        output: list[logging.LogRecord] = []
        while self._seen and (oldest := next(iter(self._seen.items())))[1].since + self._window_s <= now:
            del self._seen[oldest[0]]
            output += _summary(oldest[1], now)
        return output

    def flush(self, now: float) -> list[logging.LogRecord]:
        """Remove all entries; return a summary for each that was repeated."""
        output = [line for entry in self._seen.values() for line in _summary(entry, now)]
        self._seen.clear()
        return output


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
    """Return a copy without references to arguments and traceback frames, which may be large."""
    plain = copy.copy(record)
    plain.msg, plain.args = bounded(record.getMessage(), LINE_CHARACTERS), None
    plain.exc_info = plain.exc_text = plain.stack_info = None
    return plain


def _key(record: logging.LogRecord) -> Key:
    values = record.args if isinstance(record.args, tuple) else (record.args,)
    shown = [str(value)[:_KEY_CHARACTERS] for value in values if not isinstance(value, float)]
    error = record.exc_info[1] if record.exc_info else None
    return (
        record.name,
        record.levelname,
        str(getattr(record, "session", "")),
        str(record.msg)[:LINE_CHARACTERS],
        *shown,
        "" if error is None else f"{type(error).__name__} {error}"[:_KEY_CHARACTERS],
    )
