"""One client's session: the SDK's server between a bounded inbox and the client's RPC topic."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import anyio
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from robot_node.core.log_context import new_session
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.actions import SessionKey
from robot_node.mcp_mqtt.inbox import Inbox
from robot_node.mcp_mqtt.jsonrpc import bounded_answer, dump
from robot_node.mcp_mqtt.memory import MemoryBudget
from robot_node.mcp_mqtt.options import ServerLimits
from robot_node.mcp_mqtt.packet_limit import answer_instead, explain
from robot_node.mcp_mqtt.protocol import is_for_every_client
from robot_node.mcp_mqtt.request_log import RequestLog
from robot_node.mcp_mqtt.streams import SdkStream
from robot_node.mcp_mqtt.subscriptions import SessionSubscriptions
from robot_node.mqtt import Connection

ServeStreams = Callable[["Inbox[SessionMessage | Exception]", "RpcWriter"], Awaitable[None]]
"""Serves one client over a pair of streams, until it is cancelled."""

OnAnswer = Callable[[JSONRPCResponse | JSONRPCError], bool]
"""Called with an answer before it is published; returns whether it may be."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """The caller, as a handler finds it in its request context.

    Attributes:
        client_id: MQTT client id. As trustworthy as the broker's access rules for the topics that contain it.
        subscriptions: The resources that its session has subscribed to.
        topic_verified: Whether the topic of this message contains the client id, so that the broker's access rules
            apply to it. The message that opens a session came on the control topic, where any id can be claimed.
    """

    client_id: str
    subscriptions: SessionSubscriptions = field(repr=False, compare=False)
    topic_verified: bool = True


class ServerSession:
    """One client's session.

    Args:
        key: Which session it is.
        serve: Runs the SDK's server over the session's streams.
        connection: Where answers go.
        rpc_topic: The client's RPC topic.
        limits: The server's limits.
        memory: Counts the memory of its messages, from their arrival to their answer.
        subscriptions: Where its subscriptions to resources are kept, until it is closed.
        on_answer: Called with each answer; returns whether it may be published.
        on_unanswered: Called with the id of a request that the client has cancelled: it gets no answer.
        on_for_every_client: Called with the notifications that belong on the server's capability topic.
    """

    def __init__(
        self,
        key: SessionKey,
        serve: ServeStreams,
        connection: Connection,
        rpc_topic: str,
        *,
        limits: ServerLimits,
        memory: MemoryBudget,
        subscriptions: SessionSubscriptions,
        on_answer: OnAnswer,
        on_unanswered: Callable[[RequestId], None],
        on_for_every_client: Callable[[bytes], None],
    ) -> None:
        self.key = key
        self.log_name = new_session("mcp", key.client_id)
        """Its name in the log."""
        self.task: asyncio.Task[None] | None = None
        self._serve = serve
        self._subscriptions = subscriptions
        self._memory = memory
        # Sizes of the requests that are not answered. A client may use an id twice.
        self._held: dict[RequestId, deque[int]] = {}
        self._inbox: Inbox[SessionMessage | Exception] = Inbox(limits.inbox_messages, on_taken=self._taken)
        self._requests = RequestLog(self.log_name, time.monotonic)
        self._write = RpcWriter(
            connection, rpc_topic, limits.qos, self._answered, on_for_every_client, on_sent=self._requests.sent
        )
        self._identity = ClientIdentity(key.client_id, subscriptions, topic_verified=False)
        self._verified = ClientIdentity(key.client_id, subscriptions, topic_verified=True)
        self._on_answer = on_answer
        self._on_unanswered = on_unanswered

    def deliver(self, message: JSONRPCMessage, size: int) -> bool:
        """Put a message into the inbox. The first is the one from the control topic.

        Args:
            message: The message.
            size: Bytes of memory that it takes until it is answered.

        Returns:
            False when the inbox is full, or when this client's messages, or those of all, take too much memory.
        """
        identity, self._identity = self._identity, self._verified
        if not self._memory.take(self.key, size):
            return False
        unanswered = partial(self._unanswered, message.id) if isinstance(message, JSONRPCRequest) else None
        self._requests.received(message)
        metadata = ServerMessageMetadata(request_context=identity, on_request_unanswered=unanswered)
        if not self._inbox.put(SessionMessage(message, metadata), size):
            self._memory.give_back(self.key, size)
            return False
        if isinstance(message, JSONRPCRequest):
            self._held.setdefault(message.id, deque()).append(size)
        return True

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._serve(self._inbox, self._write)

    def retire(self) -> None:
        """Publish nothing more but the answers to its calls, and their progress."""
        self._write.retire()
        self._subscriptions.close()

    def close(self) -> None:
        """Publish nothing more, and cancel the handlers. Doesn't wait for them: they may take a while."""
        self._write.close()
        self._subscriptions.close()
        self._inbox.close()
        self._memory.close(self.key)
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()

    def _taken(self, item: SessionMessage | Exception, size: int) -> None:
        if isinstance(item, SessionMessage) and not isinstance(item.message, JSONRPCRequest):
            self._memory.give_back(self.key, size)

    def _answered(self, answer: JSONRPCResponse | JSONRPCError) -> bool:
        if answer.id is not None:
            self._release(answer.id)
        return self._on_answer(answer)

    def _release(self, request_id: RequestId) -> None:
        if sizes := self._held.get(request_id):
            self._memory.give_back(self.key, sizes.popleft())
            if not sizes:
                del self._held[request_id]

    async def _unanswered(self, request_id: RequestId) -> None:
        self._release(request_id)
        self._on_unanswered(request_id)


class RpcWriter(SdkStream):
    """The write stream of the SDK's server: publishes at once, without a task or queue in between."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        qos: int,
        on_answer: OnAnswer,
        on_for_every_client: Callable[[bytes], None],
        *,
        on_sent: Callable[[JSONRPCMessage], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._on_sent = on_sent
        self._topic = topic
        self._qos = qos
        self._on_answer = on_answer
        self._on_for_every_client = on_for_every_client
        self._closed = self._retired = False
        self._max_bytes = connection.max_payload_bytes(topic)

    async def send(self, item: SessionMessage, /) -> None:
        """Publish one message of the SDK's server."""
        message = bounded_answer(item.message)
        is_answer = isinstance(message, JSONRPCResponse | JSONRPCError)
        if self._closed or (self._retired and not is_answer and not _is_progress(message)):
            raise anyio.ClosedResourceError
        self._on_sent(message)
        payload = dump(message)
        if self._max_bytes and len(payload) > self._max_bytes:
            payload = self._instead_of(message, len(payload))
        if is_for_every_client(message):
            self._on_for_every_client(payload)
            return
        if isinstance(message, JSONRPCResponse | JSONRPCError) and not self._on_answer(message):
            return
        try:
            await self._connection.publish(self._topic, payload, qos=self._qos)
        except BrokerError as error:
            raise anyio.BrokenResourceError from error

    def _instead_of(self, message: JSONRPCMessage, size: int) -> bytes:
        """The replacement for a message over which the broker would end the connection, and so all sessions."""
        text = explain("The server's message", size, self._max_bytes)
        logger.warning("Not sent to a client: %s", text)
        if (instead := answer_instead(message, text)) is None:
            raise anyio.BrokenResourceError
        return dump(instead)

    def retire(self) -> None:
        """Publish nothing more but answers and progress: ids of the server's requests would be the next session's."""
        self._retired = True

    def close(self) -> None:
        """Publish nothing more."""
        self._closed = True


def _is_progress(message: JSONRPCMessage) -> bool:
    return isinstance(message, JSONRPCNotification) and message.method == "notifications/progress"
