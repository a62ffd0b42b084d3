"""Who gets what a person says next: an agent that listens, and then no model."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator

from robot_node.core.events import Event, EventLog

HEARD = "heard"
"""Kind of the events that have what was understood."""

TRANSCRIBED = "transcription_model"
"""Detail of a ``heard`` event: the model that understood it, which has heard it itself. No agent waits for such a text:
it comes later than it was said, and what is said while an agent waits goes to no model."""

_REMEMBERED = 64
"""Events that were claimed: more than may wait to be looked at."""


class TurnClaims:
    """Agents that wait for what a person says next. Used from the event loop only.

    Args:
        events: Get what is understood.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._waiting: set[object] = set()
        self._listeners: list[Callable[[], None]] = []
        self._taken: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def is_claimed(self) -> bool:
        """Whether an agent waits: what is said now is for it."""
        return bool(self._waiting)

    def was_claimed(self, sequence: int) -> bool:
        """Return whether the event of that number was for an agent.

        To be called when all listeners of the event have been.
        """
        return sequence in self._taken

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` whenever an agent begins to wait, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Claim what is understood next; until then, or until the block is left."""
        claim = object()

        def on_event(event: Event) -> None:
            if claim in self._waiting and is_speech(event):
                self._waiting.remove(claim)
                self._taken.append(event.sequence)

        self._waiting.add(claim)
        for listener in tuple(self._listeners):
            listener()
        stop = self._events.listen(on_event)
        try:
            yield
        finally:
            stop()
            self._waiting.discard(claim)


def is_speech(event: Event) -> bool:
    """Return whether the event has what the robot itself understood a person to say."""
    return event.kind == HEARD and TRANSCRIBED not in event.details
