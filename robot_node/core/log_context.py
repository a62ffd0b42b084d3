"""Which session a log record belongs to: known to everything that runs in the session's tasks, threads aside.

A context variable, so that devices and libraries need not be told for whom they work, and need not know of sessions.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from contextvars import ContextVar

_SESSION: ContextVar[str] = ContextVar("log session", default="")
_numbers = itertools.count(1)


def new_session(kind: str, peer: str) -> str:
    """A name that no other session of this process has, e.g. ``mcp/agent-7/3``.

    Args:
        kind: What it is a session of, e.g. ``"mcp"``.
        peer: The client id of the other side, which holds no ``/``; of a connection to the broker, ours.
    """
    return f"{kind}/{peer}/{next(_numbers)}"


@contextlib.contextmanager
def in_session(name: str) -> Iterator[None]:
    """What is logged in this block, and in tasks begun in it, belongs to that session."""
    token = _SESSION.set(name)
    try:
        yield
    finally:
        _SESSION.reset(token)


def current_session() -> str:
    """The session for which we work; empty outside of sessions."""
    return _SESSION.get()
