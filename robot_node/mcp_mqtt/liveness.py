"""Idle timers of sessions, with pings. Pure: the time is passed in.

Times are seconds of a clock that never goes back.
A client that dies usually has a will, which ends its session. This is for those without one.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from robot_node.mcp_mqtt.options import ServerLimits

Session = TypeVar("Session")


class Verdict(enum.Enum):
    """What is due for a silent session."""

    PING = "ping"
    """Ping the client."""
    GONE = "gone"
    """The ping was not answered."""
    IDLE = "idle"
    """The client cannot be pinged, and was silent for too long."""


class Liveness(Generic[Session]):
    """Idle timers of all sessions. To touch one costs the same however many there are.

    Args:
        limits: How long a session may be silent, and a ping unanswered.
    """

    def __init__(self, limits: ServerLimits) -> None:
        idle_s, ping_s = limits.idle_limit_s, limits.ping_interval_s
        self._to_ping: _Queue[Session] = _Queue(min(filter(None, (ping_s, idle_s))) if ping_s else 0.0)
        self._pinged: _Queue[Session] = _Queue(limits.ping_timeout_s)
        self._idle: _Queue[Session] = _Queue(idle_s)
        self._queues = (self._to_ping, self._pinged, self._idle)

    @property
    def next_deadline(self) -> float | None:
        """Time of the next :meth:`due`; None without sessions that are limited."""
        earliest = None
        for queue in self._queues:
            deadline = queue.next_deadline
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def add(self, session: Session, now: float, *, can_be_pinged: bool) -> None:
        """Start the timer of a session."""
        (self._to_ping if can_be_pinged and self._to_ping.limit_s else self._idle).put(session, now)

    def touch(self, session: Session, now: float, *, answers_ping: bool) -> None:
        """Restart the timer of a session: its client has sent something.

        Args:
            session: Which session.
            now: When.
            answers_ping: Whether it was the answer to a ping. A client that sends something else instead lives, and
                perhaps answers no pings: it is not pinged again until it does answer one.
        """
        if session in self._pinged.since:
            self._pinged.remove(session)
            self.add(session, now, can_be_pinged=answers_ping)
        elif session in self._to_ping.since:
            self._to_ping.put(session, now)
        elif answers_ping and session in self._idle.since:
            self._idle.remove(session)
            self.add(session, now, can_be_pinged=True)
        elif session in self._idle.since:
            self._idle.put(session, now)

    def remove(self, session: Session) -> None:
        """Stop the timer of a session."""
        for queue in self._queues:
            queue.remove(session)

    def due(self, now: float) -> Iterator[tuple[Session, Verdict]]:
        """Yield the sessions that were silent for too long; an idle one again after the same time."""
        for session in self._pinged.due(now):
            self._pinged.remove(session)
            yield session, Verdict.GONE
        for session in self._to_ping.due(now):
            self._to_ping.remove(session)
            self._pinged.put(session, now)
            yield session, Verdict.PING
        for session in self._idle.due(now):
            self._idle.put(session, now)
            yield session, Verdict.IDLE


class _Queue(Generic[Session]):
    """Sessions in the order of their deadlines."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.since: OrderedDict[Session, float] = OrderedDict()

    @property
    def next_deadline(self) -> float | None:
        return next(iter(self.since.values())) + self.limit_s if self.since else None

    def put(self, session: Session, now: float) -> None:
        if self.limit_s:
            self.since[session] = now
            self.since.move_to_end(session)

    def remove(self, session: Session) -> None:
        self.since.pop(session, None)

    def due(self, now: float) -> list[Session]:
        due = []
        for session, since in self.since.items():
            if since + self.limit_s > now:
                break
            due.append(session)
        return due
