"""The answering side of WebRTC: offers to the robot become sessions with viewers.

Signalling has an MQTT connection of its own, so that control and streaming cannot block or break each other. Media
does not pass through the broker: sessions outlive a lost signalling connection, and go on playing meanwhile.

Nothing here needs the media stack, which takes seconds to load on a Pi: signalling is up at once, and offers that
come before the stack wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable

from robot_node.core.state import RobotState
from robot_node.errors import BrokerError, SignalingError
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
from robot_node.webrtc.direct import PREFIX, DirectSignaling
from robot_node.webrtc.ice_servers import parse_ice_server
from robot_node.webrtc.media_stack import load_media_stack
from robot_node.webrtc.messages import (
    Announcements,
    AsrResponse,
    BackendMessage,
    DataMessage,
    TextMessage,
    device_messages_filter,
    encode_message,
    messages_topic,
    parse_message,
    sending_device,
)
from robot_node.webrtc.outbox import Outbox
from robot_node.webrtc.signaling import (
    MAX_MESSAGE_BYTES,
    PROXY_NAME,
    Candidate,
    Chat,
    EndOfCandidates,
    Message,
    Offer,
    Terminated,
    offering_client,
    offers_filter,
    parse,
)
from robot_node.webrtc.stats import Statistics
from robot_node.webrtc.streams import Streams
from robot_node.webrtc.viewers import Viewers

logger = logging.getLogger(__name__)

# MQTT's own header and the topic, on top of the message.
_PACKET_OVERHEAD_BYTES = 1024
_MAX_COMPLAINTS = 256
_CAMERA = "camera"
"""User property of an offer: which cameras the viewer wants to see."""
_VIDEO, _SMALL = "video", "small"
"""User property of an offer, and its value: the small video is enough."""
_SOUND, _RECOGNISED = "sound", "recognised"
"""Likewise: what the viewer says is for the robot itself, not for its loudspeaker."""
_GOODBYE_LIMIT_S = 2.0


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
    on_data: Callable[[str, object], str] = lambda _client_id, _payload: "",
    direct: DirectSignaling | None = None,
) -> None:
    """Answer the offers to a robot until cancelled; then notify every viewer, and close everything.

    Args:
        broker: Carries the signalling; the MQTT client id is ``{server_id}-webrtc``.
        server_id: The robot's id: offers come to ``$webrtc/+/{server_id}``.
        streams: Video and sound for viewers; stay open.
        settings: Limits and ICE servers; with ``proxy``, offers to ``multimedia_proxy`` are answered too.
        state: Gets the number of connected viewers.
        statistics: Counts what happens.
        load_after: The media stack is loaded, in a thread, once this is set; None for at once.
        backoff: Delays between attempts to connect.
        on_status: Called at each change of the signalling connection.
        on_ready: Called each time that offers can arrive, after the broker acknowledged the subscription.
        announcements: Messages of the robot to every connected viewer.
        on_chat: Called with a viewer's client id and what it typed; returns a reply, or nothing.
        on_data: Likewise, with JSON that a viewer's program sent.
        direct: Viewers that come by another way than the broker.

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
        direct = direct or DirectSignaling()
        answerer = _Answerer(settings, state, statistics, group, on_chat=on_chat, on_data=on_data, direct=direct)
        stop_announcing = announcements.listen(answerer.announce) if announcements else lambda: None

        async def serve(connection: Connection) -> None:
            # Messages for the old connection are stale: the viewers have stopped waiting for those answers.
            answerer.outbox.clear()
            connection.on_message = answerer.receive
            await connection.subscribe(*(Subscription(offers_filter(name)) for name in names))
            if settings.proxy:
                await _subscribe_device_messages(connection)
            on_ready()
            await answerer.outbox.send_through(connection)

        link = group.create_task(
            keep_connected(broker, options, serve, name="WebRTC", backoff=backoff, on_status=on_status),
            name="WebRTC signalling",
        )
        try:
            if load_after is not None:
                await load_after.wait()
            with direct.serving(answerer.viewers):
                open_session = await load_media_stack(streams, settings, state)
                answerer.viewers.open_sessions_with(open_session, has_small_video=streams.has_small_video)
                await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_LIMIT_S):
                    await answerer.leave()
            stop_announcing()
            answerer.viewers.close()
            link.cancel()


async def _subscribe_device_messages(connection: Connection) -> None:
    try:
        await connection.subscribe(Subscription(device_messages_filter(PROXY_NAME)))
    except BrokerError as error:  # access rules made for an earlier version: video works without it
        logger.warning("What visitors type or tap in the page of a media backend is lost: %s", error)


class _Answerer:
    """Dispatches signalling messages. Used from the event loop only."""

    def __init__(
        self,
        settings: WebRtcSettings,
        state: RobotState,
        statistics: Statistics,
        group: asyncio.TaskGroup,
        *,
        on_chat: Callable[[str, str], str],
        on_data: Callable[[str, object], str],
        direct: DirectSignaling,
    ) -> None:
        self._direct = direct
        self._on_chat = on_chat
        self._on_data = on_data
        self._complaints: OrderedDict[str, None] = OrderedDict()
        self.outbox = Outbox()
        self.viewers = Viewers(settings, state, statistics, group, send=self._send, complain=self._complain)

    def receive(self, incoming: Incoming) -> None:
        """Handle one message from the broker."""
        if incoming.retain:
            logger.debug("Ignored a retained message on %s: it was sent before the robot listened", incoming.topic)
            return
        if device := sending_device(incoming.topic):
            self._receive_device_message(device, incoming.payload)
            return
        try:
            client_id = offering_client(incoming.topic)
        except SignalingError as error:
            self._complain(incoming.topic, error)
            return
        try:
            self._handle(client_id, parse(incoming.payload), incoming)
        except SignalingError as error:
            self._complain(client_id, error)
            # A client that has a session keeps it: one bad message changes nothing else.
            if not self.viewers.is_served(client_id):
                self.outbox.put(client_id, Terminated(str(error)))

    def announce(self, message: BackendMessage) -> None:
        """Send a message of the robot to every connected viewer."""
        payload = encode_message(message)
        for client_id in self.viewers.connected():
            if client_id.startswith(PREFIX):
                continue  # what has come by HTTP has no topic
            self.outbox.publish(messages_topic(client_id), payload)

    async def leave(self) -> None:
        """End every session, and wait until the viewers are notified."""
        await self.viewers.leave()
        await self.outbox.flush()

    def _send(self, client_id: str, message: Message) -> None:
        if not self._direct.deliver(client_id, message):
            self.outbox.put(client_id, message)

    def _handle(self, client_id: str, message: Message, incoming: Incoming) -> None:
        match message:
            case Offer(sdp):
                camera = incoming.user_property(_CAMERA) or ""
                small = incoming.user_property(_VIDEO) == _SMALL and not camera  # only the first has one
                only_recognised = incoming.user_property(_SOUND) == _RECOGNISED
                self.viewers.offer(client_id, Offer(sdp, camera, small, only_recognised))
            case Candidate():
                self.viewers.candidate(client_id, message)
            case Terminated(reason):
                self.viewers.terminate(client_id, reason)
            case Chat(text):
                self._chat(client_id, text)
            case EndOfCandidates():
                pass  # candidates never end for us: see Trickle.take
            case _:
                raise SignalingError("The robot answers offers; it has made none that could be answered.")

    def _receive_device_message(self, client_id: str, payload: bytes) -> None:
        if not self.viewers.is_connected(client_id):
            return  # before it is parsed: anybody may send
        try:
            message = parse_message(payload)
        except SignalingError as error:
            self._complain(client_id, error)
            return
        match message:
            case TextMessage(text) | AsrResponse(text):
                self._chat(client_id, text)
            case DataMessage(value):
                self._reply(client_id, self._on_data(client_id, value))
            case _:
                pass  # what a device says is said to the people there

    def _chat(self, client_id: str, text: str) -> None:
        if not self.viewers.is_connected(client_id):
            return  # only viewers may write: there are never more of them than max_viewers
        self._reply(client_id, self._on_chat(client_id, text))

    def _reply(self, client_id: str, text: str) -> None:
        if text:
            self.outbox.publish(messages_topic(client_id), encode_message(TextMessage(text)))

    def _complain(self, about: str, error: SignalingError) -> None:
        """Log what is wrong with a client once: a flood of messages must not flood the log."""
        if about in self._complaints:
            self._complaints.move_to_end(about)
            logger.debug("Signalling from %r: %s", about, error)
            return
        self._complaints[about] = None
        if len(self._complaints) > _MAX_COMPLAINTS:
            self._complaints.popitem(last=False)
        logger.warning("Signalling from %r: %s", about, error)
