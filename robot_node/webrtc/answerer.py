"""The part of the answerer: whoever offers to the robot gets its picture.

Signalling has an MQTT connection of its own, so that control and streaming cannot block or break each other. Media
does not pass through the broker: sessions outlive a lost signalling connection, and go on playing meanwhile.

Nothing here needs the media stack, which takes seconds to load on a Pi: signalling is up at once, and offers that
come before the stack wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from robot_node.core.log_context import in_session, new_session
from robot_node.core.rate_limit import RateLimiter, TokenBucket
from robot_node.core.state import RobotState
from robot_node.errors import SignalingError
from robot_node.mqtt import (
    Backoff,
    Broker,
    Connection,
    ConnectOptions,
    Incoming,
    LinkStatus,
    Subscription,
    keep_connected,
    tell_crash,
)
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.ice_servers import parse_ice_server
from robot_node.webrtc.media_stack import SessionOpener, load_media_stack
from robot_node.webrtc.messages import Announcements, BackendMessage, TextMessage, encode_message, messages_topic
from robot_node.webrtc.outbox import Outbox
from robot_node.webrtc.signaling import (
    MAX_CANDIDATES,
    MAX_MESSAGE_BYTES,
    PROXY_NAME,
    Answer,
    Candidate,
    Chat,
    EndOfCandidates,
    Message,
    Offer,
    Terminated,
    offering_client,
    offers_filter,
    parse,
    username_fragments,
)
from robot_node.webrtc.stats import TOO_MANY_OFFERS, TOO_MANY_VIEWERS, Cause, OpenSession, SessionEnd, Statistics
from robot_node.webrtc.streams import Streams

if TYPE_CHECKING:
    from robot_node.webrtc.session import Session

logger = logging.getLogger(__name__)

# MQTT's own header and the topic, on top of the message.
_PACKET_OVERHEAD_BYTES = 1024
# Clients whose candidates came before their offer.
_MAX_WAITING_CLIENTS = 64
_MAX_COMPLAINTS = 256
_GOODBYE_LIMIT_S = 2.0
# How many minutes' worth of offers may come at once: a person who toggles what is sent makes one each time, and all the
# viewers of a robot may come back together.
_BURST_MINUTES = 0.5


async def answer(
    broker: Broker,
    server_id: str,
    streams: Streams,
    settings: WebRtcSettings,
    state: RobotState,
    *,
    statistics: Statistics | None = None,
    load_after: asyncio.Event | None = None,
    backoff: Backoff | None = None,
    on_status: Callable[[LinkStatus], None] = lambda _: None,
    on_ready: Callable[[], None] = lambda: None,
    announcements: Announcements | None = None,
    on_chat: Callable[[str, str], str] = lambda _client_id, _text: "",
) -> None:
    """Answer the offers to a robot until cancelled; then tell every viewer, and close everything.

    Args:
        broker: Where signalling happens; the MQTT client id there is ``{server_id}-webrtc``.
        server_id: The robot's id: offers come to ``$webrtc/+/{server_id}``.
        streams: What viewers see; stays open.
        settings: Limits and ICE servers; with ``proxy``, offers to ``multimedia_proxy`` are answered too.
        state: Is told the number of connected viewers.
        statistics: Counts what happens.
        load_after: The media stack is loaded, in a thread, once this is set; None for at once.
        backoff: Delays between attempts to connect.
        on_status: Told of each change of the signalling connection.
        on_ready: Called each time that offers can arrive, after the broker acknowledged the subscription.
        announcements: What every connected viewer is told.
        on_chat: Given a viewer's client id and what it typed; returns what it is told about that, or nothing.

    Raises:
        SettingsError: an ICE server's address cannot be used.
    """
    names = [server_id, PROXY_NAME] if settings.proxy else [server_id]
    for url in settings.ice_servers:
        parse_ice_server(url)
    options = ConnectOptions(
        client_id=f"{server_id}-webrtc", max_packet_bytes=MAX_MESSAGE_BYTES + _PACKET_OVERHEAD_BYTES
    )
    statistics = statistics or Statistics()
    statistics.count_keyframes_with(streams.keyframes_forced)
    async with tell_crash(on_status, "WebRTC"), asyncio.TaskGroup() as group:
        answerer = _Answerer(settings, state, statistics, group, on_chat)
        stop_announcing = announcements.listen(answerer.announce) if announcements else lambda: None

        async def serve(connection: Connection) -> None:
            # What waited for the old connection is stale: nobody waits for those answers any more.
            answerer.outbox.clear()
            connection.on_message = answerer.receive
            await connection.subscribe(*(Subscription(offers_filter(name)) for name in names))
            on_ready()
            await answerer.outbox.send_through(connection)

        link = group.create_task(
            keep_connected(broker, options, serve, name="WebRTC", backoff=backoff, on_status=on_status),
            name="WebRTC signalling",
        )
        try:
            if load_after is not None:
                await load_after.wait()
            answerer.open_sessions_with(await load_media_stack(streams, settings, state))
            await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_LIMIT_S):
                    await answerer.leave()
            stop_announcing()
            answerer.close()
            link.cancel()


@dataclass(slots=True)
class _Client:
    """What is known of one client id: at most one session, and at most one offer that waits to replace it."""

    id: str
    candidates: deque[Candidate] = field(default_factory=lambda: deque(maxlen=MAX_CANDIDATES))
    offer: Offer | None = None
    offer_log_name: str = ""
    log_name: str = ""
    session: Session | None = None
    task: asyncio.Task[None] | None = None
    forget: asyncio.TimerHandle | None = None


class _Answerer:
    """Finds the session that a message belongs to. Every message is handled at once; only sessions wait."""

    def __init__(
        self,
        settings: WebRtcSettings,
        state: RobotState,
        statistics: Statistics,
        group: asyncio.TaskGroup,
        on_chat: Callable[[str, str], str],
    ) -> None:
        self._statistics = statistics
        self._group = group
        self._on_chat = on_chat
        self._settings = settings
        self._state = state
        self._open_session: SessionOpener | None = None
        self._can_open = asyncio.Event()
        self._clients: dict[str, _Client] = {}
        self._complaints: OrderedDict[str, None] = OrderedDict()
        self._leaving = False
        self._clock = asyncio.get_running_loop().time
        self._offers = RateLimiter(settings.offers_per_minute, burst=_burst(settings.offers_per_minute))
        in_all = settings.all_offers_per_minute
        self._all_offers = TokenBucket(in_all / 60, _burst(in_all), self._clock())
        self.outbox = Outbox()

    def open_sessions_with(self, open_session: SessionOpener) -> None:
        """Serve from now on, beginning with the offers that have waited for it."""
        self._open_session = open_session
        self._can_open.set()

    def receive(self, incoming: Incoming) -> None:
        """Handle one message from the broker."""
        try:
            client_id = offering_client(incoming.topic)
        except SignalingError as error:
            self._complain(incoming.topic, error)
            return
        try:
            self._handle(client_id, parse(incoming.payload))
        except SignalingError as error:
            self._complain(client_id, error)
            client = self._clients.get(client_id)
            if client is None or client.task is None:
                # Whoever has a session keeps it: one bad message changes nothing else.
                self.outbox.put(client_id, Terminated(str(error)))

    def announce(self, message: BackendMessage) -> None:
        """Tell every connected viewer what the robot says."""
        payload = encode_message(message)
        for client in self._clients.values():
            if client.session is not None and client.session.connected:
                self.outbox.publish(messages_topic(client.id), payload)

    async def leave(self) -> None:
        """Tell every viewer, and wait until its session is closed and it could be told."""
        self._leaving = True
        self._can_open.set()  # nobody waits for it any more
        tasks = [client.task for client in self._clients.values() if client.task is not None]
        for client in self._clients.values():
            waited, client.offer = client.offer is not None, None
            if client.session is not None:
                client.session.end(Cause.LEAVING)
            elif waited:
                self.outbox.put(client.id, Terminated("The robot is leaving."))
        if tasks:
            await asyncio.wait(tasks)
        await self.outbox.flush()

    def close(self) -> None:
        """Forget every client."""
        for client in tuple(self._clients.values()):
            self._forget(client)
        self._count_viewers()

    def _handle(self, client_id: str, message: Message) -> None:
        if self._leaving:
            return
        match message:
            case Offer():
                self._take_offer(client_id, message)
            case Candidate():
                self._take_candidate(client_id, message)
            case Terminated(reason):
                self._take_termination(client_id, reason)
            case Chat(text):
                self._take_chat(client_id, text)
            case EndOfCandidates():
                pass  # candidates never end for us: see Trickle.take
            case _:
                raise SignalingError("The robot answers offers; it has made none that could be answered.")

    def _take_offer(self, client_id: str, offer: Offer) -> None:
        self._statistics.offer()
        self._limit_offers(client_id)
        client = self._clients.get(client_id)
        if client is None or client.task is None:
            serving = sum(client.task is not None for client in self._clients.values())
            if serving >= self._settings.max_viewers:
                self._statistics.refused(TOO_MANY_VIEWERS)
                raise SignalingError(
                    f"The robot already has {self._settings.max_viewers} viewers, as many as it takes.",
                    remedy="Try again later.",
                )
        client = client or self._add_client(client_id)
        client.offer, client.offer_log_name = offer, new_session("webrtc", client_id)
        with in_session(client.offer_log_name):
            logger.debug("Viewer %r offers", client_id)
        if client.task is None:
            if client.forget is not None:
                client.forget.cancel()
            client.task = self._group.create_task(self._serve(client), name=f"WebRTC viewer {client_id}")
        elif client.session is not None:
            client.session.end(Cause.REPLACED)

    def _limit_offers(self, client_id: str) -> None:
        now = self._clock()
        if wait_s := max(self._offers.wait_s(client_id, now), self._all_offers.wait_s(now)):
            self._statistics.refused(TOO_MANY_OFFERS)
            raise SignalingError("Too many offers.", remedy=f"Try again in {math.ceil(wait_s)} s.")
        self._offers.take(client_id, now)
        self._all_offers.take(now)

    def _take_candidate(self, client_id: str, candidate: Candidate) -> None:
        client = self._clients.get(client_id) or self._add_client(client_id)
        # Also kept for the next offer: it may belong to one that is still on its way.
        client.candidates.append(candidate)
        if client.session is not None and client.offer is None:
            with in_session(client.log_name):
                client.session.add_candidate(candidate)

    def _take_termination(self, client_id: str, reason: str) -> None:
        client = self._clients.get(client_id)
        if client is None:
            return
        client.offer = None
        client.candidates.clear()
        if client.session is not None:
            client.session.end(Cause.TERMINATED, reason and f"Terminated by the viewer: {reason[:200]!r}.")
        elif client.task is None:
            self._forget(client)

    def _take_chat(self, client_id: str, text: str) -> None:
        client = self._clients.get(client_id)
        if client is None or client.session is None or not client.session.connected:
            return  # only who watches may write: there are never more of them than max_viewers
        if reply := self._on_chat(client_id, text):
            self.outbox.publish(messages_topic(client_id), encode_message(TextMessage(reply)))

    def _add_client(self, client_id: str) -> _Client:
        waiting = [client for client in self._clients.values() if client.task is None]
        if len(waiting) >= _MAX_WAITING_CLIENTS:
            self._forget(waiting[0])
        client = self._clients[client_id] = _Client(client_id)
        self._wait_for_offer(client)
        return client

    def _wait_for_offer(self, client: _Client) -> None:
        loop = asyncio.get_running_loop()
        client.forget = loop.call_later(self._settings.connect_timeout_s, self._no_offer_came, client)

    def _no_offer_came(self, client: _Client) -> None:
        self._complain(client.id, SignalingError("Candidates came, but no offer that they could belong to."))
        self._forget(client)

    def _forget(self, client: _Client) -> None:
        if client.forget is not None:
            client.forget.cancel()
        if self._clients.get(client.id) is client:
            del self._clients[client.id]

    async def _serve(self, client: _Client) -> None:
        """Serve one client id, one session after the other, for as long as new offers replace the old."""
        try:
            await self._can_open.wait()
            while (offer := client.offer) is not None and self._open_session is not None:
                client.offer, client.log_name = None, client.offer_log_name
                with in_session(client.log_name):
                    end = await self._serve_offer(client, offer, self._open_session)
                    self._log_end(client, end)
                if end.cause not in {Cause.REPLACED, Cause.TERMINATED}:
                    client.candidates.clear()
                if end.worth_telling and client.offer is None:
                    self.outbox.put(client.id, Terminated(end.reason))
        finally:
            client.task = None
            if client.candidates and not self._leaving:
                self._wait_for_offer(client)  # they came after the end, for an offer that is still on its way
            else:
                self._forget(client)

    async def _serve_offer(self, client: _Client, offer: Offer, open_session: SessionOpener) -> SessionEnd:
        end = SessionEnd(Cause.LEAVING, "The robot is leaving.")
        counted: OpenSession | None = None
        try:
            session = open_session(
                offer,
                client_id=client.id,
                send=lambda message: self._send(client.id, message),
                on_connected=lambda: self._viewer_connected(client),
            )
            for candidate in self._candidates_for(client, offer):
                session.add_candidate(candidate)
            client.session = session
            counted = self._statistics.begin(session.stats)
            end = await session.run()
        except Exception:  # one viewer's failure, of whatever kind, is no reason to stop serving the others
            logger.exception("The session of viewer %r failed", client.id)
            end = SessionEnd(Cause.FAILED, "The session failed inside the robot.")
        finally:
            if counted is None:
                self._statistics.refused(end.cause.name.lower())
            else:
                counted.end(end)
            client.session = None
            self._count_viewers()
        return end

    def _send(self, client_id: str, message: Message) -> None:
        if isinstance(message, Answer):
            self._statistics.answer()
        self.outbox.put(client_id, message)

    def _log_end(self, client: _Client, end: SessionEnd) -> None:
        if end.cause is Cause.REFUSED:
            self._complain(client.id, SignalingError(end.reason))
            return
        level = logging.DEBUG if end.cause is Cause.REPLACED else logging.INFO
        text = "The session of viewer %r is over: %s (%d frames sent, %d dropped)"
        logger.log(level, text, client.id, end.reason, end.frames_sent, end.frames_dropped)

    def _candidates_for(self, client: _Client, offer: Offer) -> list[Candidate]:
        """Take what came before the offer, without what belongs to an older one."""
        fragments = username_fragments(offer.sdp)
        fitting = [c for c in client.candidates if c.username_fragment is None or c.username_fragment in fragments]
        client.candidates.clear()
        return fitting

    def _viewer_connected(self, client: _Client) -> None:
        logger.info("Viewer %r is connected", client.id)
        self._statistics.connected()
        self._count_viewers()

    def _count_viewers(self) -> None:
        sessions = [client.session for client in self._clients.values() if client.session is not None]
        self._state.update(viewers=sum(session.connected for session in sessions))

    def _complain(self, about: str, error: SignalingError) -> None:
        """Log what is wrong with a client once: whoever floods us must not flood the log."""
        if about in self._complaints:
            self._complaints.move_to_end(about)
            logger.debug("Signalling from %r: %s", about, error)
            return
        self._complaints[about] = None
        if len(self._complaints) > _MAX_COMPLAINTS:
            self._complaints.popitem(last=False)
        logger.warning("Signalling from %r: %s", about, error)


def _burst(per_minute: float) -> float:
    return max(1.0, per_minute * _BURST_MINUTES)
