"""A client transport for the official SDK: ``mcp.Client(mqtt_transport(broker, server_id, server_name))``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator

import anyio

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.errors import BrokerError, RemoteError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.broker_hints import may_see
from robot_node.mcp_mqtt.implementation import IMPLEMENTATION, VERSION
from robot_node.mcp_mqtt.jsonrpc import DISCONNECTED, dump_notification
from robot_node.mcp_mqtt.link import ServerLink, Streams
from robot_node.mcp_mqtt.online import parse_presence
from robot_node.mcp_mqtt.time_limits import TimeLimits
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, UserProperties, Will, connect

__all__ = ["MAX_MESSAGE_BYTES", "TimeLimits", "client_options", "mqtt_transport", "new_client_id"]

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Largest message that a client reads, unless told otherwise: twice the largest photo of a full HD camera."""


def new_client_id() -> str:
    """A random client id."""
    return f"mcp-client-{secrets.token_hex(8)}"


def client_options(client_id: str, *, max_packet_bytes: int = 0) -> ConnectOptions:
    """Options of an MCP client's connection to the broker.

    Source: MCP over MQTT, "Connection".

    Args:
        client_id: MQTT client id.
        max_packet_bytes: Largest packet that the broker may send; 0 for no limit.
    """
    component = ("MCP-COMPONENT-TYPE", "mcp-client")
    identity: UserProperties = (component, ("MCP-MQTT-CLIENT-ID", client_id))
    meta = {"version": VERSION, "implementation": IMPLEMENTATION, "location": ""}
    return ConnectOptions(
        client_id=client_id,
        will=Will(topics.client_presence(client_id), dump_notification(DISCONNECTED), user_properties=identity),
        connect_properties=(component, ("MCP-META", json.dumps(meta))),
        publish_properties=identity,
        max_packet_bytes=max_packet_bytes,
    )


@contextlib.asynccontextmanager
async def mqtt_transport(
    broker: Broker,
    server_id: str,
    server_name: str,
    *,
    client_id: str | None = None,
    qos: int = 0,
    time_limits: TimeLimits | None = None,
    online_timeout_s: float = 2.0,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> AsyncIterator[Streams]:
    """Connect to one server: a ``Transport`` of the SDK, for one ``mcp.Client``.

    When the server goes offline, ends the session, or the connection is lost, every pending call fails at once with
    an error that says so, the client's ``message_handler`` is given that error, and the transport ends: every later
    call fails with the SDK's "Connection closed". Reconnect then.

    Who talks to several servers of a broker can do so over one connection: see
    :meth:`robot_node.mcp_mqtt.presence.Directory.transport`.

    Args:
        broker: Where to connect, and how long that may take.
        server_id: The server's MQTT client id.
        server_name: The server's hierarchical name.
        client_id: Our MQTT client id; random by default.
        qos: QoS of all messages but the will and the disconnect notification, which have 1.
        time_limits: How long a request may stay unanswered.
        online_timeout_s: How long to wait for the server's presence, in seconds.
        max_message_bytes: Largest message to read; a larger answer is an error. The broker drops one of twice that.

    Raises:
        SettingsError: an identifier cannot be used.
        BrokerError: the broker is unreachable or refuses us.
        RemoteError: the server is not online, or the broker doesn't let us look for it.
    """
    server_topics = ServerTopics(topics.check_client_id(server_id), topics.check_called_name(server_name))
    own_id = topics.check_client_id(client_id or new_client_id())
    options = client_options(own_id, max_packet_bytes=2 * max_message_bytes)

    def on_message(incoming: Incoming) -> None:
        if incoming.topic == server_topics.presence:
            link.on_presence(parse_presence(incoming.topic, incoming.payload) if incoming.payload else None)
        else:
            link.on_message(incoming)

    async with connect(broker, options, on_message) as connection:
        link = ServerLink(
            server_topics,
            connection,
            disconnect_topic=topics.client_presence(own_id),
            qos=qos,
            limits=time_limits or TimeLimits(),
            max_message_bytes=max_message_bytes,
        )
        watch = asyncio.create_task(_watch(connection, link), name="MCP connection watch")
        try:
            if not may_see(connection.connack_user_properties, server_name):
                raise RemoteError(
                    f"{link} is out of reach: the broker's MCP-SERVER-NAME-FILTERS do not include it.",
                    remedy="Ask the broker's administrator for access.",
                )
            await connection.subscribe(Subscription(server_topics.presence, qos=1), *link.subscriptions)
            await link.online(online_timeout_s)
            yield link.streams
        finally:
            # The SDK uses anyio, in whose cancelled scopes nothing can be awaited any more.
            with anyio.CancelScope(shield=True):
                await cancel_and_wait(watch)
                await link.leave()


async def _watch(connection: Connection, link: ServerLink) -> None:
    try:
        await connection.lost()
    except BrokerError as error:
        link.connection_lost(error)
