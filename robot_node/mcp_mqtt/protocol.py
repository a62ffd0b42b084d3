"""The server's side of MCP over MQTT as pure logic: a packet in, actions out. No I/O, no clock, nothing raised.

Source of every rule: MCP over MQTT (EMQX specification, 2025-03-26 revision), "Life of a session", and for the
2026-07-28 era of MCP the superset that docs describe: the message that opens a session travels on the control
topic, whichever it is; every later one on the RPC topic.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from robot_node.mcp_mqtt.actions import Action, Answer, Close, Deliver, Forget, Note, Open, Packet, Ping, SessionKey
from robot_node.mcp_mqtt.jsonrpc import DISCONNECTED, ErrorCode, Malformed, error_answer, parse
from robot_node.mcp_mqtt.liveness import Liveness, Verdict
from robot_node.mcp_mqtt.options import ServerLimits
from robot_node.mcp_mqtt.rate_limit import RateLimiter
from robot_node.mcp_mqtt.topics import Channel, ServerTopics
from robot_node.mqtt.identifiers import is_client_id

_REPLACEMENTS_PER_MINUTE = 6
_REPLACEMENTS_AT_ONCE = 20


class ServerProtocol:
    """What one server, on one connection, does about what it receives.

    Args:
        server_topics: The server's topics.
        limits: The server's limits.
    """

    def __init__(self, server_topics: ServerTopics, limits: ServerLimits) -> None:
        self._topics = server_topics
        self._limits = limits
        self._sessions: dict[str, SessionKey] = {}
        self._unanswered: dict[SessionKey, int] = {}
        # Clients whose idle session ended, and whose topics are kept so that their next request gets an error.
        self._lapsed: OrderedDict[str, None] = OrderedDict()
        self._opened = 0
        self._pings = 0
        self._liveness: Liveness[SessionKey] = Liveness(limits)
        # Anybody may claim to be anybody on the control topic: this limits how often a stranger ends another's session.
        self._replacements = RateLimiter(_REPLACEMENTS_PER_MINUTE, burst=_REPLACEMENTS_AT_ONCE)

    @property
    def sessions(self) -> tuple[SessionKey, ...]:
        """The sessions that live."""
        return tuple(self._sessions.values())

    def is_current(self, session: SessionKey) -> bool:
        """Whether the session lives: what a closed or replaced one still says must not reach the client."""
        return self._sessions.get(session.client_id) == session

    @property
    def next_tick(self) -> float | None:
        """When :meth:`tick` is to be called at the latest; None while nobody's silence is limited."""
        return self._liveness.next_deadline

    def receive(self, packet: Packet, now: float) -> tuple[Action, ...]:
        """What to do about a packet, in order.

        Args:
            packet: What came.
            now: When, in seconds of a clock that never goes back; the same one for :meth:`tick`.
        """
        return tuple(self._receive(packet, now))

    def tick(self, now: float) -> tuple[Action, ...]:
        """What to do about sessions that are silent for too long."""
        return tuple(self._tick(now))

    def not_asked(self, session: SessionKey, now: float) -> None:
        """A ping could not be sent: the client need not answer it."""
        self._liveness.heard(session, now)

    def answered(self, session: SessionKey) -> None:
        """A request of the session was answered, or will never be because the client cancelled it."""
        if self._unanswered.get(session):
            self._unanswered[session] -= 1

    def refused(self, session: SessionKey, message: JSONRPCMessage) -> tuple[Action, ...]:
        """The session's inbox had no room for a message that was to be delivered."""
        if isinstance(message, JSONRPCRequest):
            self.answered(session)
            text = "The inbox of this client is full: it sends faster than it is served."
            answer = Answer(session.client_id, error_answer(message.id, ErrorCode.INBOX_FULL, text))
            return (Note("full inbox", f"Refused a request of client {session.client_id}. {text}"), answer)
        return (Note("full inbox", f"Client {session.client_id} sends faster than it is served: a message is lost."),)

    def ended(self, session: SessionKey, reason: str) -> tuple[Action, ...]:
        """The session ended by itself, or must end for a reason of ours."""
        return (self._close(session, reason, unsubscribe=True, tell=True),) if self.is_current(session) else ()

    def _tick(self, now: float) -> Iterator[Action]:
        for session, verdict in self._liveness.due(now):
            if verdict is Verdict.ASK:
                self._pings += 1
                yield Ping(session, f"{_PING_ID}{self._pings}")
            elif verdict is Verdict.GONE:
                yield self._close(session, "the client did not answer a ping", unsubscribe=True, tell=True)
            elif not self._unanswered[session]:
                # A client that waits for an answer, or listens to a stream of changes, has nothing to say meanwhile.
                yield self._close(session, "the client was idle for too long", unsubscribe=False, tell=True)
                self._lapsed[session.client_id] = None
                if len(self._lapsed) > self._limits.max_sessions:
                    yield Forget(self._lapsed.popitem(last=False)[0])

    def _receive(self, packet: Packet, now: float) -> Iterator[Action]:
        if packet.retain:
            # MCP over MQTT retains nothing but a server's presence: a kept request is somebody's mistake of long ago.
            yield Note("retained", f"Ignored a retained message on {packet.topic}: it should not be there.")
            return
        parsed = self._topics.parse(packet.topic)
        if parsed is None:
            yield Note("foreign topic", f"Ignored a message on {packet.topic}, which is no topic of this server.")
            return
        channel, client_id = parsed
        if channel is Channel.CONTROL:
            # "Life of a session" 3: on the control topic the user property is what names the client.
            client_id = packet.sender or ""
            if not is_client_id(client_id):
                who = "no client id" if packet.sender is None else f"the client id {client_id[:80]!r}"
                yield Note("unknown sender", f"Ignored a message on the control topic with {who}: nobody to answer to.")
                return
        elif packet.sender not in {None, client_id}:
            yield Note(
                "wrong sender",
                f"Ignored a message of {(packet.sender or '')[:80]!r} on the {channel.value} topic of {client_id}.",
            )
            return
        yield from self._from_client(channel, client_id, packet.payload, now)

    def _from_client(self, channel: Channel, client_id: str, payload: bytes, now: float) -> Iterator[Action]:
        if channel is not Channel.CONTROL and (speaking := self._sessions.get(client_id)):
            self._liveness.heard(speaking, now)
        message = parse(payload, self._limits.max_message_bytes)
        if isinstance(message, Malformed):
            yield Note("malformed", f"Client {client_id} sent on its {channel.value} topic: {message.reason}")
            # Only where a request may travel is anybody waiting for an answer.
            if message.answer is not None and channel in {Channel.CONTROL, Channel.RPC}:
                yield Answer(client_id, message.answer)
        elif channel is Channel.CONTROL:
            yield from self._on_control(client_id, message, now)
        elif channel is Channel.RPC:
            yield from self._on_rpc(client_id, message)
        elif not isinstance(message, JSONRPCNotification):
            yield Note("wrong topic", f"Client {client_id} sent no notification on its {channel.value} topic: ignored.")
        elif channel is Channel.CLIENT_PRESENCE:
            if message.method == DISCONNECTED:
                yield from self._disconnected(client_id)
        elif session := self._sessions.get(client_id):
            yield Deliver(session, message)

    def _on_control(self, client_id: str, message: JSONRPCMessage, now: float) -> Iterator[Action]:
        if not isinstance(message, JSONRPCRequest):
            yield Note("wrong topic", f"Client {client_id} sent no request on the control topic: ignored.")
        elif not opens_session(message):
            text = f"{message.method[:80]} is not available on the control topic: it opens no session."
            yield Answer(client_id, error_answer(message.id, METHOD_NOT_FOUND, text))
        else:
            previous = self._sessions.get(client_id)
            if previous is None and len(self._sessions) >= self._limits.max_sessions:
                text = f"The server already has {self._limits.max_sessions} sessions, its limit."
                yield Note("too many sessions", f"Refused client {client_id}. {text}")
                yield Answer(client_id, error_answer(message.id, ErrorCode.TOO_MANY_SESSIONS, text))
                return
            if previous is not None:
                if wait_s := self._replacements.wait_s(client_id, now):
                    text = f"The session of this client was replaced too often. Try again in {math.ceil(wait_s)} s."
                    yield Note("replaced too often", f"Kept the session of client {client_id}. {text}")
                    yield Answer(client_id, error_answer(message.id, ErrorCode.REPLACED_TOO_OFTEN, text))
                    return
                self._replacements.count(client_id, now)
                yield self._close(previous, "the client opened a new session", unsubscribe=False)
            self._lapsed.pop(client_id, None)
            self._opened += 1
            session = SessionKey(client_id, self._opened)
            self._sessions[client_id] = session
            self._unanswered[session] = 1
            # The 2026-07-28 era knows no requests of a server to its client, not even a ping.
            self._liveness.opened(session, now, can_be_asked=message.method == "initialize")
            yield Open(session)
            yield Deliver(session, message)

    def _on_rpc(self, client_id: str, message: JSONRPCMessage) -> Iterator[Action]:
        session = self._sessions.get(client_id)
        if isinstance(message, JSONRPCNotification) and message.method == DISCONNECTED:
            yield from self._disconnected(client_id)
        elif session is None:
            if isinstance(message, JSONRPCRequest):
                why = "It was idle for too long" if client_id in self._lapsed else "There is none"
                text = f"No session of this client. {why}: open one on the control topic."
                yield Answer(client_id, error_answer(message.id, ErrorCode.NO_SESSION, text))
                yield from self._forget(client_id)
        elif not isinstance(message, JSONRPCRequest):
            if not _answers_ping(message):
                yield Deliver(session, message)
        elif self._unanswered[session] >= self._limits.max_requests:
            yield from self._too_many_requests(session, message)
        else:
            self._unanswered[session] += 1
            yield Deliver(session, message)

    def _too_many_requests(self, session: SessionKey, message: JSONRPCRequest) -> tuple[Action, ...]:
        text = f"{self._limits.max_requests} requests of this client are unanswered, which is the limit."
        return (
            Note("full inbox", f"Client {session.client_id} asks faster than it is served: its requests are refused."),
            Answer(session.client_id, error_answer(message.id, ErrorCode.TOO_MANY_REQUESTS, text)),
        )

    def _disconnected(self, client_id: str) -> Iterator[Action]:
        # A client may say it on two topics, and its will may say it again.
        if session := self._sessions.get(client_id):
            yield self._close(session, "the client left", unsubscribe=True)
        yield from self._forget(client_id)

    def _forget(self, client_id: str) -> Iterator[Action]:
        if client_id in self._lapsed:
            del self._lapsed[client_id]
            yield Forget(client_id)

    def _close(self, session: SessionKey, reason: str, *, unsubscribe: bool, tell: bool = False) -> Close:
        del self._sessions[session.client_id]
        del self._unanswered[session]
        self._liveness.closed(session)
        return Close(session, reason, unsubscribe, tell)


_PING_ID = "mcp-mqtt-ping-"


def _answers_ping(message: JSONRPCMessage) -> bool:
    """Whether it answers a ping of ours: the SDK's session knows nothing of it."""
    if not isinstance(message, JSONRPCResponse | JSONRPCError):
        return False
    return isinstance(message.id, str) and message.id.startswith(_PING_ID)


def opens_session(message: JSONRPCRequest) -> bool:
    """Whether it may open a session: ``initialize``, ``server/discover``, or a request with the 2026-07-28 envelope."""
    if message.method in {"initialize", "server/discover"}:
        return True
    meta = (message.params or {}).get("_meta")
    return isinstance(meta, dict) and isinstance(meta.get(PROTOCOL_VERSION_META_KEY), str)


# Notifications for every client go out once, on the server's capability topic, not once per session.
_FOR_EVERY_CLIENT = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/resources/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/updated",
    }
)


def is_for_every_client(message: JSONRPCMessage) -> bool:
    """Whether what a session says belongs on the server's capability topic.

    Updates of a ``subscriptions/listen`` stream (2026-07-28) name that stream in ``_meta``: they are for one client.
    """
    if not isinstance(message, JSONRPCNotification) or message.method not in _FOR_EVERY_CLIENT:
        return False
    meta = (message.params or {}).get("_meta")
    return not (isinstance(meta, dict) and SUBSCRIPTION_ID_META_KEY in meta)
