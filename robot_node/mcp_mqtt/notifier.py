"""Notifications of changes: one call of the server's owner, whichever era of MCP its clients speak.

Give the same object to the SDK's server and to its transport:

    notifier = Notifier()
    server = MCPServer("robot", subscriptions=notifier)
    asyncio.create_task(serve(broker, server, options, notifier=notifier))
    ...
    notifier.resource_updated("robot://camera")

Clients of the handshake era (``resources/subscribe``) get one notification on the server's capability topic, however
many they are. Those of 2026-07-28 get one on each stream (``subscriptions/listen``) that asked for it. An update of
a resource that nobody has subscribed to is not published.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio.lowlevel
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

logger = logging.getLogger(__name__)

Listener = Callable[[ServerEvent], None]


class Notifier:
    """What changed, on its way to the clients: a ``SubscriptionBus`` of the SDK.

    Each method but :meth:`publish` returns at once; all must be called on the event loop. A change means "read again
    if you care": changes that follow each other faster than they are sent may be combined into one.
    """

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}

    def resource_updated(self, uri: str) -> None:
        """The content of the resource ``uri`` changed."""
        self._tell(ResourceUpdated(uri))

    def resources_changed(self) -> None:
        """The list of resources changed."""
        self._tell(ResourcesListChanged())

    def tools_changed(self) -> None:
        """The list of tools changed."""
        self._tell(ToolsListChanged())

    def prompts_changed(self) -> None:
        """The list of prompts changed."""
        self._tell(PromptsListChanged())

    async def publish(self, event: ServerEvent) -> None:
        """The same for any event: what ``ctx.notify_resource_updated`` and the like of the SDK call."""
        self._tell(event)
        await anyio.lowlevel.checkpoint()  # a burst from one task lets the streams drain in between

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have every event handed to ``listener``, until the returned function is called."""
        token = object()
        self._listeners[token] = listener

        def unsubscribe() -> None:
            self._listeners.pop(token, None)

        return unsubscribe

    def _tell(self, event: ServerEvent) -> None:
        for listener in tuple(self._listeners.values()):
            try:
                listener(event)
            except Exception:  # one listener's failure is not the others'
                logger.exception("A listener failed at %s", event)
