"""Logs requests and answers at DEBUG: methods, names and times, never arguments or results."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, RequestId

from robot_node.core.log_context import in_session

logger = logging.getLogger(__name__)

_NAME_CHARACTERS = 100
_REMEMBERED = 256
# The parameter that names the object of a request, e.g. a tool.
_OBJECTS = ("name", "uri", "level")


class RequestLog:
    """Logs the requests of one session.

    Args:
        session: The session's name in the log.
        clock: Monotonic time in seconds.
    """

    def __init__(self, session: str, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._pending: dict[RequestId, tuple[str, float]] = {}

    def received(self, message: JSONRPCMessage) -> None:
        """Log a message of the client."""
        if not logger.isEnabledFor(logging.DEBUG):
            return
        with in_session(self._session):
            if isinstance(message, JSONRPCRequest):
                text = _described(message)
                if len(self._pending) >= _REMEMBERED:
                    del self._pending[next(iter(self._pending))]
                self._pending[message.id] = (text, self._clock())
                logger.debug("Request: %s", text)
            elif isinstance(message, JSONRPCNotification):
                logger.debug("Notification: %s", message.method[:_NAME_CHARACTERS])

    def sent(self, message: JSONRPCMessage) -> None:
        """Log an answer to the client."""
        if not logger.isEnabledFor(logging.DEBUG) or not isinstance(message, JSONRPCResponse | JSONRPCError):
            return
        if message.id is None or (pending := self._pending.pop(message.id, None)) is None:
            return  # it was asked before the level was lowered
        text, since = pending
        with in_session(self._session):
            logger.debug("Answered after %.1f ms: %s: %s", (self._clock() - since) * 1000, text, _outcome(message))


def _described(request: JSONRPCRequest) -> str:
    values = request.params or {}
    about = next((values[key] for key in _OBJECTS if isinstance(values.get(key), str)), "")
    return f"{request.method[:_NAME_CHARACTERS]} {about[:_NAME_CHARACTERS]}".rstrip()


def _outcome(answer: JSONRPCResponse | JSONRPCError) -> str:
    if isinstance(answer, JSONRPCError):
        return f"error {answer.error.code}"
    return "tool error" if answer.result.get("isError") else "ok"
