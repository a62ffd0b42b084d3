"""Tells at DEBUG what a client asks and how it is answered: methods, names and times, never arguments or results."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, RequestId

from robot_node.core.log_context import in_session

logger = logging.getLogger(__name__)

_NAME_CHARACTERS = 100
_REMEMBERED = 256
# What a request is about, e.g. the name of a tool.
_OBJECTS = ("name", "uri", "level")


class RequestLog:
    """The requests of one session.

    Args:
        session: What its log records carry.
        clock: Monotonic time in seconds.
    """

    def __init__(self, session: str, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._asked: dict[RequestId, tuple[str, float]] = {}

    def received(self, message: JSONRPCMessage) -> None:
        """The client has sent a message."""
        if not logger.isEnabledFor(logging.DEBUG):
            return
        with in_session(self._session):
            if isinstance(message, JSONRPCRequest):
                text = _described(message)
                if len(self._asked) >= _REMEMBERED:
                    del self._asked[next(iter(self._asked))]
                self._asked[message.id] = (text, self._clock())
                logger.debug("The client asks: %s", text)
            elif isinstance(message, JSONRPCNotification):
                logger.debug("The client says: %s", message.method[:_NAME_CHARACTERS])

    def sent(self, message: JSONRPCMessage) -> None:
        """The client is sent a message."""
        if not logger.isEnabledFor(logging.DEBUG) or not isinstance(message, JSONRPCResponse | JSONRPCError):
            return
        if message.id is None or (asked := self._asked.pop(message.id, None)) is None:
            return  # it was asked before the level was lowered
        text, since = asked
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
