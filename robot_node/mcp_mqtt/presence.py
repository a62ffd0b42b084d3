"""Who is online: list the servers of a broker once, or follow them and talk to them over the same connection.

Source: MCP over MQTT (EMQX specification, 2025-03-26 revision), "Service Discovery".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import anyio

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.errors import BrokerError, NotReadyError, RemoteError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.broker_hints import presence_filters, roles
from robot_node.mcp_mqtt.client import MAX_MESSAGE_BYTES, client_options, new_client_id
from robot_node.mcp_mqtt.jsonrpc import DISCONNECTED, dump_notification
from robot_node.mcp_mqtt.link import ServerLink, Streams
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.online import OnlineServer, Servers, parse_presence, pick
from robot_node.mcp_mqtt.time_limits import TimeLimits
from robot_node.mcp_mqtt.topics import ServerName, ServerTopics
from robot_node.mqtt import Backoff, Broker, Connection, Incoming, LinkStatus, Subscription, connect, keep_connected

__all__ = ["Directory", "OnlineServer", "directory", "online_servers", "parse_presence", "pick", "presence_filters"]

logger = logging.getLogger(__name__)

_RELIST_SETTLE_S = 0.5
_RELIST_TIMEOUT_S = 10.0


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
    settle_s: float = 0.05,
    is_enough: Callable[[tuple[OnlineServer, ...]], bool] = lambda _: False,
) -> tuple[OnlineServer, ...]:
    """Who is online, ordered by name.

    Args:
        broker: Where to ask.
        name_filter: MQTT filter for server names.
        client_id: Our MQTT client id; random by default.
        settle_s: For brokers that deliver retained messages a little later than they could: how long nothing may have
            come for the list to be complete, in seconds.
        is_enough: Ends the wait for renewals (``presence_wait_s`` of the broker) early.

    Raises:
        SettingsError: ``name_filter`` or ``client_id`` cannot be used.
        BrokerError: the broker is unreachable or refuses us.
    """
    servers = Servers(topics.check_name_filter(name_filter))
    notices = Notices(logger.warning, time.monotonic)
    arrived = asyncio.Event()

    def on_message(incoming: Incoming) -> None:
        arrived.set()
        if problem := servers.receive(incoming.topic, incoming.payload):
            notices.note("presence", problem)

    own_id = topics.check_client_id(client_id or new_client_id())
    async with connect(broker, client_options(own_id), on_message) as connection:
        servers.roles = roles(connection.connack_user_properties)
        await _subscribe(connection, name_filter)
        # A round trip that no access rule can forbid: a broker that delivers retained messages at once has sent
        # all of them before it answers.
        await connection.unsubscribe(topics.client_presence(own_id))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(broker.connect_timeout_s):
                await _quiet(arrived, settle_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(broker.presence_wait_s):
                while broker.presence_wait_s and not is_enough(servers.sorted()):
                    arrived.clear()
                    await arrived.wait()
        return servers.sorted()


async def _quiet(arrived: asyncio.Event, settle_s: float) -> None:
    arrived.set()
    while arrived.is_set():
        arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settle_s):
                await arrived.wait()


class Directory:
    """The servers that are online now, and sessions with them over one connection. Made by :func:`directory`."""

    def __init__(self, name_filter: str, relist_s: float, presence_wait_s: float = 0.0) -> None:
        self._servers = Servers(name_filter)
        self._relist_s = relist_s
        self._presence_wait_s = presence_wait_s
        self._arrived = asyncio.Event()
        self._notices = Notices(logger.warning, time.monotonic)
        self._listeners: list[asyncio.Event] = []
        self._connection: Connection | None = None
        self._links: dict[ServerTopics, ServerLink] = {}
        self._link_by_topic: dict[str, ServerLink] = {}
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
        previous: tuple[OnlineServer, ...] | None = None
        try:
            while True:
                await changed.wait()
                changed.clear()
                if (servers := self.servers) != previous:
                    previous = servers
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
            sought = " ".join(filter(None, (server_id, server_name))) or "server"
            raise RemoteError(
                f"No {sought} came online within {timeout_s:g} s.", remedy="Check that it runs, on this broker."
            ) from None
        raise AssertionError("unreachable: changes never ends")

    @contextlib.asynccontextmanager
    async def transport(
        self,
        server: OnlineServer | ServerName,
        *,
        qos: int = 0,
        time_limits: TimeLimits | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> AsyncIterator[Streams]:
        """Talk to a server over the directory's connection; what it yields is a ``Transport`` of the SDK.

        It ends as that of :func:`robot_node.mcp_mqtt.client.mqtt_transport` does. The directory then comes back by
        itself, its sessions don't: wait for the server, and open another one.

        Args:
            server: One that is online.
            qos: Of everything but ``notifications/disconnected``, which uses 1.
            time_limits: How long a request may stay unanswered.
            max_message_bytes: Largest message to read.

        Raises:
            SettingsError: the server has an id or name that cannot be used.
            BrokerError: the broker refuses the subscriptions, or the connection is gone.
            NotReadyError: a session with this server is open already, or the directory has been left.
            RemoteError: the server is not online.
        """
        server_topics = ServerTopics(
            topics.check_client_id(server.server_id), topics.check_called_name(server.server_name)
        )
        connection, presence = self._connection, self._servers.find(server)
        if connection is None or presence is None:
            raise RemoteError(
                f"Server {server.server_id} ({server.server_name}) is not online.", remedy="Wait until it is."
            )
        if server_topics in self._links:
            raise NotReadyError(
                f"A session with server {server.server_id} ({server.server_name}) is open already.",
                remedy="Use that one, or end it first: a client id has one session with a server.",
            )
        link = ServerLink(
            server_topics,
            connection,
            disconnect_topic=server_topics.rpc(connection.client_id),
            qos=qos,
            limits=time_limits or TimeLimits(),
            max_message_bytes=max_message_bytes,
        )
        link.on_presence(presence)
        subscribed = [subscription.topic_filter for subscription in link.subscriptions]
        self._links[server_topics] = link
        self._link_by_topic.update(dict.fromkeys([server_topics.presence, *subscribed], link))
        try:
            await connection.subscribe(*link.subscriptions)
            yield link.streams
        finally:
            try:
                # The SDK is at home in anyio, whose cancelled scopes let nothing be awaited any more.
                with anyio.CancelScope(shield=True), contextlib.suppress(BrokerError):
                    await link.leave()
                    await connection.unsubscribe(*subscribed)
            finally:
                # Only now may another session with this server begin: a late answer must not reach it.
                del self._links[server_topics]
                for topic in (server_topics.presence, *subscribed):
                    del self._link_by_topic[topic]

    def _receive(self, incoming: Incoming) -> None:
        link = self._link_by_topic.get(incoming.topic)
        if topics.parse_presence(incoming.topic) is None:
            if link is not None:
                link.on_message(incoming)
            return
        self._arrived.set()
        if problem := self._servers.receive(incoming.topic, incoming.payload):
            self._notices.note("presence", problem)
        if link is not None:
            link.on_presence(parse_presence(incoming.topic, incoming.payload) if incoming.payload else None)
        self._tell()

    async def serve(self, connection: Connection, name_filter: str) -> None:
        """Follow the servers, until cancelled."""
        connection.on_message = self._receive
        self._connection = connection
        self._servers.roles = roles(connection.connack_user_properties)
        await _subscribe(connection, name_filter)
        try:
            while True:
                await asyncio.sleep(self._relist_s)
                with contextlib.suppress(BrokerError, TimeoutError):  # the next time, then
                    await self._list_again(connection, name_filter)
        finally:
            if self._links:
                # A session that is still open: the client leaves for good.
                with contextlib.suppress(BrokerError):
                    presence = topics.client_presence(connection.client_id)
                    await connection.publish(presence, dump_notification(DISCONNECTED), qos=1)

    async def _list_again(self, connection: Connection, name_filter: str) -> None:
        """Drop the servers that the broker has forgotten: it says nothing when a retained message expires."""
        self._servers.mark_all_stale()
        await _subscribe(connection, name_filter)  # sends all that it has retained once more
        await connection.unsubscribe(topics.client_presence(connection.client_id))  # a round trip, as above
        async with asyncio.timeout(_RELIST_TIMEOUT_S):
            await _quiet(self._arrived, _RELIST_SETTLE_S)
        await asyncio.sleep(self._presence_wait_s)
        for name in self._servers.evict_stale():
            if link := self._links.get(ServerTopics(*name)):
                link.on_presence(None)
        self._tell()

    def on_status(self, status: LinkStatus) -> None:
        """Follow the connection: without it nobody is known to be online."""
        self.connected = status.connected
        if not status.connected:
            self.close(f"The connection to the broker was lost: {status.problem}")
        self._servers.clear()
        self._tell()

    def close(self, reason: str) -> None:
        """End all sessions."""
        self._connection = None
        for link in self._links.values():
            link.end(reason)

    def _tell(self) -> None:
        for changed in self._listeners:
            changed.set()


@contextlib.asynccontextmanager
async def directory(
    broker: Broker,
    *,
    name_filter: str = "#",
    client_id: str | None = None,
    backoff: Backoff | None = None,
    on_status: Callable[[LinkStatus], None] = lambda _: None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    relist_s: float = 600.0,
) -> AsyncIterator[Directory]:
    """Follow who is online, over a connection of its own that comes back by itself.

    Args:
        broker: Where to look.
        name_filter: MQTT filter for server names.
        client_id: Our MQTT client id; random by default.
        backoff: Delays between attempts to connect.
        on_status: Told when the connection comes up or goes down.
        max_message_bytes: Largest message to receive; the broker drops what is twice that.
        relist_s: How often to list the servers again, in seconds: a presence that expires there makes no
            message.

    Raises:
        SettingsError: ``name_filter`` or ``client_id`` cannot be used.
    """
    followed = Directory(topics.check_name_filter(name_filter), relist_s, broker.presence_wait_s)
    own_id = topics.check_client_id(client_id or new_client_id())
    options = client_options(own_id, max_packet_bytes=2 * max_message_bytes)

    async def follow(connection: Connection) -> None:
        await followed.serve(connection, name_filter)

    def status(status: LinkStatus) -> None:
        followed.on_status(status)
        on_status(status)

    task = asyncio.create_task(
        keep_connected(broker, options, follow, name="Directory", backoff=backoff, on_status=status),
        name="MCP directory",
    )
    try:
        yield followed
    finally:
        await cancel_and_wait(task)
        followed.close("The directory has been left.")
        if not task.cancelled():
            task.result()  # it only ends by a bug: raise it
