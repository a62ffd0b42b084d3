"""What people who watch type, as events that agents can follow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from robot_node.core.events import LONGEST_TEXT, EventLog
from robot_node.core.rate_limit import RateLimiter

_PER_MINUTE = 20.0
"""Lines of one viewer in the long run: as fast as a person types."""

_AT_ONCE = 5.0


class Chat:
    """Takes what viewers type. Used from the event loop only.

    Args:
        events: Told of each line: kind ``chat``, as text nothing but that, and by which viewer.
        clock: Monotonic time in seconds.
    """

    def __init__(self, events: EventLog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._clock = clock
        self._limiter = RateLimiter(_PER_MINUTE, burst=_AT_ONCE)

    def receive(self, client_id: str, text: str) -> str:
        """Tell agents of a text, as one line without anything that isn't printable.

        Args:
            client_id: Who typed it.
            text: Of any length; what is longer than an event's text is cut.

        Returns:
            Why it was not told, for whoever typed it; empty when it was, or when there was nothing to tell.
        """
        printable = "".join(char if char.isprintable() else " " for char in text[:LONGEST_TEXT])
        line = " ".join(printable.split())
        if not line:
            return ""
        now = self._clock()
        if wait_s := self._limiter.wait_s(client_id, now):
            return f"Not told to anybody: you write too fast. Try again in {math.ceil(wait_s)} s."
        self._limiter.take(client_id, now)
        self._events.add("chat", line, by=client_id)
        return ""
