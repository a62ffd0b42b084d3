"""Which sessions have been silent for too long. Pure: the time is passed in.

Times are seconds of a clock that never goes back.
A client that dies has a will, which ends its session. This is for those without one.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from robot_node.mcp_mqtt.options import ServerLimits

Session = TypeVar("Session")


class Verdict(enum.Enum):
    """What a silent session has come to."""

    ASK = "ask"
    """It is time to send a ping."""
    GONE = "gone"
    """The ping was not answered."""
    IDLE = "idle"
    """The client cannot be asked, and was silent for as long as it may be."""


class Liveness(Generic[Session]):
    """The silence of all sessions. Hearing from one costs the same however many there are.

    Args:
        limits: How long a session may be silent, and a ping unanswered.
    """

    def __init__(self, limits: ServerLimits) -> None:
        idle_s, ping_s = limits.idle_limit_s, limits.ping_interval_s
        self._ask: _Queue[Session] = _Queue(min(filter(None, (ping_s, idle_s))) if ping_s else 0.0)
        self._asked: _Queue[Session] = _Queue(limits.ping_timeout_s)
        self._unasked: _Queue[Session] = _Queue(idle_s)
        self._queues = (self._ask, self._asked, self._unasked)

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`due` will have something to say at the earliest; None while it won't."""
        earliest = None
        for queue in self._queues:
            deadline = queue.next_deadline
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def opened(self, session: Session, now: float, *, can_be_asked: bool) -> None:
        """Follow a session."""
        (self._ask if can_be_asked and self._ask.limit_s else self._unasked).put(session, now)

    def heard(self, session: Session, now: float) -> None:
        """Something came from the session's client."""
        if session in self._asked:
            self._asked.remove(session)
            self._ask.put(session, now)
        elif session in self._ask:
            self._ask.put(session, now)
        elif session in self._unasked:
            self._unasked.put(session, now)

    def closed(self, session: Session) -> None:
        """Follow the session no longer."""
        for queue in self._queues:
            queue.remove(session)

    def due(self, now: float) -> Iterator[tuple[Session, Verdict]]:
        """The sessions that are silent for too long. One that is idle is told of again after the same time."""
        for session in self._asked.due(now):
            self._asked.remove(session)
            yield session, Verdict.GONE
        for session in self._ask.due(now):
            self._ask.remove(session)
            self._asked.put(session, now)
            yield session, Verdict.ASK
        for session in self._unasked.due(now):
            self._unasked.put(session, now)
            yield session, Verdict.IDLE


class _Queue(Generic[Session]):
    """Sessions in the order in which they were put in, which is that of their deadlines."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._since: OrderedDict[Session, float] = OrderedDict()

    def __contains__(self, session: Session) -> bool:
        return session in self._since

    @property
    def next_deadline(self) -> float | None:
        return next(iter(self._since.values())) + self.limit_s if self._since else None

    def put(self, session: Session, now: float) -> None:
        if self.limit_s:
            self._since[session] = now
            self._since.move_to_end(session)

    def remove(self, session: Session) -> None:
        self._since.pop(session, None)

    def due(self, now: float) -> list[Session]:
        due = []
        for session, since in self._since.items():
            if since + self.limit_s > now:
                break
            due.append(session)
        return due
