"""A client's stay: its session and the sessions that this one has replaced, as a context variable of their tasks.

A server's lifespan is entered once per session. What has to outlive a replaced session, but not its client, belongs to
the stay.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextvars import Context, ContextVar, copy_context

_CURRENT: ContextVar[ClientStay | None] = ContextVar("client stay", default=None)


class ClientStay:
    """One client at one server, from its first session until it leaves, vanishes or falls silent."""

    def __init__(self) -> None:
        self._at_end: dict[Hashable, Callable[[], object]] = {}

    def at_end(self, key: Hashable, work: Callable[[], object]) -> None:
        """Have ``work`` called when the stay ends, once for each ``key``."""
        self._at_end[key] = work

    def end(self) -> None:
        """End the stay."""
        while self._at_end:
            _, work = self._at_end.popitem()
            work()

    def context(self) -> Context:
        """A copy of the current context, for a task of this stay."""
        context = copy_context()
        context.run(_CURRENT.set, self)
        return context


def current_stay() -> ClientStay | None:
    """The stay that the current task belongs to; None outside of MCP over MQTT."""
    return _CURRENT.get()
