"""Serve an MCP server to any number of clients over one MQTT connection that comes back by itself.

What belongs to a single connection is in :mod:`robot_node.mcp_mqtt.service`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer, NotificationOptions, Server
from mcp.shared.message import SessionMessage

from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.implementation import IMPLEMENTATION
from robot_node.mcp_mqtt.inbox import Inbox
from robot_node.mcp_mqtt.local import low_level_server
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.options import ServerLimits, ServerOptions
from robot_node.mcp_mqtt.service import ExtraPublisher, Service
from robot_node.mcp_mqtt.session import ClientIdentity, RpcWriter
from robot_node.mcp_mqtt.subscriptions import accept_subscriptions
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import (
    Backoff,
    Broker,
    Connection,
    ConnectOptions,
    LinkStatus,
    ReconnectError,
    Will,
    keep_connected,
)
from robot_node.mqtt.identifiers import is_server_name

__all__ = ["ClientIdentity", "ExtraPublisher", "ServerLimits", "ServerOptions", "serve"]

logger = logging.getLogger(__name__)

# MQTT's own limit silently drops what is larger: far above ours, so that a client that exceeds ours gets an answer.
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
    extra_publisher: ExtraPublisher | None = None,
) -> None:
    """Serve until cancelled; reconnect whenever the connection is lost.

    A handler finds the caller in ``ctx.request`` (``ctx.request_context.request`` in an ``MCPServer``), which is a
    :class:`ClientIdentity`.

    Args:
        broker: Where to connect.
        server: What to serve. Its lifespan is entered once per session, not once per process.
        options: How to present it.
        notifier: Where its owner reports changes. With it, clients may subscribe to resources.
        backoff: Delays between attempts to connect.
        on_status: Called when the connection comes up or goes down.
        on_online: Called each time the broker has accepted the server's presence: clients can reach it now.
        on_sessions: Called with the number of sessions, each time that one begins or ends.
        extra_publisher: Publishes something else on the server's connection while it is online. Cancelled while the
            connection still works, so that it can clean up. Its failure doesn't end the sessions.
    """
    low_level = low_level_server(server)
    if notifier is not None:
        accept_subscriptions(low_level)
    notices = Notices(logger.warning, time.monotonic)
    server_topics = ServerTopics(options.server_id, options.server_name)

    def connect_options() -> ConnectOptions:
        return _connect_options(low_level, options, server_topics)

    async def serve_streams(read: Inbox[SessionMessage | Exception], write: RpcWriter) -> None:
        changes = notifier is not None
        announced = NotificationOptions(prompts_changed=changes, resources_changed=changes, tools_changed=changes)
        await low_level.run(read, write, low_level.create_initialization_options(announced))

    previous: Broker | None = None

    async def serve_connection(connection: Connection) -> None:
        nonlocal server_topics, previous
        name = _assigned_name(connection) or options.server_name
        if name != server_topics.server_name:
            server_topics = ServerTopics(options.server_id, name)
            # The will names the presence topic, and a will can only be set when connecting.
            raise ReconnectError(f"The server's name is now {name}: connecting again with a will that fits.")
        service = Service(
            connection,
            serve_streams,
            options,
            server_topics,
            notices,
            on_sessions=on_sessions,
            extra_publisher=extra_publisher,
            moved=previous not in {None, connection.address},
        )
        previous = connection.address
        unsubscribe = notifier.subscribe(service.on_change) if notifier else lambda: None
        try:
            await service.run(on_online)
        finally:
            unsubscribe()
            on_sessions(0)

    await keep_connected(broker, connect_options, serve_connection, name="MCP", backoff=backoff, on_status=on_status)


def _connect_options(server: Server[Any], options: ServerOptions, server_topics: ServerTopics) -> ConnectOptions:
    component = ("MCP-COMPONENT-TYPE", "mcp-server")
    identity = (component, ("MCP-MQTT-CLIENT-ID", options.server_id))
    meta = {"version": server.version or "", "implementation": IMPLEMENTATION, "location": options.location}
    return ConnectOptions(
        client_id=options.server_id,
        # Empty and retained: the broker itself clears the presence of a server that dies.
        will=Will(server_topics.presence, retain=True, user_properties=identity),
        connect_properties=(component, ("MCP-META", json.dumps(meta, ensure_ascii=False))),
        publish_properties=identity,
        max_packet_bytes=options.limits.max_message_bytes * _PACKET_SIZE_FACTOR,
    )


def _assigned_name(connection: Connection) -> str | None:
    """The server name that the broker put into CONNACK, which replaces the configured one.

    Raises:
        BrokerError: it cannot be used.
    """
    properties = connection.connack_user_properties
    name = next((value for key, value in properties if key == "MCP-SERVER-NAME"), None)
    if name is not None and not is_server_name(name):
        raise BrokerError(
            f"The broker gives us the server name {bounded(name, SHOWN_CHARACTERS)!r}, which cannot be used.",
            remedy="Correct it in the broker's settings: 'group/name', without '+' and '#'.",
        )
    return name
