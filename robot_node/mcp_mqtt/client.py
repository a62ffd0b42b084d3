"""A client transport for the official SDK: ``mcp.Client(mqtt_transport(broker, server_id, server_name))``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    CONNECTION_CLOSED,
    REQUEST_TIMEOUT,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from robot_node.errors import BrokerError, RemoteError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.jsonrpc import DISCONNECTED, Malformed, dump, dump_notification, error_answer, parse
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import (
    Broker,
    Connection,
    ConnectOptions,
    Incoming,
    Subscription,
    UserProperties,
    Will,
    cancel_and_wait,
    connect,
)

logger = logging.getLogger(__name__)

# A request that lives as long as its client wants it to (2026-07-28) has no time limit.
_UNLIMITED = frozenset({"subscriptions/listen"})
_INBOX_MESSAGES = 1024


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long a request may stay unanswered, in seconds. Progress starts the time anew.

    Source: MCP over MQTT, "Time limits".

    Attributes:
        default_s: Of a method that ``by_method`` doesn't name.
        by_method: Of single methods.
    """

    default_s: float = 30.0
    by_method: Mapping[str, float] = field(
        default_factory=lambda: {
            "ping": 10.0,
            "tools/call": 60.0,
            "completion/complete": 60.0,
            "sampling/createMessage": 60.0,
        }
    )

    def of(self, method: str) -> float | None:
        """The limit for a method; None where there is none."""
        return None if method in _UNLIMITED else self.by_method.get(method, self.default_s)


def new_client_id() -> str:
    """A random client id."""
    return f"mcp-client-{secrets.token_hex(8)}"


def client_options(client_id: str, *, timeout_s: float, max_message_bytes: int = 0) -> ConnectOptions:
    """How an MCP client introduces itself to the broker.

    Source: MCP over MQTT, "Connection".

    Args:
        client_id: MQTT client id.
        timeout_s: Limit for connecting, subscribing and acknowledged publishing, each.
        max_message_bytes: Largest packet to receive; 0 for no limit.
    """
    component = ("MCP-COMPONENT-TYPE", "mcp-client")
    identity: UserProperties = (component, ("MCP-MQTT-CLIENT-ID", client_id))
    meta = {"version": version("robot-node"), "implementation": "robot_node.mcp_mqtt", "location": ""}
    return ConnectOptions(
        client_id=client_id,
        will=Will(topics.client_presence(client_id), dump_notification(DISCONNECTED), user_properties=identity),
        connect_properties=(component, ("MCP-META", json.dumps(meta))),
        publish_properties=identity,
        max_packet_bytes=max_message_bytes,
        timeout_s=timeout_s,
    )


Streams = tuple["MemoryObjectReceiveStream[SessionMessage | Exception]", "_Writer"]


@contextlib.asynccontextmanager
async def mqtt_transport(
    broker: Broker,
    server_id: str,
    server_name: str,
    *,
    client_id: str | None = None,
    qos: int = 0,
    time_limits: TimeLimits | None = None,
    connect_timeout_s: float = 4.0,
    online_timeout_s: float = 2.0,
    max_message_bytes: int = 64 * 1024 * 1024,
) -> AsyncIterator[Streams]:
    """Connect to one server; what it yields is a ``Transport`` of the SDK, for one ``mcp.Client``.

    When the server goes offline, ends the session, or the connection is lost, every pending call fails at once with
    an error that says so, and so does every later one.

    Args:
        broker: Where to connect.
        server_id: The server's MQTT client id.
        server_name: The server's hierarchical name.
        client_id: Our MQTT client id; random by default.
        qos: Of everything but the will and the goodbye, which are 1.
        time_limits: How long a request may stay unanswered.
        connect_timeout_s: Limit for connecting, subscribing and acknowledged publishing, each, in seconds.
        online_timeout_s: How long to wait for the server's presence, in seconds.
        max_message_bytes: Largest message to receive.

    Raises:
        SettingsError: an identifier cannot be used.
        BrokerError: the broker is unreachable or refuses us.
        RemoteError: the server is not online.
    """
    server_topics = ServerTopics(topics.check_client_id(server_id), topics.check_server_name(server_name))
    own_id = topics.check_client_id(client_id or new_client_id())
    options = client_options(own_id, timeout_s=connect_timeout_s, max_message_bytes=max_message_bytes)
    link = _Link(server_topics, own_id, qos, time_limits or TimeLimits(), max_message_bytes)
    try:
        async with connect(broker, options, link.on_message) as connection:
            link.attach(connection)
            try:
                # Everything before the first message: an answer must find its subscription.
                await connection.subscribe(
                    Subscription(server_topics.presence, qos=1),
                    Subscription(server_topics.capability, qos=qos),
                    Subscription(server_topics.rpc(own_id), qos=qos, no_local=True),
                )
                await link.online(online_timeout_s)
                yield link.read, _Writer(link)
            finally:
                await link.detach()
                with contextlib.suppress(BrokerError):
                    await connection.publish(topics.client_presence(own_id), dump_notification(DISCONNECTED), qos=1)
    finally:
        link.end("The client has closed the connection.")
        link.read.close()


@dataclass(slots=True)
class _Pending:
    method: str
    timer: asyncio.TimerHandle | None


class _Link:
    """The state of one client's connection to one server."""

    _connection: Connection

    def __init__(
        self, server_topics: ServerTopics, client_id: str, qos: int, limits: TimeLimits, max_message_bytes: int
    ) -> None:
        self._topics = server_topics
        self._rpc = server_topics.rpc(client_id)
        self._qos = qos
        self._limits = limits
        self._max_message_bytes = max_message_bytes
        self._loop = asyncio.get_running_loop()
        self._online = asyncio.Event()
        self._pending: dict[RequestId, _Pending] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = False
        self._ended = ""
        self._notices = Notices(logger.warning, time.monotonic)
        self._inbox: MemoryObjectSendStream[SessionMessage | Exception]
        self.read: MemoryObjectReceiveStream[SessionMessage | Exception]
        self._inbox, self.read = anyio.create_memory_object_stream[SessionMessage | Exception](_INBOX_MESSAGES)

    def __str__(self) -> str:
        return f"Server {self._topics.server_id} ({self._topics.server_name})"

    def attach(self, connection: Connection) -> None:
        """Use the connection, until :meth:`detach` or its loss."""
        self._connection = connection
        self._start(self._watch(), "MCP connection watch")

    async def detach(self) -> None:
        """End what runs beside the SDK's client."""
        await cancel_and_wait(*self._tasks)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        try:
            await self._connection.lost()
        except BrokerError as error:
            self.end(f"The connection to the broker was lost: {error}")

    async def online(self, timeout_s: float) -> None:
        """Wait for the server's presence, which is retained.

        Raises:
            RemoteError: it doesn't come.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._online.wait()
        except TimeoutError:
            raise RemoteError(
                f"{self} is not online.", remedy="Check its id and name, and that it is connected to this broker."
            ) from None

    def on_message(self, incoming: Incoming) -> None:
        """Sort out a message from the broker."""
        sender = incoming.user_property("MCP-MQTT-CLIENT-ID")
        if incoming.topic == self._topics.presence:
            self._on_presence(incoming.payload)
        elif sender not in {None, self._topics.server_id}:
            self._notices.note("wrong sender", f"Ignored a message of {(sender or '')[:80]!r} on {incoming.topic}.")
        elif incoming.retain:
            self._notices.note("retained", f"Ignored a retained message on {incoming.topic}.")
        else:
            message = parse(incoming.payload, self._max_message_bytes)
            if isinstance(message, Malformed):
                self._notices.note("malformed", f"{self} sent: {message.reason}")
            else:
                self._on_rpc(message)

    def _on_presence(self, payload: bytes) -> None:
        if payload:
            self._online.set()
        elif self._online.is_set():
            self.end(f"{self} went offline.")

    def _on_rpc(self, message: JSONRPCMessage) -> None:
        match message:
            case JSONRPCResponse() | JSONRPCError():
                if message.id is not None:
                    self._settle(message.id)
                elif isinstance(message, JSONRPCError):
                    self._notices.note("rejected", f"{self} rejected a message of ours: {message.error.message}")
            case JSONRPCNotification(method=method) if method == DISCONNECTED:
                self.end(f"{self} ended the session.")
                return
            case JSONRPCNotification(method="notifications/progress", params={"progressToken": int() | str() as token}):
                self._restart_timer(token)
            case _:
                pass
        self._deliver(message)

    def _deliver(self, message: JSONRPCMessage) -> None:
        try:
            self._inbox.send_nowait(SessionMessage(message))
        except anyio.WouldBlock:
            self.end(f"{self} sends faster than this client reads.")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the SDK's client has left already

    async def send(self, message: JSONRPCMessage) -> None:
        """Send one message of the SDK's client."""
        if self._ended:
            if isinstance(message, JSONRPCRequest):
                # The SDK says no more than "Connection closed" of a stream that is closed; a log says why.
                logger.debug("%s was not sent: %s", message.method, self._ended)
            raise anyio.ClosedResourceError
        topic = self._rpc
        if isinstance(message, JSONRPCRequest):
            # The message that opens a session travels on the control topic. A fall-back from server/discover to
            # initialize opens another one.
            if not self._opened or message.method == "initialize":
                topic = self._topics.control
                self._opened = True
            self._pending[message.id] = _Pending(message.method, None)
            self._restart_timer(message.id)
        try:
            await self._connection.publish(topic, dump(message), qos=self._qos)
        except BrokerError as error:
            self.end(f"The connection to the broker was lost: {error}")
            raise anyio.BrokenResourceError from error

    def _restart_timer(self, request_id: RequestId) -> None:
        pending = self._pending.get(request_id)
        limit_s = None if pending is None else self._limits.of(pending.method)
        if pending is None or limit_s is None:
            return
        if pending.timer is not None:
            pending.timer.cancel()
        pending.timer = self._loop.call_later(limit_s, self._time_out, request_id, limit_s)

    def _time_out(self, request_id: RequestId, limit_s: float) -> None:
        pending = self._settle(request_id)
        if pending is not None:
            text = f"{self} did not answer {pending.method} within {limit_s:g} s."
            self._deliver(error_answer(request_id, REQUEST_TIMEOUT, text))
            if pending.method != "initialize":  # which MCP forbids to cancel
                self._start(self._cancel(request_id), "MCP cancellation")

    async def _cancel(self, request_id: RequestId) -> None:
        params = {"requestId": request_id, "reason": "it took too long"}
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await self.send(JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params))

    def _settle(self, request_id: RequestId) -> _Pending | None:
        pending = self._pending.pop(request_id, None)
        if pending is not None and pending.timer is not None:
            pending.timer.cancel()
        return pending

    def end(self, reason: str) -> None:
        """Let every pending request fail with ``reason``, then close the stream. Does nothing the second time."""
        if self._ended:
            return
        self._ended = reason
        for request_id in tuple(self._pending):
            self._settle(request_id)
            with contextlib.suppress(anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
                self._inbox.send_nowait(SessionMessage(error_answer(request_id, CONNECTION_CLOSED, reason)))
        self._inbox.close()


class _Writer:
    """The write stream that the SDK's client is given: publishes at once."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    async def send(self, item: SessionMessage, /) -> None:
        await self._link.send(item.message)

    async def aclose(self) -> None:
        self._link.end("The client has closed the connection.")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()


__all__ = ["TimeLimits", "client_options", "mqtt_transport", "new_client_id"]
