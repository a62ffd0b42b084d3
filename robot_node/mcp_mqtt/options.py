"""Options of a server: identity, presence, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic import dataclasses as checked

from robot_node.mcp_mqtt import topics


@checked.dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ServerLimits:
    """Limits and quality of service of an MCP server.

    Raises:
        ValueError: a value is out of its range.

    Attributes:
        qos: MQTT quality of service of everything but presence and will, which are 1.
        max_sessions: Clients served at once; further ones get an error.
        max_requests: Requests of one client that may be unanswered at once, streams of ``subscriptions/listen``
            included; further ones get an error.
        inbox_messages: Messages of one client that may wait to be read; further requests get an error.
        max_subscriptions: Resources that one client may have subscribed to at once; further ones get an error.
        max_message_bytes: Largest message that is read; a larger one gets an error. CONNECT has a maximum
            packet size of several times that, above which it drops messages to the server.
        max_message_values: Most values, keys included, that a message may hold; one with more gets an error.
        session_bytes: Memory that the messages of one client may hold from their arrival to their answer, estimated;
            further requests get an error. Small messages do not count.
        all_sessions_bytes: The same of all clients together.
        idle_limit_s: Seconds of silence after which a session that waits for no answer ends: its client gets
            ``notifications/disconnected``, and an error for each later request; 0 for never. Clients that can be
            pinged are pinged first.
        ping_interval_s: Seconds of silence after which a client of the handshake era is pinged; 0 for never.
        ping_timeout_s: Seconds within which a client must answer a ping; else its session ends.
        presence_expiry_s: Seconds after which the broker drops the server's presence unless it is renewed, which the
            server does three times as often; 0 for never. It covers a broker that crashes together with the server
            and comes back with a presence that no will clears.
    """

    qos: Annotated[int, Field(ge=0, le=1)] = 0
    max_sessions: Annotated[int, Field(ge=1, le=10_000)] = 64
    max_requests: Annotated[int, Field(ge=1, le=10_000)] = 64
    inbox_messages: Annotated[int, Field(ge=1, le=10_000)] = 64
    max_subscriptions: Annotated[int, Field(ge=1, le=10_000)] = 64
    max_message_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    max_message_values: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    session_bytes: Annotated[int, Field(ge=64 * 1024, le=1024**3)] = 8 * 1024 * 1024
    all_sessions_bytes: Annotated[int, Field(ge=64 * 1024, le=1024**3)] = 32 * 1024 * 1024
    idle_limit_s: Annotated[float, Field(ge=0, le=604_800)] = 3600.0
    ping_interval_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    ping_timeout_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    presence_expiry_s: Annotated[int, Field(ge=0, le=604_800)] = 600


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Identity, presence and limits of a server.

    Attributes:
        server_id: MQTT client id of the server's connection.
        server_name: Hierarchical name, ``group/name``. A name that the broker assigns is used instead.
        description: What the server can do, in short; part of its presence.
        meta: Further facts of its presence, e.g. ``rbac.roles``.
        location: Where it is; part of ``MCP-META`` in CONNECT.
        limits: Its limits and quality of service.
    """

    server_id: str
    server_name: str
    description: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    location: str = ""
    limits: ServerLimits = field(default_factory=ServerLimits)

    def __post_init__(self) -> None:
        """Check the identifiers.

        Raises:
            SettingsError: one of them cannot be used.
        """
        topics.check_client_id(self.server_id)
        topics.check_server_name(self.server_name)
