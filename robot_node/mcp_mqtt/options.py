"""How a server presents itself, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robot_node.mcp_mqtt import topics


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How a server presents itself, and its limits.

    Attributes:
        server_id: MQTT client id of the server's connection.
        server_name: Hierarchical name, ``group/name``. A name that the broker gives is used instead.
        description: What the server can do, in short; part of its presence.
        meta: Further facts of its presence, e.g. ``rbac.roles``.
        location: Where it is; part of ``MCP-META`` in CONNECT.
        qos: Of everything but presence and will, which are 1.
        max_sessions: Clients served at once; further ones get an error.
        max_requests: Requests of one client that may be unanswered at once, streams of ``subscriptions/listen``
            included; further ones get an error.
        inbox_messages: Messages of one client that may wait to be read; further requests get an error.
        max_subscriptions: Resources that one client may have subscribed to at once; further ones get an error.
        max_message_bytes: Largest message that is read; a larger one gets an error. The broker is told a maximum
            packet size of several times that, above which it drops what comes for us.
        idle_limit_s: A session from which nothing came for so long, and that waits for no answer, ends: its client is
            told so by ``notifications/disconnected``, and by an error if it asks nevertheless; 0 for never. Clients
            that a ping can reach are asked before.
        ping_interval_s: After so much silence a client of the handshake era gets a ping; 0 for never.
        ping_timeout_s: A client that takes longer to answer has vanished: its session ends.
        presence_expiry_s: After how many seconds the broker forgets the server's presence unless it is renewed, which
            the server does three times as often; 0 for never. For when the broker crashes together with the server,
            and comes back with a presence that no will clears any more.
        connect_timeout_s: Limit for connecting, subscribing and acknowledged publishing, each.
        keepalive_s: MQTT keep-alive interval.
    """

    server_id: str
    server_name: str
    description: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    location: str = ""
    qos: int = 0
    max_sessions: int = 64
    max_requests: int = 64
    inbox_messages: int = 64
    max_subscriptions: int = 64
    max_message_bytes: int = 1024 * 1024
    idle_limit_s: float = 3600.0
    ping_interval_s: float = 300.0
    ping_timeout_s: float = 10.0
    presence_expiry_s: int = 600
    connect_timeout_s: float = 4.0
    keepalive_s: int = 20

    def __post_init__(self) -> None:
        """Check the identifiers.

        Raises:
            SettingsError: one of them cannot be used.
        """
        topics.check_client_id(self.server_id)
        topics.check_server_name(self.server_name)
