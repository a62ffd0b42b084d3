"""The session that log records belong to, as a context variable: it is set in all tasks of the session, not in threads.

Devices and libraries log in the right session without knowing of sessions.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from contextvars import ContextVar

_SESSION: ContextVar[str] = ContextVar("log session", default="")
_numbers = itertools.count(1)


def new_session(kind: str, peer: str) -> str:
    """Return a session name that is unique in this process, e.g. ``mcp/agent-7/3``.

    Args:
        kind: Kind of session, e.g. ``"mcp"``.
        peer: The client id of the other side, which holds no ``/``; of a connection to the broker, ours.
    """
    return f"{kind}/{peer}/{next(_numbers)}"


@contextlib.contextmanager
def in_session(name: str) -> Iterator[None]:
    """Log in this block, and in tasks started in it, as part of a session."""
    token = _SESSION.set(name)
    try:
        yield
    finally:
        _SESSION.reset(token)


def current_session() -> str:
    """Name of the current session; empty outside of sessions."""
    return _SESSION.get()
