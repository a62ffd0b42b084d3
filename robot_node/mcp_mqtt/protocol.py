"""The server's side of MCP over MQTT as pure logic: a packet in, actions out. No I/O, no clock, nothing raised.

Source of every rule: MCP over MQTT (EMQX specification, 2025-03-26 revision), "Life of a session", and for the
2026-07-28 era of MCP the superset that docs describe: the message that opens a session travels on the control
topic, whichever it is; every later one on the RPC topic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
)

from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.jsonrpc import DISCONNECTED, ErrorCode, Malformed, error_answer, parse
from robot_node.mcp_mqtt.topics import Channel, ServerTopics


@dataclass(frozen=True, slots=True)
class Packet:
    """A PUBLISH that reached the server.

    Attributes:
        sender: User property ``MCP-MQTT-CLIENT-ID``; None when the packet has none.
        retain: The broker kept the message and delivers it late.
    """

    topic: str
    payload: bytes
    sender: str | None
    retain: bool = False


@dataclass(frozen=True, slots=True)
class SessionKey:
    """One session: a client id, and a number that tells it from earlier sessions of that id."""

    client_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Open:
    """Subscribe the client's topics, then serve the session; ``Deliver`` of its first message follows."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Deliver:
    """Put the message into the session's inbox."""

    session: SessionKey
    message: JSONRPCMessage


@dataclass(frozen=True, slots=True)
class Close:
    """Cancel the session and let nothing more of it out.

    Attributes:
        unsubscribe: Give up the client's topics too; False when another session of this client takes them over.
    """

    session: SessionKey
    reason: str
    unsubscribe: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Publish an error on the client's RPC topic."""

    client_id: str
    error: JSONRPCError


@dataclass(frozen=True, slots=True)
class Note:
    """Something to log, once in a while.

    Attributes:
        kind: Short and of a small set: notes of one kind are thinned out together.
        text: The whole sentence.
    """

    kind: str
    text: str


Action = Open | Deliver | Close | Answer | Note


class ServerProtocol:
    """What one server, on one connection, does about what it receives.

    Args:
        server_topics: The server's topics.
        max_sessions: Clients served at once.
        max_requests: Requests of one client that may be unanswered at once.
        max_message_bytes: Largest payload that is parsed.
    """

    def __init__(
        self, server_topics: ServerTopics, *, max_sessions: int, max_requests: int, max_message_bytes: int
    ) -> None:
        self._topics = server_topics
        self._max_sessions = max_sessions
        self._max_requests = max_requests
        self._max_message_bytes = max_message_bytes
        self._sessions: dict[str, SessionKey] = {}
        self._unanswered: dict[SessionKey, int] = {}
        self._opened = 0

    @property
    def sessions(self) -> tuple[SessionKey, ...]:
        """The sessions that live."""
        return tuple(self._sessions.values())

    def is_current(self, session: SessionKey) -> bool:
        """Whether the session lives: what a closed or replaced one still says must not reach the client."""
        return self._sessions.get(session.client_id) == session

    def receive(self, packet: Packet) -> tuple[Action, ...]:
        """What to do about a packet, in order."""
        return tuple(self._receive(packet))

    def answered(self, session: SessionKey) -> None:
        """A request of the session was answered, or will never be because the client cancelled it."""
        if self._unanswered.get(session):
            self._unanswered[session] -= 1

    def refused(self, session: SessionKey, message: JSONRPCMessage) -> tuple[Action, ...]:
        """The session's inbox had no room for a message that was to be delivered."""
        if isinstance(message, JSONRPCRequest):
            self.answered(session)
            return self._too_many_requests(session, message)
        return (Note("full inbox", f"Client {session.client_id} sends faster than it is served: a message is lost."),)

    def ended(self, session: SessionKey, reason: str) -> tuple[Action, ...]:
        """The session ended by itself, or must end for a reason of ours."""
        return (self._close(session, reason, unsubscribe=True),) if self.is_current(session) else ()

    def _receive(self, packet: Packet) -> Iterator[Action]:
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
            if not topics.is_client_id(client_id):
                who = "no client id" if packet.sender is None else f"the client id {client_id[:80]!r}"
                yield Note("unknown sender", f"Ignored a message on the control topic with {who}: nobody to answer to.")
                return
        elif packet.sender not in {None, client_id}:
            yield Note(
                "wrong sender",
                f"Ignored a message of {(packet.sender or '')[:80]!r} on the {channel.value} topic of {client_id}.",
            )
            return
        yield from self._from_client(channel, client_id, packet.payload)

    def _from_client(self, channel: Channel, client_id: str, payload: bytes) -> Iterator[Action]:
        message = parse(payload, self._max_message_bytes)
        if isinstance(message, Malformed):
            yield Note("malformed", f"Client {client_id} sent on its {channel.value} topic: {message.reason}")
            # Only where a request may travel is anybody waiting for an answer.
            if message.answer is not None and channel in {Channel.CONTROL, Channel.RPC}:
                yield Answer(client_id, message.answer)
        elif channel is Channel.CONTROL:
            yield from self._on_control(client_id, message)
        elif channel is Channel.RPC:
            yield from self._on_rpc(client_id, message)
        elif not isinstance(message, JSONRPCNotification):
            yield Note("wrong topic", f"Client {client_id} sent no notification on its {channel.value} topic: ignored.")
        elif channel is Channel.CLIENT_PRESENCE:
            if message.method == DISCONNECTED:
                yield from self._disconnected(client_id)
        elif session := self._sessions.get(client_id):
            yield Deliver(session, message)

    def _on_control(self, client_id: str, message: JSONRPCMessage) -> Iterator[Action]:
        if not isinstance(message, JSONRPCRequest):
            yield Note("wrong topic", f"Client {client_id} sent no request on the control topic: ignored.")
        elif not opens_session(message):
            text = f"{message.method} is not available on the control topic: it opens no session."
            yield Answer(client_id, error_answer(message.id, METHOD_NOT_FOUND, text))
        else:
            previous = self._sessions.get(client_id)
            if previous is None and len(self._sessions) >= self._max_sessions:
                text = f"The server already has {self._max_sessions} sessions, its limit."
                yield Note("too many sessions", f"Refused client {client_id}. {text}")
                yield Answer(client_id, error_answer(message.id, ErrorCode.TOO_MANY_SESSIONS, text))
                return
            if previous is not None:
                yield self._close(previous, "the client opened a new session", unsubscribe=False)
            self._opened += 1
            session = SessionKey(client_id, self._opened)
            self._sessions[client_id] = session
            self._unanswered[session] = 1
            yield Open(session)
            yield Deliver(session, message)

    def _on_rpc(self, client_id: str, message: JSONRPCMessage) -> Iterator[Action]:
        session = self._sessions.get(client_id)
        if isinstance(message, JSONRPCNotification) and message.method == DISCONNECTED:
            yield from self._disconnected(client_id)
        elif session is None:
            if isinstance(message, JSONRPCRequest):
                text = "There is no session of this client: open one on the control topic."
                yield Answer(client_id, error_answer(message.id, ErrorCode.NO_SESSION, text))
        elif not isinstance(message, JSONRPCRequest):
            yield Deliver(session, message)
        elif self._unanswered[session] >= self._max_requests:
            yield from self._too_many_requests(session, message)
        else:
            self._unanswered[session] += 1
            yield Deliver(session, message)

    def _too_many_requests(self, session: SessionKey, message: JSONRPCRequest) -> tuple[Action, ...]:
        text = f"{self._max_requests} requests of this client are unanswered, which is the limit."
        return (
            Note("full inbox", f"Client {session.client_id} asks faster than it is served: its requests are refused."),
            Answer(session.client_id, error_answer(message.id, ErrorCode.TOO_MANY_REQUESTS, text)),
        )

    def _disconnected(self, client_id: str) -> Iterator[Action]:
        # A client may say it on two topics, and its will may say it again.
        if session := self._sessions.get(client_id):
            yield self._close(session, "the client left", unsubscribe=True)

    def _close(self, session: SessionKey, reason: str, *, unsubscribe: bool) -> Close:
        del self._sessions[session.client_id]
        del self._unanswered[session]
        return Close(session, reason, unsubscribe)


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
