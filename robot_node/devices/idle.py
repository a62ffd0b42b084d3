"""An idle timer: calls back when a device has not been used for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Handle(Protocol):
    """Cancels a scheduled call."""

    def cancel(self) -> None:
        """Do not call."""


CallLater = Callable[[float, Callable[[], None]], Handle]
"""Schedules a call after some seconds, as an event loop does."""


class IdleTimer:
    """Calls back once after a time without a use and without a viewer, while it runs.

    Args:
        limit_s: After how many seconds; 0 for never.
        on_idle: The callback.
        call_later: Schedules the call.
    """

    def __init__(self, limit_s: float, on_idle: Callable[[], object], call_later: CallLater) -> None:
        self._limit_s = limit_s
        self._on_idle = on_idle
        self._call_later = call_later
        self._running = False
        self._watched = False
        self._timer: Handle | None = None

    @property
    def idle(self) -> bool:
        """The time has passed, and there was no use since."""
        return self._running and self._limit_s > 0 and not self._watched and self._timer is None

    def start(self) -> None:
        """Start the time."""
        self._running = True
        self.touch()

    def stop(self) -> None:
        """Stop the time; no callback until the next start."""
        self._running = False
        self._cancel()

    def set_watched(self, watched: bool) -> None:
        """Hold the timer while there is a viewer; the time restarts when the last one has left."""
        if watched != self._watched:
            self._watched = watched
            self.touch()

    def touch(self) -> None:
        """Restart the time: the device was used."""
        self._cancel()
        if self._running and not self._watched and self._limit_s > 0:
            self._timer = self._call_later(self._limit_s, self._expired)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        self._on_idle()
