"""Subscriptions to resources (``resources/subscribe``, the handshake era of MCP)."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol, runtime_checkable

from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import PromptsListChanged, ResourcesListChanged, ResourceUpdated, ServerEvent
from mcp_types import INVALID_REQUEST, EmptyResult, SubscribeRequestParams, UnsubscribeRequestParams

from robot_node.mcp_mqtt.jsonrpc import ErrorCode, dump_notification


class Subscriptions:
    """The subscriptions of all sessions of a server, counted by resource.

    Args:
        max_per_session: Resources that one session may have subscribed to at once.
    """

    def __init__(self, max_per_session: int) -> None:
        self.max_per_session = max_per_session
        self._counts: Counter[str] = Counter()

    def __contains__(self, uri: str) -> bool:
        """Whether any session has subscribed to the resource."""
        return uri in self._counts

    def add(self, uri: str) -> None:
        """Count a session that subscribes."""
        self._counts[uri] += 1

    def discard(self, uri: str) -> None:
        """Count a session that unsubscribes."""
        self._counts[uri] -= 1
        if not self._counts[uri]:
            del self._counts[uri]


class SessionSubscriptions:
    """The subscriptions of one session."""

    def __init__(self, everybody: Subscriptions) -> None:
        self._everybody = everybody
        self._uris: set[str] = set()
        self._closed = False

    def subscribe(self, uri: str) -> None:
        """Add a resource; one that is subscribed already changes nothing.

        Raises:
            MCPError: the session has its limit of subscriptions.
        """
        if self._closed or uri in self._uris:
            return
        limit = self._everybody.max_per_session
        if len(self._uris) >= limit:
            text = f"This client has subscribed to {limit} resources, which is the limit."
            raise MCPError(ErrorCode.TOO_MANY_SUBSCRIPTIONS, text)
        self._uris.add(uri)
        self._everybody.add(uri)

    def unsubscribe(self, uri: str) -> None:
        """Remove a resource; one that was not subscribed changes nothing."""
        if uri in self._uris:
            self._uris.remove(uri)
            self._everybody.discard(uri)

    def close(self) -> None:
        """Remove all resources, and add none any more."""
        self._closed = True
        for uri in tuple(self._uris):
            self.unsubscribe(uri)


@runtime_checkable
class HasSubscriptions(Protocol):
    """A request context with subscriptions."""

    @property
    def subscriptions(self) -> SessionSubscriptions:
        """Subscriptions of the session that sent the request."""


async def _subscribe(context: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
    _of(context).subscribe(params.uri)
    return EmptyResult()


async def _unsubscribe(context: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams) -> EmptyResult:
    _of(context).unsubscribe(params.uri)
    return EmptyResult()


def _of(context: ServerRequestContext[Any, Any]) -> SessionSubscriptions:
    if not isinstance(context.request, HasSubscriptions):
        raise MCPError(INVALID_REQUEST, "Resources cannot be subscribed to over this transport.")
    return context.request.subscriptions


def accept_subscriptions(server: Server[Any]) -> None:
    """Have the server answer ``resources/subscribe`` and ``resources/unsubscribe``, and declare the capability."""
    server.add_request_handler("resources/subscribe", SubscribeRequestParams, _subscribe)
    server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, _unsubscribe)


def as_notification(event: ServerEvent) -> bytes:
    """The JSON-RPC notification of an event, as clients of the handshake era know it."""
    if isinstance(event, ResourceUpdated):
        return dump_notification("notifications/resources/updated", {"uri": event.uri})
    if isinstance(event, ResourcesListChanged):
        return dump_notification("notifications/resources/list_changed")
    if isinstance(event, PromptsListChanged):
        return dump_notification("notifications/prompts/list_changed")
    return dump_notification("notifications/tools/list_changed")
