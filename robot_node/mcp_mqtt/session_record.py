"""A server's record of one session: how it was opened, and its unanswered requests. Pure."""

from __future__ import annotations

from typing import Any

from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from robot_node.mcp_mqtt.actions import SessionKey

# A request that lives as long as its client wants it to (2026-07-28) is no call that ends by itself.
_STREAMS = frozenset({"subscriptions/listen"})
_IDENTITY = ("protocolVersion", "capabilities", "clientInfo")
_ENVELOPE = (PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY)


class SessionRecord:
    """One session.

    Args:
        key: Which session it is.
        opening: The request that opened it, which is the first unanswered one.
    """

    __slots__ = ("_calls", "_identity", "_opening_id", "_streams", "_welcome", "_withheld", "key", "unanswered")

    def __init__(self, key: SessionKey, opening: JSONRPCRequest) -> None:
        self.key = key
        self.unanswered = 0
        """Requests that wait for an answer."""
        # A client may use an id again while it waits for the first answer.
        self._calls: dict[RequestId, int] = {}
        self._streams: set[RequestId] = set()
        self._withheld: set[RequestId] = set()
        self._identity = _identity_of(opening)
        self._opening_id = opening.id
        self._welcome: dict[str, Any] | None = None
        self.add_request(opening)

    @property
    def has_calls(self) -> bool:
        """Whether there is an unanswered request that ends by itself."""
        return bool(self._calls)

    def add_request(self, request: JSONRPCRequest) -> None:
        """Count a request."""
        self.unanswered += 1
        if request.method in _STREAMS:
            self._streams.add(request.id)
        else:
            self._calls[request.id] = self._calls.get(request.id, 0) + 1

    def remove_request(
        self, request_id: RequestId | None, answer: JSONRPCResponse | JSONRPCError | None = None
    ) -> None:
        """Count an answer, or that there will be none."""
        if request_id is None:
            return
        if calls := self._calls.pop(request_id, 0):
            if calls > 1:
                self._calls[request_id] = calls - 1
        elif request_id in self._streams:
            self._streams.remove(request_id)
        else:
            return
        self.unanswered -= 1
        if request_id == self._opening_id and self._identity is not None and self._welcome is None:
            if isinstance(answer, JSONRPCResponse):
                self._welcome = answer.result
            else:
                self._identity = None

    def is_repeated_by(self, request: JSONRPCRequest) -> bool:
        """Whether a request repeats the ``initialize``, or the ``server/discover``, of this session."""
        if self._identity is None or self._identity != _identity_of(request):
            return False
        return self._welcome is not None or request.id == self._opening_id

    def answer_repeated(self, request: JSONRPCRequest) -> JSONRPCResponse | None:
        """The answer to a repeated request; None when the answer to the first one is still to come."""
        if self._welcome is None:
            return None
        return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=self._welcome)

    def withhold_answer(self, request_id: RequestId) -> None:
        """Withhold the answer with this id: the session that has replaced this one uses the id too."""
        if request_id in self._calls:
            self._withheld.add(request_id)

    def may_answer(self, request_id: RequestId | None) -> bool:
        """Whether an answer with this id can be mistaken for none of the next session."""
        return request_id not in self._withheld


def _identity_of(request: JSONRPCRequest) -> dict[str, Any] | None:
    params = request.params or {}
    if request.method == "initialize":
        return {key: params.get(key) for key in _IDENTITY}
    meta = params.get("_meta")
    if request.method == "server/discover" and isinstance(meta, dict):
        return {key: meta.get(key) for key in _ENVELOPE}
    return None
