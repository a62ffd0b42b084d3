"""What stands before the handler that writes: folds repeated errors, and lets through so many lines a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from robot_node.core.rate_limit import TokenBucket
from robot_node.logs.deduplication import Deduplicator
from robot_node.logs.formats import note_session

# A start, or a session that begins, says much at once.
_BURST_S = 4.0
_SUMMARY_AFTER_S = 5.0
# In a flood, a line passes now and then: it must not bring a summary with it each time.
_SUMMARY_EVERY_S = 1.0

CallLater = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls a function after that many seconds; what it returns prevents it."""


def _call_later(delay_s: float, function: Callable[[], None]) -> Callable[[], None]:
    # A thread, and only while there is something to tell: records come from any thread, and not every command has
    # an event loop.
    timer = threading.Timer(delay_s, function)
    timer.name, timer.daemon = "log", True
    timer.start()
    return timer.cancel


class RateLimitedHandler(logging.Handler):
    """Passes records on to a handler that writes them, and closes it.

    Errors have an allowance of their own: no flood of lesser lines can hide them.

    Args:
        target: Writes.
        fold_s: How long equal errors are counted before it is told how often; 0 to fold nothing.
        lines_per_s: Of errors, and of all others together; 0 for any number.
        clock: Monotonic time in seconds.
        call_later: How to be called when nothing is logged any more and something is still to be told.
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
        self.addFilter(note_session)
        self._target = target
        self._clock = clock
        self._call_later = call_later
        self._lines_per_s = lines_per_s
        self._folding = Deduplicator(fold_s)
        self._errors, self._others = self._new_bucket(), self._new_bucket()
        self._left_out = 0
        self._next_summary = clock()
        self._cancel_timer: Callable[[], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it."""
        try:
            self._write(self._folding.pass_on(record, self._clock()))
        except Exception:  # noqa: BLE001  # logging's rule: what is wrong with a record never reaches who logs it
            self.handleError(record)

    def flush(self) -> None:
        """Write what was only counted so far. Called at the end of the process too."""
        with self._locked():
            self._stop_timer()
            self._write(self._folding.flush(self._clock()))
            self._tell_left_out()
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
                self._left_out += 1
                continue
            if now >= self._next_summary:
                self._tell_left_out()
            self._target.handle(record)
        if self._cancel_timer is None and (delay_s := self._delay_s()) is not None:
            self._cancel_timer = self._call_later(delay_s, self._tell_what_is_due)

    def _new_bucket(self) -> TokenBucket | None:
        per_s = self._lines_per_s
        return TokenBucket(per_s, max(1.0, per_s * _BURST_S), self._clock()) if per_s else None

    def _delay_s(self) -> float | None:
        due = self._folding.next_due
        delay_s = None if due is None else max(0.0, due - self._clock())
        if self._left_out:
            return _SUMMARY_AFTER_S if delay_s is None else min(delay_s, _SUMMARY_AFTER_S)
        return delay_s

    def _tell_what_is_due(self) -> None:
        with self._locked():
            if self._cancel_timer is None:
                return  # flushed meanwhile
            self._cancel_timer = None
            self._tell_left_out()
            self._write(self._folding.due(self._clock()))

    def _tell_left_out(self) -> None:
        if not self._left_out:
            return
        text = f"{self._left_out} lines were left out: there were more than {self._lines_per_s:g} a second."
        self._left_out = 0
        self._next_summary = self._clock() + _SUMMARY_EVERY_S
        self._target.handle(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None))

    def _stop_timer(self) -> None:
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None

    def _locked(self) -> threading.RLock:
        if self.lock is None:
            raise RuntimeError("This handler has no lock.")
        return self.lock
