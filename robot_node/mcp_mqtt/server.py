"""Serve an MCP server to any number of clients over one MQTT connection.

Here is what outlives a connection; :mod:`robot_node.mcp_mqtt.service` is what lives with it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer, NotificationOptions, Server
from mcp.shared.message import SessionMessage

from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.inbox import Inbox
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.options import ServerLimits, ServerOptions
from robot_node.mcp_mqtt.service import Beside, Service
from robot_node.mcp_mqtt.session import ClientIdentity, RpcWriter
from robot_node.mcp_mqtt.subscriptions import accept_subscriptions
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import (
    Backoff,
    Broker,
    Connection,
    ConnectOptions,
    Incoming,
    LinkStatus,
    ReconnectError,
    Will,
    keep_connected,
)
from robot_node.mqtt.identifiers import is_server_name

__all__ = ["Beside", "ClientIdentity", "ServerLimits", "ServerOptions", "serve"]

logger = logging.getLogger(__name__)

# MQTT's own limit silently drops what is larger: far above ours, so that whoever oversteps ours gets an answer.
_PACKET_SIZE_FACTOR = 8


async def serve(
    broker: Broker,
    server: Server[Any] | MCPServer,
    options: ServerOptions,
    *,
    notifier: Notifier | None = None,
    backoff: Backoff | None = None,
    on_status: Callable[[LinkStatus], None] = lambda _: None,
    on_online: Callable[[], None] = lambda: None,
    on_sessions: Callable[[int], None] = lambda _: None,
    beside: Beside | None = None,
) -> None:
    """Serve until cancelled; reconnect whenever the connection is lost.

    A handler learns who calls from ``ctx.request`` (``ctx.request_context.request`` in an ``MCPServer``), which is a
    :class:`ClientIdentity`.

    Args:
        broker: Where to connect.
        server: What to serve. Its lifespan is entered once per session, not once per process.
        options: How to present it.
        notifier: Through which its owner tells of changes. With it, clients may subscribe to resources.
        backoff: Delays between attempts to connect.
        on_status: Told when the connection comes up or goes down.
        on_online: Called each time the broker has accepted the server's presence: clients can reach it now.
        on_sessions: Told how many sessions there are, each time that one begins or ends.
        beside: What else the server publishes on its connection while it is online. Cancelled while the connection
            still works, so that it can clean up. Whatever becomes of it, the sessions go on.
    """
    # The SDK keeps the low-level server of an MCPServer private, and says that it should be public.
    low_level = server._lowlevel_server if isinstance(server, MCPServer) else server  # noqa: SLF001  # see above
    link = _Link(low_level, options, notifier, on_online, on_sessions=on_sessions, beside=beside)
    await keep_connected(
        broker, link.connect_options, link.on_message, link.serve, name="MCP", backoff=backoff, on_status=on_status
    )


class _Link:
    """What outlives a connection: the name in use, and which connection's service gets the messages."""

    def __init__(
        self,
        server: Server[Any],
        options: ServerOptions,
        notifier: Notifier | None,
        on_online: Callable[[], None],
        *,
        on_sessions: Callable[[int], None],
        beside: Beside | None,
    ) -> None:
        self._server = server
        self._options = options
        self._notifier = notifier
        if notifier is not None:
            accept_subscriptions(server)
        self._on_online = on_online
        self._on_sessions = on_sessions
        self._beside = beside
        self._topics = ServerTopics(options.server_id, options.server_name)
        self._notices = Notices(logger.warning, time.monotonic)
        self._service: Service | None = None

    def connect_options(self) -> ConnectOptions:
        options = self._options
        component = ("MCP-COMPONENT-TYPE", "mcp-server")
        identity = (component, ("MCP-MQTT-CLIENT-ID", options.server_id))
        meta = {
            "version": self._server.version or "",
            "implementation": self._server.name,
            "location": options.location,
        }
        return ConnectOptions(
            client_id=options.server_id,
            # Empty and retained: the broker itself takes back the presence of a server that dies.
            will=Will(self._topics.presence, retain=True, user_properties=identity),
            connect_properties=(component, ("MCP-META", json.dumps(meta, ensure_ascii=False))),
            publish_properties=identity,
            max_packet_bytes=options.limits.max_message_bytes * _PACKET_SIZE_FACTOR,
        )

    def on_message(self, incoming: Incoming) -> None:
        if self._service is not None:
            self._service.receive(incoming)

    async def serve(self, connection: Connection) -> None:
        self._use_name(_given_name(connection) or self._options.server_name)
        self._service = Service(
            connection,
            self._serve_streams,
            self._options,
            self._topics,
            self._notices,
            on_sessions=self._on_sessions,
            beside=self._beside,
        )
        forget = self._notifier.subscribe(self._service.on_change) if self._notifier else lambda: None
        try:
            await self._service.run(self._on_online)
        finally:
            forget()
            self._service = None
            self._on_sessions(0)

    async def _serve_streams(self, read: Inbox[SessionMessage | Exception], write: RpcWriter) -> None:
        changes = self._notifier is not None
        notifications = NotificationOptions(prompts_changed=changes, resources_changed=changes, tools_changed=changes)
        await self._server.run(read, write, self._server.create_initialization_options(notifications))

    def _use_name(self, name: str) -> None:
        if name == self._topics.server_name:
            return
        if not is_server_name(name):
            raise BrokerError(
                f"The broker gives us the server name {name[:80]!r}, which cannot be used.",
                remedy="Correct it in the broker's settings: 'group/name', without '+' and '#'.",
            )
        self._topics = ServerTopics(self._options.server_id, name)
        # The will names the presence topic, and a will can only be set when connecting.
        raise ReconnectError(f"The server's name is now {name}: connecting again with a will that fits.")


def _given_name(connection: Connection) -> str | None:
    return next((value for key, value in connection.connack_user_properties if key == "MCP-SERVER-NAME"), None)
