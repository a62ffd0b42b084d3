"""Serve an MCP server to any number of clients over one MQTT connection.

The decisions are :mod:`robot_node.mcp_mqtt.protocol`'s; here they are carried out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.server import MCPServer, Server

from robot_node.errors import BrokerError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.jsonrpc import DISCONNECTED, SERVER_ONLINE, dump, dump_notification
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.protocol import Action, Answer, Close, Deliver, Note, Open, Packet, ServerProtocol, SessionKey
from robot_node.mcp_mqtt.session import ClientIdentity, ServerSession, SessionLimits
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import (
    Backoff,
    Broker,
    Connection,
    ConnectOptions,
    Incoming,
    LinkStatus,
    ReconnectError,
    Subscription,
    Will,
    keep_connected,
)

__all__ = ["ClientIdentity", "ServerOptions", "serve"]

logger = logging.getLogger(__name__)

# MQTT's own limit silently drops what is larger: far above ours, so that whoever oversteps ours gets an answer.
_PACKET_SIZE_FACTOR = 8
_OUTBOX_MESSAGES = 256


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
        inbox_messages: Messages of one client that may wait, and requests of one that may be unanswered, at once.
        max_message_bytes: Largest message that is read; a larger one is answered with an error.
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
    inbox_messages: int = 64
    max_message_bytes: int = 1024 * 1024
    connect_timeout_s: float = 4.0
    keepalive_s: int = 20

    def __post_init__(self) -> None:
        """Check the identifiers.

        Raises:
            SettingsError: one of them cannot be used.
        """
        topics.check_client_id(self.server_id)
        topics.check_server_name(self.server_name)


async def serve(
    broker: Broker,
    server: Server[Any] | MCPServer,
    options: ServerOptions,
    *,
    backoff: Backoff | None = None,
    on_status: Callable[[LinkStatus], None] = lambda _: None,
    on_online: Callable[[], None] = lambda: None,
) -> None:
    """Serve until cancelled; reconnect whenever the connection is lost.

    A handler learns who calls from ``ctx.request`` (``ctx.request_context.request`` in an ``MCPServer``), which is a
    :class:`ClientIdentity`.

    Args:
        broker: Where to connect.
        server: What to serve. Its lifespan is entered once per session, not once per process.
        options: How to present it.
        backoff: Delays between attempts to connect.
        on_status: Told when the connection comes up or goes down.
        on_online: Called each time the broker has accepted the server's presence: clients can reach it now.
    """
    # The SDK keeps the low-level server of an MCPServer private, and says that it should be public.
    low_level = server._lowlevel_server if isinstance(server, MCPServer) else server  # noqa: SLF001  # see above
    link = _Link(low_level, options, on_online)
    await keep_connected(
        broker, link.connect_options, link.on_message, link.serve, name="MCP", backoff=backoff, on_status=on_status
    )


class _Link:
    """What outlives a connection: the name in use, and which connection's service gets the messages."""

    def __init__(self, server: Server[Any], options: ServerOptions, on_online: Callable[[], None]) -> None:
        self._server = server
        self._options = options
        self._on_online = on_online
        self._topics = ServerTopics(options.server_id, options.server_name)
        self._notices = Notices(logger.warning, time.monotonic)
        self._service: _Service | None = None

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
            max_packet_bytes=options.max_message_bytes * _PACKET_SIZE_FACTOR,
            timeout_s=options.connect_timeout_s,
            keepalive_s=options.keepalive_s,
        )

    def on_message(self, incoming: Incoming) -> None:
        if self._service is not None:
            self._service.receive(incoming)

    async def serve(self, connection: Connection) -> None:
        self._use_name(_given_name(connection) or self._options.server_name)
        self._service = _Service(connection, self._server, self._options, self._topics, self._notices)
        try:
            await self._service.run(self._on_online)
        finally:
            self._service = None

    def _use_name(self, name: str) -> None:
        if name == self._topics.server_name:
            return
        if not topics.is_server_name(name):
            raise BrokerError(
                f"The broker gives us the server name {name[:80]!r}, which cannot be used.",
                remedy="Correct it in the broker's settings: 'group/name', without '+' and '#'.",
            )
        self._topics = ServerTopics(self._options.server_id, name)
        # The will names the presence topic, and a will can only be set when connecting.
        raise ReconnectError(f"The server's name is now {name}: connecting again with a will that fits.")


def _given_name(connection: Connection) -> str | None:
    return next((value for key, value in connection.connack_user_properties if key == "MCP-SERVER-NAME"), None)


class _Service:
    """One connection's worth of serving: when the connection goes, so do all sessions."""

    def __init__(
        self,
        connection: Connection,
        server: Server[Any],
        options: ServerOptions,
        server_topics: ServerTopics,
        notices: Notices,
    ) -> None:
        self._connection = connection
        self._server = server
        self._options = options
        self._topics = server_topics
        self._notices = notices
        self._protocol = ServerProtocol(
            server_topics,
            max_sessions=options.max_sessions,
            max_requests=options.inbox_messages,
            max_message_bytes=options.max_message_bytes,
        )
        self._sessions: dict[SessionKey, ServerSession] = {}
        self._outbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_OUTBOX_MESSAGES)
        self._capability_queued: set[bytes] = set()
        self._group = asyncio.TaskGroup()
        self._leaving = False

    async def run(self, on_online: Callable[[], None]) -> None:
        async with self._group:
            self._group.create_task(self._send_outbox(), name="MCP outbox")
            await self._connection.subscribe(Subscription(self._topics.control, qos=self._options.qos))
            try:
                await self._publish_presence()
                on_online()
                await asyncio.Event().wait()
            finally:
                self._leaving = True
                # Before the sessions end: no new client shall come. On a lost connection the broker does it (will).
                with contextlib.suppress(BrokerError):
                    await self._connection.publish(self._topics.presence, b"", qos=1, retain=True)

    async def _publish_presence(self) -> None:
        params = {
            "server_name": self._topics.server_name,
            "description": self._options.description,
            "meta": dict(self._options.meta),
        }
        payload = dump_notification(SERVER_ONLINE, params)
        await self._connection.publish(self._topics.presence, payload, qos=1, retain=True)

    def receive(self, incoming: Incoming) -> None:
        if self._leaving:
            return
        sender = incoming.user_property("MCP-MQTT-CLIENT-ID")
        self._perform(self._protocol.receive(Packet(incoming.topic, incoming.payload, sender, incoming.retain)))

    def _perform(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Deliver(key, message):
                    if not self._sessions[key].deliver(message):
                        self._perform(self._protocol.refused(key, message))
                case Open(key):
                    self._open(key)
                case Close():
                    self._close(action)
                case Answer(client_id, error):
                    self._send_later(self._topics.rpc(client_id), dump(error))
                case Note(kind, text):
                    self._notices.note(kind, text)

    def _open(self, key: SessionKey) -> None:
        session = ServerSession(
            key,
            self._server,
            self._connection,
            self._topics.rpc(key.client_id),
            SessionLimits(self._options.inbox_messages, self._options.qos),
            on_answered=lambda: self._protocol.answered(key),
            on_for_every_client=self._tell_every_client,
        )
        self._sessions[key] = session
        session.task = self._group.create_task(self._serve_session(session), name=f"MCP session of {key.client_id}")
        logger.debug("Client %s opened a session", key.client_id)

    async def _serve_session(self, session: ServerSession) -> None:
        client_id = session.key.client_id
        try:
            # All three in one SUBSCRIBE, and nothing is answered before it is acknowledged.
            await self._connection.subscribe(
                Subscription(topics.client_presence(client_id), qos=1),
                Subscription(topics.client_capability(client_id), qos=self._options.qos),
                Subscription(self._topics.rpc(client_id), qos=self._options.qos, no_local=True),
            )
            await session.run()
            reason = "the session ended by itself"
        except BrokerError as error:
            self._notices.note("session failed", f"The session of client {client_id} failed: {error}")
            reason = "its topics cannot be subscribed"
        except Exception:  # one client's session must never end the others'
            # The SDK may fail when it is cancelled before it has begun to serve: that session is over anyway.
            level = logging.ERROR if self._protocol.is_current(session.key) and not self._leaving else logging.DEBUG
            logger.log(level, "The session of client %s failed", client_id, exc_info=True)
            reason = "the session failed"
        finally:
            session.close()
        if not self._leaving:
            self._perform(self._protocol.ended(session.key, reason))

    def _close(self, action: Close) -> None:
        session = self._sessions.pop(action.session)
        logger.debug("Session of client %s ended: %s", session.key.client_id, action.reason)
        session.close()
        if session.task is asyncio.current_task():
            # It ended by itself: the client doesn't know.
            self._send_later(self._topics.rpc(session.key.client_id), dump_notification(DISCONNECTED))
        if action.unsubscribe:
            # Tasks start in the order of their creation: a SUBSCRIBE of a later session of this client comes after.
            self._group.create_task(
                self._unsubscribe(session.key.client_id), name=f"MCP unsubscribe {session.key.client_id}"
            )

    async def _unsubscribe(self, client_id: str) -> None:
        with contextlib.suppress(BrokerError):
            await self._connection.unsubscribe(
                topics.client_presence(client_id), topics.client_capability(client_id), self._topics.rpc(client_id)
            )

    def _tell_every_client(self, payload: bytes) -> None:
        if payload not in self._capability_queued and self._send_later(self._topics.capability, payload):
            self._capability_queued.add(payload)

    def _send_later(self, topic: str, payload: bytes) -> bool:
        try:
            self._outbox.put_nowait((topic, payload))
        except asyncio.QueueFull:
            self._notices.note("full outbox", "The broker takes messages too slowly: a message is lost.")
            return False
        return True

    async def _send_outbox(self) -> None:
        while True:
            topic, payload = await self._outbox.get()
            self._capability_queued.discard(payload)
            try:
                await self._connection.publish(topic, payload, qos=self._options.qos)
            except BrokerError as error:
                self._notices.note("publish failed", str(error))
