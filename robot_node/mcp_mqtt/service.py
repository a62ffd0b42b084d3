"""Serves all clients over one connection: carries out what :mod:`robot_node.mcp_mqtt.protocol` decides."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from mcp.shared.subscriptions import ResourceUpdated, ServerEvent
from mcp_types import JSONRPCError, JSONRPCResponse, RequestId
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from robot_node.core.log_context import in_session
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.actions import (
    Action,
    Answer,
    Close,
    Deliver,
    LogNotice,
    Open,
    Ping,
    Retire,
    SessionKey,
    UnsubscribeClient,
)
from robot_node.mcp_mqtt.jsonrpc import DISCONNECTED, SERVER_ONLINE, dump, dump_notification, dump_request, memory_of
from robot_node.mcp_mqtt.memory import MemoryBudget
from robot_node.mcp_mqtt.notices import Notices
from robot_node.mcp_mqtt.options import ServerOptions
from robot_node.mcp_mqtt.protocol import ServerProtocol
from robot_node.mcp_mqtt.session import ServerSession, ServeStreams
from robot_node.mcp_mqtt.stay import ClientStay
from robot_node.mcp_mqtt.subscriptions import SessionSubscriptions, Subscriptions, as_notification
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Connection, Incoming, Subscription

logger = logging.getLogger(__name__)

ExtraPublisher = Callable[[Connection, ServerTopics], Awaitable[None]]
"""Publishes something else on a server's connection while the server is online."""

_OUTBOX_MESSAGES = 256
_RENEWALS = 3
_GOODBYE_LIMIT_S = 1.5  # a broker that does not answer must not keep the robot from stopping


class Service:
    """A server on one connection: when the connection is lost, all sessions end.

    Args:
        connection: The connection.
        serve: Runs the SDK's server over one session's streams.
        options: How the server presents itself, and its limits.
        server_topics: Its topics.
        notices: Logs what strangers do.
        on_sessions: Called with the number of sessions.
        extra_publisher: Runs while the server is online.
        moved: The connection before was to another broker.
    """

    def __init__(
        self,
        connection: Connection,
        serve: ServeStreams,
        options: ServerOptions,
        server_topics: ServerTopics,
        notices: Notices,
        *,
        on_sessions: Callable[[int], None] = lambda _: None,
        extra_publisher: ExtraPublisher | None = None,
        moved: bool = False,
    ) -> None:
        self._moved = moved
        self._connection = connection
        self._serve = serve
        self._options = options
        self._topics = server_topics
        self._notices = notices
        self._on_sessions = on_sessions
        self._extra_publisher = extra_publisher
        self._limits = options.limits
        self._protocol = ServerProtocol(server_topics, options.limits)
        self._sessions: dict[SessionKey, ServerSession] = {}
        self._retired: dict[SessionKey, ServerSession] = {}
        self._stays: dict[str, ClientStay] = {}
        self._memory = MemoryBudget(options.limits.session_bytes, options.limits.all_sessions_bytes)
        self._subscriptions = Subscriptions(options.limits.max_subscriptions)
        self._outbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_OUTBOX_MESSAGES)
        self._capability_queued: set[bytes] = set()
        self._group = asyncio.TaskGroup()
        self._leaving = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, on_online: Callable[[], None]) -> None:
        """Be online until cancelled; call ``on_online`` once clients can reach the server."""
        self._connection.on_message = self._receive
        async with self._group:
            self._group.create_task(self._send_outbox(), name="MCP outbox")
            try:
                await self._connection.subscribe(Subscription(self._topics.control, qos=self._limits.qos))
                if self._moved:
                    # The broker before may have died without having cleared the presence here: clients would hold on to
                    # their sessions.
                    await self._connection.publish(self._topics.presence, b"", qos=1, retain=True)
                await self._publish_presence()
                on_online()
                if self._extra_publisher is not None:
                    self._group.create_task(self._publish_extra(self._extra_publisher), name="MCP extra publisher")
                await self._renew_presence()
            finally:
                self._leaving = True
                if self._timer is not None:
                    self._timer.cancel()
                while self._stays:
                    self._stays.popitem()[1].end()
                # Before the sessions end, so that no new client comes. On a lost connection the broker does it (will).
                with contextlib.suppress(BrokerError, TimeoutError):
                    async with asyncio.timeout(_GOODBYE_LIMIT_S):
                        await self._connection.publish(self._topics.presence, b"", qos=1, retain=True)

    async def _publish_extra(self, publish: ExtraPublisher) -> None:
        try:
            await publish(self._connection, self._topics)
        except* BrokerError as errors:  # alone or in a group of tasks; a lost connection is noticed elsewhere
            self._notices.note("extra publisher", f"The extra publisher has stopped: {errors.exceptions[0]}")
        except* Exception:  # a mistake in it is no reason to end the sessions
            logger.exception("The extra publisher failed")

    async def _publish_presence(self) -> None:
        params = {
            "server_name": self._topics.server_name,
            "description": self._options.description,
            "meta": {"protocol_versions": list(KNOWN_PROTOCOL_VERSIONS), **self._options.meta},
        }
        payload = dump_notification(SERVER_ONLINE, params)
        expiry_s = self._limits.presence_expiry_s
        await self._connection.publish(self._topics.presence, payload, qos=1, retain=True, expiry_s=expiry_s)

    async def _renew_presence(self) -> None:
        expiry_s = self._limits.presence_expiry_s
        while expiry_s:
            await asyncio.sleep(expiry_s / _RENEWALS)
            with contextlib.suppress(BrokerError):  # there is another chance; a lost connection is noticed elsewhere
                await self._publish_presence()
        await asyncio.Event().wait()

    def _receive(self, incoming: Incoming) -> None:
        if self._leaving:
            return
        self._perform(self._protocol.receive(incoming, self._loop.time()), incoming.payload)

    def _perform(self, actions: tuple[Action, ...], payload: bytes = b"") -> None:
        """Carry out actions; ``payload`` is the message that a :class:`Deliver` among them was parsed from."""
        for action in actions:
            match action:
                case Deliver(key, message):
                    size = memory_of(payload, self._limits.max_message_values)
                    if not self._sessions[key].deliver(message, size):
                        self._perform(self._protocol.refused(key, message))
                case Open(key):
                    self._open(key)
                case Close():
                    self._close(action)
                case Retire(key):
                    self._retire(key)
                case UnsubscribeClient(client_id):
                    self._unsubscribe_later(client_id)
                case Answer(client_id, answer):
                    self._send_later(self._topics.rpc(client_id), dump(answer))
                case Ping(key, request_id):
                    if not self._send_later(self._topics.rpc(key.client_id), dump_request(request_id, "ping")):
                        self._protocol.ping_not_sent(key, self._loop.time())
                case LogNotice(kind, text):
                    self._notices.note(kind, text)

    def _set_timer(self) -> None:
        """One timer for the silence of all sessions; it comes early when something was heard meanwhile."""
        at = self._protocol.next_tick
        if at is None or (self._timer is not None and self._timer.when() <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._perform(self._protocol.tick(self._loop.time()))
        self._set_timer()

    def _open(self, key: SessionKey) -> None:
        session = ServerSession(
            key,
            self._serve,
            self._connection,
            self._topics.rpc(key.client_id),
            limits=self._limits,
            memory=self._memory,
            subscriptions=SessionSubscriptions(self._subscriptions),
            on_answer=partial(self._on_answer, key),
            on_unanswered=partial(self._on_unanswered, key),
            on_for_every_client=self._tell_every_client,
        )
        self._sessions[key] = session
        stay = self._stays.setdefault(key.client_id, ClientStay())
        self._set_timer()
        self._on_sessions(len(self._sessions))
        with in_session(session.log_name):
            logger.info("Client %s opened a session", key.client_id)
            session.task = self._group.create_task(
                self._serve_session(session), name=f"MCP session of {key.client_id}", context=stay.context()
            )

    async def _serve_session(self, session: ServerSession) -> None:
        client_id = session.key.client_id
        try:
            # All three in one SUBSCRIBE, and nothing is answered before it is acknowledged.
            await self._connection.subscribe(
                Subscription(topics.client_presence(client_id), qos=1),
                Subscription(topics.client_capability(client_id), qos=self._limits.qos),
                Subscription(self._topics.rpc(client_id), qos=self._limits.qos, no_local=True),
            )
            await session.run()
            reason = "the session ended by itself"
        except BrokerError as error:
            self._notices.note("session failed", f"The session of client {client_id} failed: {error}")
            reason = "its topics cannot be subscribed"
        except Exception:  # one client's session must never end the others'
            # The SDK may fail when it is cancelled before it has begun to serve: that session has ended anyway.
            level = logging.ERROR if self._protocol.is_current(session.key) and not self._leaving else logging.DEBUG
            logger.log(level, "The session of client %s failed", client_id, exc_info=True)
            reason = "the session failed"
        finally:
            session.close()
            if self._leaving and session.key in self._sessions:
                logger.info("The session of client %s ended with the connection", client_id)
        if not self._leaving:
            self._perform(self._protocol.ended(session.key, reason))

    def _on_answer(self, key: SessionKey, answer: JSONRPCResponse | JSONRPCError) -> bool:
        allowed, actions = self._protocol.answered(key, answer.id, answer)
        if actions:
            self._loop.call_soon(self._perform, actions)  # after the answer is sent
        return allowed

    def _on_unanswered(self, key: SessionKey, request_id: RequestId) -> None:
        _, actions = self._protocol.answered(key, request_id)
        self._perform(actions)

    def _retire(self, key: SessionKey) -> None:
        session = self._retired[key] = self._sessions.pop(key)
        self._on_sessions(len(self._sessions))
        with in_session(session.log_name):
            logger.info("The session of client %s is replaced by a new one; its calls go on", key.client_id)
        session.retire()

    def _close(self, action: Close) -> None:
        session = self._retired.pop(action.session, None)
        if session is None:
            session = self._sessions.pop(action.session)
            if not action.replaced:
                self._stays.pop(action.session.client_id).end()
        self._on_sessions(len(self._sessions))
        with in_session(session.log_name):
            logger.info("The session of client %s ended: %s", session.key.client_id, action.reason)
        session.close()
        if action.notify:
            self._send_later(self._topics.rpc(session.key.client_id), dump_notification(DISCONNECTED))
        if action.unsubscribe:
            self._unsubscribe_later(session.key.client_id)

    def _unsubscribe_later(self, client_id: str) -> None:
        # Tasks start in the order of their creation: a SUBSCRIBE of a later session of this client comes after.
        self._group.create_task(self._unsubscribe(client_id), name=f"MCP unsubscribe {client_id}")

    async def _unsubscribe(self, client_id: str) -> None:
        with contextlib.suppress(BrokerError):
            await self._connection.unsubscribe(
                topics.client_presence(client_id), topics.client_capability(client_id), self._topics.rpc(client_id)
            )

    def on_change(self, event: ServerEvent) -> None:
        """Publish a change on the capability topic if a client has subscribed to it."""
        wanted = event.uri in self._subscriptions if isinstance(event, ResourceUpdated) else bool(self._sessions)
        if wanted and not self._leaving:
            self._tell_every_client(as_notification(event))

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
                await self._connection.publish(topic, payload, qos=self._limits.qos)
            except BrokerError as error:
                self._notices.note("publish failed", str(error))
            del payload  # it may be large, and the next one may be long in coming
