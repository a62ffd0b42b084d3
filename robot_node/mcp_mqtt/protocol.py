"""The server's side of MCP over MQTT as pure logic: a message in, actions out. No I/O, no clock, nothing raised.

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
    RequestId,
)

from robot_node.core.rate_limit import RateLimiter
from robot_node.core.text import SHOWN_CHARACTERS, bounded, shown
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
from robot_node.mcp_mqtt.jsonrpc import DISCONNECTED, ErrorCode, Malformed, error_answer, parse
from robot_node.mcp_mqtt.liveness import Liveness, Verdict
from robot_node.mcp_mqtt.options import ServerLimits
from robot_node.mcp_mqtt.session_record import SessionRecord
from robot_node.mcp_mqtt.topics import Channel, ServerTopics
from robot_node.mqtt import Incoming
from robot_node.mqtt.identifiers import is_client_id

# A session keeps for its life what its client says of itself when it opens it.
OPENING_BYTES, OPENING_VALUES = 64 * 1024, 2_000
_REPLACEMENTS_PER_MINUTE = 6
_REPLACEMENTS_AT_ONCE = 20
_ALLOWED: tuple[bool, tuple[Action, ...]] = (True, ())
_FORBIDDEN: tuple[bool, tuple[Action, ...]] = (False, ())


class ServerProtocol:
    """What one server, on one connection, does about what it receives.

    Args:
        server_topics: The server's topics.
        limits: The server's limits.
    """

    def __init__(self, server_topics: ServerTopics, limits: ServerLimits) -> None:
        self._topics = server_topics
        self._limits = limits
        self._sessions: dict[str, SessionRecord] = {}
        # Replaced sessions, the oldest first, whose calls have not all ended.
        self._retired: OrderedDict[SessionKey, SessionRecord] = OrderedDict()
        # Clients whose idle session ended, and whose topics are kept so that their next request gets an error.
        self._lapsed: OrderedDict[str, None] = OrderedDict()
        self._session_number = 0
        self._pings = 0
        self._liveness: Liveness[SessionKey] = Liveness(limits)
        # Any client id can be claimed on the control topic: this limits how often a stranger ends another's session.
        self._replacements = RateLimiter(_REPLACEMENTS_PER_MINUTE, burst=_REPLACEMENTS_AT_ONCE)

    @property
    def sessions(self) -> tuple[SessionKey, ...]:
        """The sessions that live; not those that were replaced."""
        return tuple(record.key for record in self._sessions.values())

    def is_current(self, session: SessionKey) -> bool:
        """Whether the session lives, and was not replaced."""
        record = self._sessions.get(session.client_id)
        return record is not None and record.key.number == session.number

    @property
    def next_tick(self) -> float | None:
        """When :meth:`tick` is to be called at the latest; None while nobody's silence is limited."""
        return self._liveness.next_deadline

    def receive(self, incoming: Incoming, now: float) -> tuple[Action, ...]:
        """What to do about a message, in order.

        Args:
            incoming: A PUBLISH that reached the server.
            now: When, in seconds of a clock that never goes back; the same one for :meth:`tick`.
        """
        sender = self._sender_of(incoming)
        if isinstance(sender, LogNotice):
            return (sender,)
        channel, client_id = sender
        most_bytes, most_values = self._limits.max_message_bytes, self._limits.max_message_values
        if channel is Channel.CONTROL:
            most_bytes, most_values = min(most_bytes, OPENING_BYTES), min(most_values, OPENING_VALUES)
        message = parse(incoming.payload, most_bytes, most_values)
        if channel is not Channel.CONTROL and (record := self._sessions.get(client_id)):
            self._liveness.touch(record.key, now, answers_ping=_answers_ping(message))
        if isinstance(message, Malformed):
            return _malformed(channel, client_id, message)
        if channel is Channel.RPC:
            return self._on_rpc(client_id, message)
        if channel is Channel.CONTROL:
            return self._on_control(client_id, message, now)
        return self._on_notification(channel, client_id, message)

    def tick(self, now: float) -> tuple[Action, ...]:
        """What to do about sessions that are silent for too long."""
        return tuple(self._tick(now))

    def ping_not_sent(self, session: SessionKey, now: float) -> None:
        """A ping could not be sent: the client need not answer it."""
        self._liveness.touch(session, now, answers_ping=True)

    def answered(
        self,
        session: SessionKey,
        request_id: RequestId | None,
        answer: JSONRPCResponse | JSONRPCError | None = None,
    ) -> tuple[bool, tuple[Action, ...]]:
        """Count an answer that is about to be published.

        Args:
            session: Whose answer it is.
            request_id: Of the answered request.
            answer: The answer; None when there will be none because the client cancelled the request.

        Returns:
            Whether it may be published, which it must not when the session has ended, or when the session that replaced
            it uses the same id; and what to do afterwards.
        """
        record = self._sessions.get(session.client_id)
        if record is not None and record.key.number == session.number:
            record.remove_request(request_id, answer)
            return _ALLOWED
        record = self._retired.get(session)
        if record is None:
            return _FORBIDDEN
        allowed = record.may_answer(request_id)
        record.remove_request(request_id, answer)
        if record.has_calls:
            return _ALLOWED if allowed else _FORBIDDEN
        del self._retired[session]
        return allowed, (Close(session, "the last call of a replaced session has ended", unsubscribe=False),)

    def refused(self, session: SessionKey, message: JSONRPCMessage) -> tuple[Action, ...]:
        """What to do when the session's inbox had no room for a message that was to be delivered."""
        if isinstance(message, JSONRPCRequest):
            self.answered(session, message.id)
            text = "The inbox of this client is full: it sends faster than it is served."
            answer = Answer(session.client_id, error_answer(message.id, ErrorCode.INBOX_FULL, text))
            return (LogNotice("full inbox", f"Refused a request of client {session.client_id}. {text}"), answer)
        text = f"Client {session.client_id} sends faster than it is served: a message is lost."
        return (LogNotice("full inbox", text),)

    def ended(self, session: SessionKey, reason: str) -> tuple[Action, ...]:
        """What to do when the session ended by itself, or must end for a reason of ours."""
        if self._retired.pop(session, None):
            return (Close(session, reason, unsubscribe=False),)
        return (self._close(session, reason, unsubscribe=True, notify=True),) if self.is_current(session) else ()

    def _tick(self, now: float) -> Iterator[Action]:
        for session, verdict in self._liveness.due(now):
            if verdict is Verdict.PING:
                self._pings += 1
                yield Ping(session, f"{_PING_ID}{self._pings}")
            elif verdict is Verdict.GONE:
                yield self._close(session, "the client did not answer a ping", unsubscribe=True, notify=True)
            elif not self._sessions[session.client_id].unanswered:
                # A client that waits for an answer, or listens to a stream of changes, has nothing to say meanwhile.
                yield self._close(session, "the client was idle for too long", unsubscribe=False, notify=True)
                self._lapsed[session.client_id] = None
                if len(self._lapsed) > self._limits.max_sessions:
                    yield UnsubscribeClient(self._lapsed.popitem(last=False)[0])

    def _sender_of(self, incoming: Incoming) -> tuple[Channel, str] | LogNotice:
        """Which client sent a message, and on which of its topics; else why the message is ignored."""
        if incoming.retain:
            # MCP over MQTT retains nothing but a server's presence: a retained request is a mistake of long ago.
            return LogNotice("retained", f"Ignored a retained message on {incoming.topic}: it should not be there.")
        parsed = self._topics.parse(incoming.topic)
        if parsed is None:
            text = f"Ignored a message on {incoming.topic}, which is no topic of this server."
            return LogNotice("foreign topic", text)
        channel, client_id = parsed
        claimed = incoming.user_property("MCP-MQTT-CLIENT-ID")
        if channel is Channel.CONTROL:
            # "Life of a session" 3: on the control topic the user property is what names the client.
            if claimed is not None and is_client_id(claimed):
                return channel, claimed
            who = "no client id" if claimed is None else f"the client id {bounded(claimed, SHOWN_CHARACTERS)!r}"
            text = f"Ignored a message on the control topic with {who}: there is no topic for an answer."
            return LogNotice("unknown sender", text)
        if claimed is None or claimed == client_id:
            return channel, client_id
        text = (
            f"Ignored a message of {bounded(claimed, SHOWN_CHARACTERS)!r} on the {channel.value} topic of {client_id}."
        )
        return LogNotice("wrong sender", text)

    def _on_notification(self, channel: Channel, client_id: str, message: JSONRPCMessage) -> tuple[Action, ...]:
        """A message on a client's presence or capability topic."""
        if not isinstance(message, JSONRPCNotification):
            text = f"Client {client_id} sent no notification on its {channel.value} topic: ignored."
            return (LogNotice("wrong topic", text),)
        if channel is Channel.CLIENT_PRESENCE:
            return self._disconnected(client_id) if message.method == DISCONNECTED else ()
        record = self._sessions.get(client_id)
        return () if record is None else (Deliver(record.key, message),)

    def _on_control(self, client_id: str, message: JSONRPCMessage, now: float) -> tuple[Action, ...]:
        if not isinstance(message, JSONRPCRequest):
            return (LogNotice("wrong topic", f"Client {client_id} sent no request on the control topic: ignored."),)
        if not opens_session(message):
            text = f"{shown(message.method)} is not available on the control topic: it opens no session."
            return (Answer(client_id, error_answer(message.id, METHOD_NOT_FOUND, text)),)
        if previous := self._sessions.get(client_id):
            return self._replace(previous, message, now)
        if len(self._sessions) >= self._limits.max_sessions:
            text = f"The server already has {self._limits.max_sessions} sessions, its limit."
            answer = error_answer(message.id, ErrorCode.TOO_MANY_SESSIONS, text)
            return (LogNotice("too many sessions", f"Refused client {client_id}. {text}"), Answer(client_id, answer))
        return self._open(client_id, message, now)

    def _replace(self, previous: SessionRecord, message: JSONRPCRequest, now: float) -> tuple[Action, ...]:
        client_id = previous.key.client_id
        if previous.is_repeated_by(message):
            # "Life of a session" 3: EMQX's bridge repeats it at each presence message.
            repeated = previous.answer_repeated(message)
            return () if repeated is None else (Answer(client_id, repeated),)
        if wait_s := self._replacements.wait_s(client_id, now):
            text = f"The session of this client was replaced too often. Try again in {math.ceil(wait_s)} s."
            answer = error_answer(message.id, ErrorCode.REPLACED_TOO_OFTEN, text)
            notice = LogNotice("replaced too often", f"Kept the session of client {client_id}. {text}")
            return (notice, Answer(client_id, answer))
        self._replacements.take(client_id, now)
        return (*self._retire(previous), *self._open(client_id, message, now))

    def _open(self, client_id: str, message: JSONRPCRequest, now: float) -> tuple[Action, ...]:
        self._lapsed.pop(client_id, None)
        self._session_number += 1
        session = SessionKey(client_id, self._session_number)
        self._sessions[client_id] = SessionRecord(session, message)
        self._withhold_answers(client_id, message.id)
        # The 2026-07-28 era knows no requests of a server to its client, not even a ping.
        self._liveness.add(session, now, can_be_pinged=message.method == "initialize")
        return (Open(session), Deliver(session, message))

    def _retire(self, record: SessionRecord) -> tuple[Action, ...]:
        # "Life of a session" 3: a replaced session's calls end by themselves, and are answered.
        closing = self._close(record.key, "the client opened a new session", unsubscribe=False, replaced=True)
        if not record.has_calls:
            return (closing,)
        self._retired[record.key] = record
        if len(self._retired) <= self._limits.max_sessions:
            return (Retire(record.key),)
        oldest, _ = self._retired.popitem(last=False)
        reason = "too many replaced sessions have calls that do not end"
        return (Retire(record.key), Close(oldest, reason, unsubscribe=False))

    def _withhold_answers(self, client_id: str, request_id: RequestId) -> None:
        for session, record in self._retired.items():
            if session.client_id == client_id:
                record.withhold_answer(request_id)

    def _on_rpc(self, client_id: str, message: JSONRPCMessage) -> tuple[Action, ...]:
        record = self._sessions.get(client_id)
        if isinstance(message, JSONRPCRequest):
            if record is None:
                return self._no_session(client_id, message)
            if record.unanswered >= self._limits.max_requests:
                return self._too_many_requests(record.key, message)
            record.add_request(message)
            if self._retired:
                self._withhold_answers(client_id, message.id)
        elif isinstance(message, JSONRPCNotification):
            if message.method == DISCONNECTED:
                return self._disconnected(client_id)
        elif _answers_ping(message):
            return ()
        return () if record is None else (Deliver(record.key, message),)

    def _no_session(self, client_id: str, message: JSONRPCRequest) -> tuple[Action, ...]:
        why = "It was idle for too long" if client_id in self._lapsed else "There is none"
        text = f"No session of this client. {why}: open one on the control topic."
        answer = Answer(client_id, error_answer(message.id, ErrorCode.NO_SESSION, text))
        return (answer, *self._unsubscribe_lapsed(client_id))

    def _too_many_requests(self, session: SessionKey, message: JSONRPCRequest) -> tuple[Action, ...]:
        notice = f"Client {session.client_id} asks faster than it is served: its requests are refused."
        text = f"{self._limits.max_requests} requests of this client are unanswered, which is the limit."
        return (
            LogNotice("full inbox", notice),
            Answer(session.client_id, error_answer(message.id, ErrorCode.TOO_MANY_REQUESTS, text)),
        )

    def _disconnected(self, client_id: str) -> tuple[Action, ...]:
        # A client may send it on two topics, and its will may send it again.
        replaced = [session for session in self._retired if session.client_id == client_id]
        for session in replaced:
            del self._retired[session]
        closing = tuple(Close(session, "the client left", unsubscribe=False) for session in replaced)
        if record := self._sessions.get(client_id):
            return (*closing, self._close(record.key, "the client left", unsubscribe=True))
        return (*closing, *self._unsubscribe_lapsed(client_id))

    def _unsubscribe_lapsed(self, client_id: str) -> tuple[Action, ...]:
        if client_id not in self._lapsed:
            return ()
        del self._lapsed[client_id]
        return (UnsubscribeClient(client_id),)

    def _close(
        self, session: SessionKey, reason: str, *, unsubscribe: bool, notify: bool = False, replaced: bool = False
    ) -> Close:
        del self._sessions[session.client_id]
        self._liveness.remove(session)
        return Close(session, reason, unsubscribe, notify, replaced)


def _malformed(channel: Channel, client_id: str, message: Malformed) -> tuple[Action, ...]:
    notice = LogNotice("malformed", f"Client {client_id} sent on its {channel.value} topic: {message.reason}")
    # Only where a request may travel is an answer expected.
    if message.answer is None or channel not in {Channel.CONTROL, Channel.RPC}:
        return (notice,)
    return (notice, Answer(client_id, message.answer))


_PING_ID = "mcp-mqtt-ping-"


def _answers_ping(message: JSONRPCMessage | Malformed) -> bool:
    """Whether it answers a ping of ours, which the SDK's session doesn't know."""
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
    """Whether a session's message belongs on the server's capability topic.

    Updates of a ``subscriptions/listen`` stream (2026-07-28) name that stream in ``_meta``: they are for one client.
    """
    if not isinstance(message, JSONRPCNotification) or message.method not in _FOR_EVERY_CLIENT:
        return False
    meta = (message.params or {}).get("_meta")
    return not (isinstance(meta, dict) and SUBSCRIPTION_ID_META_KEY in meta)
