"""Chat: texts typed by viewers, and JSON of programs, become events that agents can follow."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable

from robot_node.core.events import MAX_TEXT_CHARACTERS, EventLog
from robot_node.core.rate_limit import RateLimiter
from robot_node.core.text import printable

_PER_MINUTE = 20.0
"""Sustained rate per sender: as fast as a person types."""

_AT_ONCE = 5.0


class Chat:
    """Receives texts and JSON from viewers, or from a media backend. Used from the event loop only.

    Args:
        events: Each line becomes an event of kind ``chat``, other JSON one of kind ``message``, by its sender.
        clock: Monotonic time in seconds.
    """

    def __init__(self, events: EventLog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._clock = clock
        self._limiter = RateLimiter(_PER_MINUTE, burst=_AT_ONCE)

    def receive(self, client_id: str, text: str) -> str:
        """Add a text to the events, as one line of printable characters.

        Args:
            client_id: The viewer who typed it.
            text: Of any length; it is cut to the length of an event's text.

        Returns:
            Why it was refused, for the viewer; empty when it was accepted, or had no printable character.
        """
        return self._add("chat", client_id, text)

    def receive_data(self, client_id: str, payload: object) -> str:
        """Add JSON that is meant for programs to the events, as one line.

        Args:
            client_id: The sender: a viewer, or the backend's name.
            payload: Any JSON value; its text is cut to the length of an event's text.

        Returns:
            Why it was refused, for the sender; empty when it was accepted.
        """
        return self._add("message", client_id, json.dumps(payload, separators=(",", ":"), ensure_ascii=False))

    def _add(self, kind: str, client_id: str, text: str) -> str:
        line = printable(text[:MAX_TEXT_CHARACTERS])
        if not line:
            return ""
        now = self._clock()
        if wait_s := self._limiter.wait_s(client_id, now):
            return f"Not sent: you are typing too fast. Try again in {math.ceil(wait_s)} s."
        self._limiter.take(client_id, now)
        self._events.add(kind, line, by=client_id)
        return ""
