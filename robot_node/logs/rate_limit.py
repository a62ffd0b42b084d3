"""A logging handler that deduplicates repeated errors and limits the rate."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable

from robot_node.core.rate_limit import TokenBucket
from robot_node.logs.deduplication import Deduplicator
from robot_node.logs.formats import add_session

# The start of the robot, or of a session, logs many lines at once.
_BURST_S = 4.0
_SUMMARY_AFTER_S = 5.0
# In a flood, a line passes now and then: it must not bring a summary with it each time.
_SUMMARY_EVERY_S = 1.0

CallLater = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls a function after a delay in seconds; returns a function that cancels the call."""


def _call_later(delay_s: float, function: Callable[[], None]) -> Callable[[], None]:
    # A thread: records come from any thread, and not every command has an event loop.
    timer = threading.Timer(delay_s, function)
    timer.name, timer.daemon = "log", True
    try:
        timer.start()
    except RuntimeError:  # no more threads: what is pending is written with the next record, or at the end
        return lambda: None
    return timer.cancel


class RateLimitedHandler(logging.Handler):
    """Passes records to another handler, without repetitions and not faster than a rate limit.

    Errors have their own rate limit, so that a flood of other lines cannot displace them. Records that cannot be
    written (a full disk, no descriptors left) are counted; the next one that is written is followed by their number.

    Args:
        target: Handler that writes the records, and raises what prevents it; it is closed with this one.
        fold_s: Time window for counting repeated warnings and errors, in seconds; 0 disables deduplication.
        lines_per_s: Rate limit for errors, and for all other records together; 0 for no limit.
        clock: Returns monotonic time in seconds.
        call_later: Calls a function later, to write pending summaries when nothing else is logged.
    """

    def __init__(
        self,
        target: logging.Handler,
        *,
        fold_s: float,
        lines_per_s: float,
        clock: Callable[[], float] = time.monotonic,
        call_later: CallLater = _call_later,
    ) -> None:
        super().__init__()
        self.addFilter(add_session)
        self._target = target
        self._clock = clock
        self._call_later = call_later
        self._lines_per_s = lines_per_s
        self._deduplicator = Deduplicator(fold_s)
        self._errors, self._others = self._new_bucket(), self._new_bucket()
        self._dropped = 0
        self._unwritten, self._write_error = 0, ""
        self._next_summary = clock()
        self._cancel_timer: Callable[[], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it if it is a repetition or over the limit."""
        try:
            records = self._deduplicator.filter(record, self._clock())
        except Exception as error:  # noqa: BLE001  # an error in logging must not reach the caller: wrong arguments
            self._count_unwritten(record, error)
            records = []
        self._write(records)

    def flush(self) -> None:
        """Write all pending summaries. Also called at the end of the process."""
        with self._locked():
            self._stop_timer()
            self._write(self._deduplicator.flush(self._clock()))
            self._log_dropped()
            with contextlib.suppress(OSError, ValueError):  # a stream that is full or closed
                self._log_unwritten()
                self._target.flush()

    def close(self) -> None:
        """Flush, and close the target."""
        self.flush()
        self._target.close()
        super().close()

    def _write(self, records: Iterable[logging.LogRecord]) -> None:
        for record in records:
            bucket = self._errors if record.levelno >= logging.ERROR else self._others
            now = self._clock()
            if bucket is not None and not bucket.take(now):
                self._dropped += 1
                continue
            if now >= self._next_summary:
                self._log_dropped()
            self._pass_on(record)
        if self._cancel_timer is None and (delay_s := self._delay_s()) is not None:
            self._cancel_timer = self._call_later(delay_s, self._write_due)

    def _new_bucket(self) -> TokenBucket | None:
        per_s = self._lines_per_s
        return TokenBucket(per_s, max(1.0, per_s * _BURST_S), self._clock()) if per_s else None

    def _delay_s(self) -> float | None:
        due = self._deduplicator.next_due
        delay_s = None if due is None else max(0.0, due - self._clock())
        if self._dropped:
            return _SUMMARY_AFTER_S if delay_s is None else min(delay_s, _SUMMARY_AFTER_S)
        return delay_s

    def _write_due(self) -> None:
        with self._locked():
            if self._cancel_timer is None:
                return  # flushed meanwhile
            self._cancel_timer = None
            self._log_dropped()
            self._write(self._deduplicator.due(self._clock()))

    def _log_dropped(self) -> None:
        if not self._dropped:
            return
        text = f"{self._dropped} lines were dropped: more than {self._lines_per_s:g} per second."
        self._dropped = 0
        self._next_summary = self._clock() + _SUMMARY_EVERY_S
        self._pass_on(_warning(text))

    def _pass_on(self, record: logging.LogRecord) -> None:
        try:
            self._target.handle(record)
            self._log_unwritten()
        except Exception as error:  # noqa: BLE001  # an error in logging must not reach the caller
            self._count_unwritten(record, error)

    def _log_unwritten(self) -> None:
        if self._unwritten:
            self._target.handle(_warning(f"{self._unwritten} lines could not be written: {self._write_error}."))
            self._unwritten = 0

    def _count_unwritten(self, record: logging.LogRecord, error: Exception) -> None:
        self._unwritten += 1
        self._write_error = f"{type(error).__name__}: {error} (the last one: {record.filename}:{record.lineno})"

    def _stop_timer(self) -> None:
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None

    def _locked(self) -> threading.RLock:
        if self.lock is None:
            raise RuntimeError("This handler has no lock.")
        return self.lock


def _warning(text: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
