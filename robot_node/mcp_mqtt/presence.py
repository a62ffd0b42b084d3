"""Who is online: list the servers of a broker once, or follow them.

Source: MCP over MQTT (EMQX specification, 2025-03-26 revision), "Life of a session" 1 and 2.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic_core
from pydantic import TypeAdapter

from robot_node.errors import BrokerError, RemoteError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.client import client_options, new_client_id
from robot_node.mcp_mqtt.jsonrpc import SERVER_ONLINE
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.topics import ServerName
from robot_node.mqtt import (
    Backoff,
    Broker,
    Connection,
    Incoming,
    LinkStatus,
    Subscription,
    cancel_and_wait,
    connect,
    keep_connected,
)

logger = logging.getLogger(__name__)

_MAX_PRESENCE_BYTES = 256 * 1024
_MAX_SERVERS = 10_000


@dataclass(frozen=True, slots=True)
class OnlineServer:
    """A server, as its presence describes it.

    Attributes:
        server_id: Its MQTT client id.
        server_name: Its hierarchical name.
        description: What it can do, in short; empty when it doesn't say.
        meta: Further facts, e.g. ``rbac.roles``.
    """

    server_id: str
    server_name: str
    description: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)


def parse_presence(topic: str, payload: bytes) -> OnlineServer | str:
    """Read a presence message that isn't empty.

    The topic decides who is online: a broker's access rules protect it, not what the payload says of names.

    Returns:
        The server, or why it cannot be one. A description or meta of the wrong kind counts as absent.
    """
    name = topics.parse_presence(topic)
    if name is None:
        return "the topic is no presence topic"
    if len(payload) > _MAX_PRESENCE_BYTES:
        return f"it has {len(payload)} bytes"
    try:
        message = pydantic_core.from_json(payload)
    except ValueError as error:
        return f"it is not valid JSON: {error}"
    if not isinstance(message, dict) or message.get("method") != SERVER_ONLINE:
        return f"it is no {SERVER_ONLINE} notification"
    params = message.get("params")
    params = params if isinstance(params, dict) else {}
    description, meta = params.get("description"), params.get("meta")
    return OnlineServer(
        name.server_id,
        name.server_name,
        description if isinstance(description, str) else "",
        meta if isinstance(meta, dict) else {},
    )


class _Servers:
    """The servers seen so far. Pure."""

    def __init__(self, name_filter: str) -> None:
        self._name_filter = name_filter
        self._online: dict[ServerName, OnlineServer] = {}

    def receive(self, topic: str, payload: bytes) -> str:
        """Take in a presence message; returns what is wrong with it, or nothing."""
        name = topics.parse_presence(topic)
        if name is None or not topics.name_matches(self._name_filter, name.server_name):
            return ""  # a filter that the broker gave may be wider than what was asked for
        if not payload:
            self._online.pop(name, None)
            return ""
        server = parse_presence(topic, payload)
        if isinstance(server, str):
            return f"Ignored the presence message on {topic}: {server}."
        if name not in self._online and len(self._online) >= _MAX_SERVERS:
            return f"Ignored the presence message on {topic}: {_MAX_SERVERS} servers are online already."
        self._online[name] = server
        return ""

    def clear(self) -> None:
        self._online.clear()

    def sorted(self) -> tuple[OnlineServer, ...]:
        return tuple(sorted(self._online.values(), key=lambda server: (server.server_name, server.server_id)))


def presence_filters(connection_properties: tuple[tuple[str, str], ...], name_filter: str) -> tuple[str, ...]:
    """The topic filters by which a client finds servers.

    Args:
        connection_properties: User properties of CONNACK. When they hold ``MCP-SERVER-NAME-FILTERS``, a JSON array of
            filters, these must be used.
        name_filter: Used otherwise.

    Raises:
        BrokerError: what the broker gave cannot be used.
    """
    given = next((value for key, value in connection_properties if key == "MCP-SERVER-NAME-FILTERS"), None)
    if given is None:
        return (topics.presence_filter(name_filter),)
    try:
        filters = _STRINGS.validate_json(given)
        return tuple(topics.presence_filter(topics.check_name_filter(_name_part(entry))) for entry in filters)
    except ValueError as error:
        raise BrokerError(
            f"The broker's MCP-SERVER-NAME-FILTERS cannot be used: {given[:80]!r}.",
            remedy="Correct it in the broker's settings: a JSON array of server name filters.",
        ) from error


_STRINGS = TypeAdapter(list[str])


def _name_part(name_filter: str) -> str:
    return name_filter.removeprefix(topics.presence_filter(""))


async def _subscribe(connection: Connection, name_filter: str) -> None:
    filters = presence_filters(connection.connack_user_properties, name_filter)
    if filters:
        # QoS 0: at QoS 1 the broker's window of unacknowledged messages would hold back retained ones.
        await connection.subscribe(*(Subscription(topic_filter) for topic_filter in filters))


async def online_servers(
    broker: Broker,
    *,
    name_filter: str = "#",
    client_id: str | None = None,
    connect_timeout_s: float = 4.0,
    settle_s: float = 0.05,
) -> tuple[OnlineServer, ...]:
    """Who is online, ordered by name.

    Args:
        broker: Where to ask.
        name_filter: MQTT filter for server names.
        client_id: Our MQTT client id; random by default.
        connect_timeout_s: Limit for connecting and subscribing, each, in seconds.
        settle_s: For brokers that deliver retained messages a little later than they could: how long nothing may have
            come for the list to be complete, in seconds.

    Raises:
        SettingsError: ``name_filter`` or ``client_id`` cannot be used.
        BrokerError: the broker is unreachable or refuses us.
    """
    servers = _Servers(topics.check_name_filter(name_filter))
    notices = Notices(logger.warning, time.monotonic)
    arrived = asyncio.Event()

    def on_message(incoming: Incoming) -> None:
        arrived.set()
        if problem := servers.receive(incoming.topic, incoming.payload):
            notices.note("presence", problem)

    own_id = topics.check_client_id(client_id or new_client_id())
    async with connect(broker, client_options(own_id, timeout_s=connect_timeout_s), on_message) as connection:
        await _subscribe(connection, name_filter)
        # A round trip that no access rule can forbid: a broker that delivers retained messages at once has sent
        # all of them before it answers.
        await connection.unsubscribe(topics.client_presence(own_id))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(connect_timeout_s):
                await _quiet(arrived, settle_s)
        return servers.sorted()


async def _quiet(arrived: asyncio.Event, settle_s: float) -> None:
    arrived.set()
    while arrived.is_set():
        arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settle_s):
                await arrived.wait()


class Directory:
    """The servers that are online now. Made by :func:`directory`."""

    def __init__(self, name_filter: str) -> None:
        self._servers = _Servers(name_filter)
        self._notices = Notices(logger.warning, time.monotonic)
        self._listeners: list[asyncio.Event] = []
        self.connected = False

    @property
    def servers(self) -> tuple[OnlineServer, ...]:
        """Who is online, ordered by name; empty while the broker is unreachable."""
        return self._servers.sorted()

    async def changes(self) -> AsyncGenerator[tuple[OnlineServer, ...], None]:
        """Yield who is online, now and after each change. A slow reader skips what it missed."""
        changed = asyncio.Event()
        changed.set()
        self._listeners.append(changed)
        seen: tuple[OnlineServer, ...] | None = None
        try:
            while True:
                await changed.wait()
                changed.clear()
                if (servers := self.servers) != seen:
                    seen = servers
                    yield servers
        finally:
            self._listeners.remove(changed)

    async def wait_for(
        self,
        server_id: str | None = None,
        server_name: str | None = None,
        *,
        timeout_s: float | None = None,
    ) -> OnlineServer:
        """Wait until a server with this id and name is online.

        Args:
            server_id: Its id; any by default.
            server_name: Its name; any by default.
            timeout_s: How long to wait, in seconds; without end by default.

        Raises:
            RemoteError: none came in time.
        """
        try:
            async with asyncio.timeout(timeout_s), contextlib.aclosing(self.changes()) as changes:
                async for servers in changes:
                    for server in servers:
                        if server_id in {None, server.server_id} and server_name in {None, server.server_name}:
                            return server
        except TimeoutError:
            wanted = " ".join(filter(None, (server_id, server_name))) or "server"
            raise RemoteError(
                f"No {wanted} came online within {timeout_s:g} s.", remedy="Check that it runs, on this broker."
            ) from None
        raise AssertionError("unreachable: changes never ends")

    def receive(self, incoming: Incoming) -> None:
        """Take in a presence message."""
        if problem := self._servers.receive(incoming.topic, incoming.payload):
            self._notices.note("presence", problem)
        self._tell()

    def on_status(self, status: LinkStatus) -> None:
        """Follow the connection: without it nobody is known to be online."""
        self.connected = status.connected
        self._servers.clear()
        self._tell()

    def _tell(self) -> None:
        for changed in self._listeners:
            changed.set()


@contextlib.asynccontextmanager
async def directory(
    broker: Broker,
    *,
    name_filter: str = "#",
    client_id: str | None = None,
    connect_timeout_s: float = 4.0,
    backoff: Backoff | None = None,
    on_status: Callable[[LinkStatus], None] = lambda _: None,
) -> AsyncIterator[Directory]:
    """Follow who is online, over a connection of its own that comes back by itself.

    Args:
        broker: Where to look.
        name_filter: MQTT filter for server names.
        client_id: Our MQTT client id; random by default.
        connect_timeout_s: Limit for connecting and subscribing, each, in seconds.
        backoff: Delays between attempts to connect.
        on_status: Told when the connection comes up or goes down.

    Raises:
        SettingsError: ``name_filter`` or ``client_id`` cannot be used.
    """
    followed = Directory(topics.check_name_filter(name_filter))
    options = client_options(topics.check_client_id(client_id or new_client_id()), timeout_s=connect_timeout_s)

    async def follow(connection: Connection) -> None:
        await _subscribe(connection, name_filter)
        await asyncio.Event().wait()

    def status(status: LinkStatus) -> None:
        followed.on_status(status)
        on_status(status)

    task = asyncio.create_task(
        keep_connected(broker, options, followed.receive, follow, name="Directory", backoff=backoff, on_status=status),
        name="MCP directory",
    )
    try:
        yield followed
    finally:
        await cancel_and_wait(task)
        if not task.cancelled():
            task.result()  # it only ends by a mistake of ours: say which
