"""Notices that nobody has looked for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Handle(Protocol):
    """What a scheduled call can be cancelled with."""

    def cancel(self) -> None:
        """Do not call."""


class IdleTimer:
    """Calls once when, while it runs, nobody watches and nobody has looked for some time.

    Args:
        limit_s: After how many seconds; 0 for never.
        on_idle: What to call.
        call_later: Schedules a call, as an event loop does.
    """

    def __init__(
        self,
        limit_s: float,
        on_idle: Callable[[], object],
        call_later: Callable[[float, Callable[[], None]], Handle],
    ) -> None:
        self._limit_s = limit_s
        self._on_idle = on_idle
        self._call_later = call_later
        self._running = False
        self._watched = False
        self._timer: Handle | None = None

    @property
    def idle(self) -> bool:
        """Time is up, and nobody has looked since."""
        return self._running and self._limit_s > 0 and not self._watched and self._timer is None

    def start(self) -> None:
        """Count from now on."""
        self._running = True
        self.looked()

    def stop(self) -> None:
        """Count no more."""
        self._running = False
        self._cancel()

    def set_watched(self, watched: bool) -> None:
        """Somebody watches, or nobody does any more."""
        if watched != self._watched:
            self._watched = watched
            self.looked()

    def looked(self) -> None:
        """Somebody has looked just now."""
        self._cancel()
        if self._running and not self._watched and self._limit_s > 0:
            self._timer = self._call_later(self._limit_s, self._time_is_up)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        self._timer = None
        self._on_idle()
