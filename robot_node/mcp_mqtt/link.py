"""A client's session with one server, between the streams of the SDK's client and an MQTT connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    REQUEST_TIMEOUT,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.rate_limit import TokenBucket
from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.errors import BrokerError, RemoteError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.inbox import Inbox
from robot_node.mcp_mqtt.jsonrpc import (
    DISCONNECTED,
    ErrorCode,
    Malformed,
    dump,
    dump_notification,
    error_answer,
    memory_of,
    parse,
)
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.online import OnlineServer
from robot_node.mcp_mqtt.packet_limit import answer_instead, explain
from robot_node.mcp_mqtt.streams import SdkStream
from robot_node.mcp_mqtt.time_limits import TimeLimits
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Connection, Incoming, Subscription

logger = logging.getLogger(__name__)

# MCP over MQTT, "Topics": a client's list changes go out once, for all its servers.
_FOR_EVERY_SERVER = frozenset({"notifications/roots/list_changed"})
# A session begins with one of these; for a client that sends another request first (one pinned to 2026-07-28) the
# link opens one.
_OPENING = frozenset({"initialize", "server/discover"})
_OPENING_ID = "robot-node/open"
_ENVELOPE_PREFIX = PROTOCOL_VERSION_META_KEY.partition("/")[0] + "/"
_INBOX_MESSAGES = 1024
_INBOX_BYTES = 64 * 1024 * 1024
# The list of all tools of a large server holds some ten thousand.
_MAX_VALUES = 100_000
# Messages that answer no request (notifications, requests, late answers). All servers share the connection: one that
# sends more would hold up the answers of the others.
_UNREQUESTED_BYTES_PER_S = 1024 * 1024
_UNREQUESTED_BURST_BYTES = 8 * 1024 * 1024
_MESSAGE_OVERHEAD_BYTES = 512
_CLIENT_CLOSED = "The client has closed the connection."


@dataclass(slots=True)
class _Pending:
    method: str
    timer: asyncio.TimerHandle | None


Streams = tuple["Inbox[SessionMessage | Exception]", "_Writer"]


class ServerLink:
    """A client's session with one server. The owner of the connection passes it the messages on its topics.

    Args:
        server_topics: The server's topics.
        connection: Carries the messages; the subscriptions must be in place before the first one.
        qos: QoS of messages to the server.
        limits: How long a request may stay unanswered.
        max_message_bytes: Largest message that is read.
        disconnect_topic: Topic of the disconnect notification: to this server, or to all servers of the connection.
    """

    def __init__(
        self,
        server_topics: ServerTopics,
        connection: Connection,
        *,
        disconnect_topic: str,
        qos: int,
        limits: TimeLimits,
        max_message_bytes: int,
    ) -> None:
        self._topics = server_topics
        self._connection = connection
        self._rpc = server_topics.rpc(connection.client_id)
        self._disconnect_topic = disconnect_topic
        self._qos = qos
        self._limits = limits
        self._max_message_bytes = max_message_bytes
        self._loop = asyncio.get_running_loop()
        self._online = asyncio.Event()
        self._is_modern = False
        self._pending: dict[RequestId, _Pending] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session_opened = False
        self._opening = asyncio.Lock()
        self._opening_answer: asyncio.Future[JSONRPCMessage | None] | None = None
        self._end_reason = ""
        self._notices = Notices(logger.warning, time.monotonic)
        self._unrequested = TokenBucket(_UNREQUESTED_BYTES_PER_S, _UNREQUESTED_BURST_BYTES, time.monotonic())
        self._inbox: Inbox[SessionMessage | Exception] = Inbox(_INBOX_MESSAGES, max_bytes=_INBOX_BYTES)

    def __str__(self) -> str:
        return f"Server {self._topics.server_id} ({self._topics.server_name})"

    @property
    def streams(self) -> Streams:
        """The transport's streams for the SDK."""
        return self._inbox, _Writer(self)

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Subscriptions that must be in place before the first message is sent."""
        return (
            Subscription(self._topics.capability, qos=self._qos),
            Subscription(self._rpc, qos=self._qos, no_local=True),
        )

    async def online(self, timeout_s: float) -> None:
        """Wait for the server's presence, which is retained.

        Raises:
            RemoteError: it did not come in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._online.wait()
        except TimeoutError:
            raise RemoteError(
                f"{self} is not online.", remedy="Check its id and name, and that it is connected to this broker."
            ) from None

    def on_presence(self, presence: OnlineServer | str | None) -> None:
        """Handle a change of the server's presence: the server, why its presence cannot be read, or None."""
        if presence is not None:
            self._is_modern = isinstance(presence, OnlineServer) and presence.is_modern
            self._online.set()
        elif self._online.is_set():
            self._server_left(f"{self} went offline.")

    def on_message(self, incoming: Incoming) -> None:
        """Handle a message on one of the topics in :attr:`subscriptions`."""
        if self._end_reason:
            return
        sender = incoming.user_property("MCP-MQTT-CLIENT-ID")
        if sender not in {None, self._topics.server_id}:
            self._notices.note(
                "wrong sender", f"Ignored a message of {bounded(sender or '', SHOWN_CHARACTERS)!r} on {incoming.topic}."
            )
        elif incoming.retain:
            self._notices.note("retained", f"Ignored a retained message on {incoming.topic}.")
        else:
            message = parse(incoming.payload, self._max_message_bytes, _MAX_VALUES)
            cost = len(incoming.payload) + _MESSAGE_OVERHEAD_BYTES
            if not self._is_awaited(message) and not self._unrequested.take(time.monotonic(), cost):
                self._server_left(f"{self} sends too much that was not requested.")
            elif isinstance(message, Malformed):
                self._on_malformed(message)
            else:
                self._on_rpc(message, memory_of(incoming.payload, _MAX_VALUES))

    def _is_awaited(self, message: JSONRPCMessage | Malformed) -> bool:
        """Whether a message answers a request, or would if it could be read."""
        match message:
            case Malformed(answer=JSONRPCError(id=request_id)) | Malformed(response_to=request_id):
                return request_id in self._pending
            case JSONRPCResponse(id=request_id) | JSONRPCError(id=request_id):
                opening = self._opening_answer is not None and not self._opening_answer.done()
                return request_id in self._pending or (opening and request_id == _OPENING_ID)
            case _:
                return False

    def _on_malformed(self, message: Malformed) -> None:
        self._notices.note("malformed", f"{self} sent: {message.reason}")
        error = message.answer
        if error is not None and error.error.code == ErrorCode.MESSAGE_TOO_LARGE and self._settle(error.id):
            # Most likely an answer: its request fails now instead of at its time limit.
            self._deliver(error)
        elif self._settle(message.response_to):
            self._deliver(error_answer(message.response_to, INTERNAL_ERROR, f"{self} sent: {message.reason}"))

    def _on_rpc(self, message: JSONRPCMessage, size: int) -> None:
        match message:
            case JSONRPCResponse(id=request_id) | JSONRPCError(id=request_id) if request_id == _OPENING_ID:
                self._on_opening_answer(message)
                return
            case JSONRPCResponse() | JSONRPCError():
                if message.id is not None:
                    self._settle(message.id)
                elif isinstance(message, JSONRPCError):
                    self._notices.note("rejected", f"{self} rejected a message of ours: {message.error.message}")
            case JSONRPCNotification(method=method) if method == DISCONNECTED:
                self._server_left(f"{self} ended the session.")
                return
            case JSONRPCNotification(method="notifications/progress", params={"progressToken": int() | str() as token}):
                self._restart_timer(token)
            case _:
                pass
        self._deliver(message, size)

    def _deliver(self, message: JSONRPCMessage, size: int = 0) -> None:
        if not self._inbox.put(SessionMessage(message), size):
            self._server_left(f"{self} sends faster than this client reads.")

    async def send(self, message: JSONRPCMessage) -> None:
        """Send one message of the SDK's client."""
        if self._end_reason:
            raise anyio.ClosedResourceError
        topic = self._rpc
        if isinstance(message, JSONRPCRequest):
            self._pending[message.id] = _Pending(message.method, None)
            self._restart_timer(message.id)
            # The message that opens a session travels on the control topic. A fall-back from server/discover to
            # initialize opens another one.
            if message.method == "server/discover" and not self._is_modern:
                # A server of the handshake era may ignore it: the SDK's client would wait 10 s before it falls back.
                self._settle(message.id)
                self._deliver(error_answer(message.id, METHOD_NOT_FOUND, f"{self} does not announce 2026-07-28."))
                return
            if message.method in _OPENING:
                topic = self._topics.control
                self._session_opened = True
            elif not self._session_opened:
                await self._open_for(message)
                if message.id not in self._pending:
                    return  # it has its answer already: an error
        elif isinstance(message, JSONRPCNotification):
            if message.method in _FOR_EVERY_SERVER:
                topic = topics.client_capability(self._connection.client_id)
            elif message.method == "notifications/cancelled" and message.params:
                self._settle(message.params["requestId"])  # there will be no answer
        await self._publish(topic, message)

    async def _open_for(self, message: JSONRPCRequest) -> None:
        async with self._opening:  # other requests would reach a server that has not subscribed yet
            if self._session_opened or message.id not in self._pending:  # it may have waited too long for its turn
                return
            meta = (message.params or {}).get("_meta", {})
            envelope = {key: value for key, value in meta.items() if key.startswith(_ENVELOPE_PREFIX)}
            params = {"_meta": envelope}
            self._opening_answer = self._loop.create_future()
            await self._publish(
                self._topics.control,
                JSONRPCRequest(jsonrpc="2.0", id=_OPENING_ID, method="server/discover", params=params),
            )
            limits = (self._limits.of("server/discover"), self._limits.of(message.method))
            limit_s = min(limit for limit in limits if limit is not None)
            timer = self._loop.call_later(limit_s, self._on_opening_answer, None)
            try:
                answer = await self._opening_answer
            finally:
                timer.cancel()
            if answer is None:
                self._time_out(message.id, limit_s)
            self._session_opened = isinstance(answer, JSONRPCResponse)
            if isinstance(answer, JSONRPCError) and self._settle(message.id) is not None:
                self._deliver(JSONRPCError(jsonrpc="2.0", id=message.id, error=answer.error))

    def _on_opening_answer(self, answer: JSONRPCMessage | None) -> None:
        if self._opening_answer is not None and not self._opening_answer.done():
            self._opening_answer.set_result(answer)

    async def _publish(self, topic: str, message: JSONRPCMessage) -> None:
        payload, limit = dump(message), self._connection.max_payload_bytes(topic)
        if limit and len(payload) > limit:
            text = explain("The client's message", len(payload), limit)
            self._notices.note("too large", f"Not sent to {self}: {text}")
            if isinstance(message, JSONRPCRequest) and self._settle(message.id) is not None:
                self._deliver(error_answer(message.id, ErrorCode.MESSAGE_TOO_LARGE, text))
            if (instead := answer_instead(message, text)) is None:
                return
            payload = dump(instead)
        try:
            await self._connection.publish(topic, payload, qos=self._qos)
        except BrokerError as error:
            self.connection_lost(error)
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
            if pending.method == "ping":  # MCP over MQTT, "Health Checks": then the client is to leave
                self._give_up(text)
            elif pending.method != "initialize":  # which MCP forbids to cancel
                self._start(self._cancel(request_id), "MCP cancellation")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _cancel(self, request_id: RequestId) -> None:
        params = {"requestId": request_id, "reason": "it took too long"}
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await self.send(JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params))

    def _settle(self, request_id: RequestId | None) -> _Pending | None:
        pending = None if request_id is None else self._pending.pop(request_id, None)
        if pending is not None and pending.timer is not None:
            pending.timer.cancel()
        return pending

    def connection_lost(self, error: BrokerError) -> None:
        """End because the connection to the broker was lost: see :meth:`end`."""
        self.end(f"The connection to the broker was lost: {error}")

    def end(self, reason: str) -> None:
        """Fail every pending request with ``reason``, then end the stream. Does nothing the second time."""
        if self._end_reason:
            return
        self._end_reason = reason
        self._on_opening_answer(None)
        if reason != _CLIENT_CLOSED:
            # Later calls fail with the SDK's "Connection closed" alone. Its message handler and the log get the reason.
            logger.warning("MCP session: %s", reason)
            self._inbox.put(RemoteError(reason))
        for request_id in tuple(self._pending):
            self._settle(request_id)
            self._inbox.put(SessionMessage(error_answer(request_id, CONNECTION_CLOSED, reason)))
        self._inbox.end()

    def _server_left(self, reason: str) -> None:
        # MCP over MQTT, "Server Disconnect": the client unsubscribes from the server's topics.
        if not self._end_reason:
            self.end(reason)
            self._start(self._unsubscribe(), "MCP unsubscribe")

    async def _unsubscribe(self) -> None:
        with contextlib.suppress(BrokerError):
            await self._connection.unsubscribe(*(each.topic_filter for each in self.subscriptions))

    def _give_up(self, reason: str) -> None:
        if not self._end_reason:
            self.end(reason)
            self._start(self._send_disconnected(), "MCP disconnected")

    async def _send_disconnected(self) -> None:
        with contextlib.suppress(BrokerError):  # on a lost connection the broker publishes our will
            await self._connection.publish(self._disconnect_topic, dump_notification(DISCONNECTED), qos=1)

    async def leave(self) -> None:
        """Send the disconnect notification, then close both streams."""
        await cancel_and_wait(*self._tasks)
        await self._send_disconnected()
        self.end(_CLIENT_CLOSED)
        self._inbox.close()


class _Writer(SdkStream):
    """The write stream of the SDK's client: publishes at once."""

    def __init__(self, link: ServerLink) -> None:
        self._link = link

    async def send(self, item: SessionMessage, /) -> None:
        await self._link.send(item.message)

    def close(self) -> None:
        self._link.end(_CLIENT_CLOSED)
