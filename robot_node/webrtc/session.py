"""One viewer: one peer connection, from its offer to its end.

:meth:`Session.run` is the session's life; the other methods hand it what arrives meanwhile and return at once.
However it ends, by whom or by what error, the peer connection is closed when ``run`` is left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiortc import (
    RTCDataChannel,
    RTCIceServer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError

from robot_node.errors import SignalingError
from robot_node.state import RobotState
from robot_node.webrtc import aiortc_hooks, status_channel
from robot_node.webrtc.audio import Sound, ViewerSound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.liveness import until_vanished
from robot_node.webrtc.negotiation import (
    GATHERING_LIMIT_S,
    VideoCodec,
    prefer_with_retransmission,
    rtc_candidate,
    video_codec_for,
)
from robot_node.webrtc.network_stats import NetworkStats
from robot_node.webrtc.peer_connection import PeerConnection
from robot_node.webrtc.session_end import Cause, SessionEnd
from robot_node.webrtc.signaling import (
    MAX_CANDIDATES,
    Answer,
    Candidate,
    Message,
    Offer,
    take_out_candidates,
)
from robot_node.webrtc.stats import SessionStats
from robot_node.webrtc.steps import log_steps
from robot_node.webrtc.tracks import BroadcastTrack
from robot_node.webrtc.trickle import send_late_candidates

logger = logging.getLogger(__name__)

_CLOSE_LIMIT_S = 5.0


class Session:
    """A session with one viewer.

    Args:
        offer: What the viewer offered.
        broadcast: Where its frames come from, as H.264.
        send: Sends a message to the viewer.
        on_connected: Called once, when media can flow.
        client_id: The viewer's.
        vp8: Where the frames for a viewer without H.264 come from; None when such a viewer is refused.
        sound: What the viewer may hear, and where it may be heard.
        state: What the viewer is told on its data channel ``status``; None leaves such a channel silent.
        ice_servers: STUN and TURN servers; none means that only the robot's own addresses are offered.
        addresses: The robot's own addresses to use; none means all but loopback.
        connect_timeout_s: A session that is not connected after this time is closed.
    """

    def __init__(
        self,
        offer: Offer,
        broadcast: Broadcast,
        *,
        send: Callable[[Message], None],
        on_connected: Callable[[], None],
        client_id: str,
        vp8: Broadcast | None = None,
        sound: Sound | None = None,
        state: RobotState | None = None,
        ice_servers: Sequence[RTCIceServer] = (),
        addresses: Sequence[str] = (),
        connect_timeout_s: float = 15.0,
    ) -> None:
        self._offer = offer
        self._send = send
        self._on_connected = on_connected
        self._addresses = addresses
        self._connect_timeout_s = connect_timeout_s
        self._connection = PeerConnection(ice_servers)
        self._codec = VideoCodec.H264 if vp8 is None else video_codec_for(offer.sdp)
        self._track = BroadcastTrack(vp8 if vp8 is not None and self._codec is VideoCodec.VP8 else broadcast)
        self._sound = ViewerSound(sound or Sound(), client_id)
        self._candidates_seen = 0
        self._early_candidates: list[Candidate] | None = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._end: asyncio.Future[SessionEnd] = asyncio.get_running_loop().create_future()
        self._connected = False
        self._offered_at = asyncio.get_running_loop().time()
        self._network = NetworkStats()
        self._state = state
        self._status_channel: RTCDataChannel | None = None
        self._held_back: dict[RTCIceTransport, aiortc_hooks.HeldBackServers] = {}
        self._gathering: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Media can flow."""
        return self._connected and not self._end.done()

    def stats(self, viewer: str) -> SessionStats:
        """How it is doing.

        Args:
            viewer: Its client id.
        """
        counts, first_packet_at = self._track.counts, self._track.first_packet_at
        return SessionStats(
            viewer=viewer,
            codec=self._codec.name,
            connected=self._connected,
            duration_s=round(asyncio.get_running_loop().time() - self._offered_at, 3),
            first_packet_ms=None if first_packet_at is None else round((first_packet_at - self._offered_at) * 1000, 1),
            bitrate=self._network.bitrate,
            packet_loss=self._network.packet_loss,
            round_trip_ms=self._network.round_trip_ms,
            frames_sent=counts.sent,
            frames_dropped=counts.dropped,
            keyframes_asked=counts.keyframes_asked,
        )

    def add_candidate(self, candidate: Candidate) -> None:
        """Take a candidate of the viewer's; before the description is in place it is kept until then.

        The end of the candidates is never passed on: an ICE agent that sees it before it has resolved a name gives
        up its only component, and then neither connects nor fails.

        Raises:
            SignalingError: there were too many.
        """
        if self._candidates_seen >= MAX_CANDIDATES:
            raise SignalingError(f"More than {MAX_CANDIDATES} candidates for one session.")
        self._candidates_seen += 1
        if self._early_candidates is not None:
            self._early_candidates.append(candidate)
        else:
            self._use_candidate(candidate)

    def end(self, cause: Cause, reason: str = "") -> None:
        """Make :meth:`run` end; only the first cause counts."""
        if not self._end.done():
            counts = self._track.counts
            text = reason or f"{cause.value[:1].upper()}{cause.value[1:]}."
            self._end.set_result(SessionEnd(cause, text, self._connected, counts.sent, counts.dropped))

    async def run(self) -> SessionEnd:
        """Answer the offer, stream, and return how it ended, with everything closed."""
        self._connection.on("connectionstatechange", self._connection_state_changed)
        self._connection.on("datachannel", self._data_channel_opened)
        give_up = asyncio.get_running_loop().call_later(self._connect_timeout_s, self._give_up)
        try:
            async with asyncio.TaskGroup() as self._group:
                self._group.create_task(self._negotiate(), name="WebRTC negotiation")
                end = await self._end
                # Not the negotiation: aiortc leaves sockets open when it is cancelled there. It ends soon by itself.
                for task in tuple(self._tasks):
                    task.cancel()
            return end
        finally:
            give_up.cancel()
            await self._close()

    def _give_up(self) -> None:
        if not self._connected:
            self.end(Cause.NOT_CONNECTED, f"No connection came about within {self._connect_timeout_s:g} s.")

    async def _negotiate(self) -> None:
        try:
            answer = await self._answer()
        except SignalingError as error:
            self.end(Cause.REFUSED, str(error))
            return
        if self._end.done():
            return
        logger.debug("The answer is sent: %s", self._codec.name)
        self._send(answer)
        if self._held_back:
            late = send_late_candidates(self._connection, self._held_back, answer.sdp, self._send)
            self._gathering = self._spawn(late, "gathering")

    async def _answer(self) -> Answer:
        connection = self._connection
        transceiver = connection.addTransceiver(self._track, direction="sendonly")
        prefer_with_retransmission(transceiver, self._codec)
        aiortc_hooks.on_keyframe_request(transceiver.sender, self._track.request_keyframe)
        aiortc_hooks.on_receiver_report(transceiver.sender, self._track.estimate, self._track.report_loss)
        description, candidates = take_out_candidates(self._offer.sdp)
        audio = self._sound.prepare(connection, description)
        await _set_offer(connection, description)
        if transceiver.mid is None:
            raise SignalingError("The offer has no video section.", remedy="Offer to receive video.")
        for other in connection.getTransceivers():
            if other not in {transceiver, audio}:
                # What nobody here consumes must not be received: aiortc would decode and queue it without bound.
                other.direction = "inactive"
        for transport in aiortc_hooks.ice_transports(connection):
            aiortc_hooks.limit_gathering(transport, GATHERING_LIMIT_S, only=self._addresses)
            if servers := aiortc_hooks.hold_back_servers(transport):
                self._held_back[transport] = servers
        log_steps(connection, transceiver.sender)
        await connection.setLocalDescription()
        if transceiver.currentDirection != "sendonly":
            raise SignalingError("The offer does not ask to receive video.", remedy="Offer to receive video.")
        answer = connection.localDescription.sdp
        if self._held_back:
            answer = answer.replace("a=end-of-candidates\r\n", "")
        elif "a=candidate:" not in answer:
            raise SignalingError(
                "The robot has no network address that a viewer could reach.", remedy="Connect it to a network."
            )
        self._use_early_candidates(candidates)
        self._spawn(self._sound.play_received(), "sound of the viewer")
        return Answer(answer)

    def _use_early_candidates(self, in_offer: Sequence[Candidate]) -> None:
        early, self._early_candidates = self._early_candidates or [], None
        for candidate in (*in_offer[:MAX_CANDIDATES], *early):
            self._use_candidate(candidate)

    def _use_candidate(self, candidate: Candidate) -> None:
        # A task for each: resolving a hidden name may take a second, and nothing else has to wait for it.
        self._spawn(self._resolve_and_add(candidate), "candidate")

    async def _resolve_and_add(self, candidate: Candidate) -> None:
        try:
            await self._connection.addIceCandidate(rtc_candidate(candidate))
        except Exception as error:  # noqa: BLE001  # one address of several, chosen by the peer: anything can be wrong
            logger.debug("A candidate cannot be used: %s", error)

    async def _watch(self, sender: RTCRtpSender) -> None:
        await until_vanished(sender)
        self.end(Cause.VANISHED)

    def _connection_state_changed(self) -> None:
        match self._connection.connectionState:
            case "connected" if not self._connected:
                self._connected = True
                if self._gathering is not None:
                    self._gathering.cancel()  # the way is found
                sender = self._connection.getSenders()[0]
                self._spawn(self._watch(sender), "watch")
                self._spawn(self._network.follow(sender), "statistics")
                self._on_connected()
            case "failed":
                self.end(Cause.FAILED)
            case "closed":
                # aiortc's "closed" follows the peer's DTLS goodbye, and its own loss of consent.
                self.end(Cause.CLOSED)

    def _data_channel_opened(self, channel: RTCDataChannel) -> None:
        # One of them is enough, however many the viewer opens.
        if channel.label == status_channel.LABEL and self._state is not None and self._status_channel is None:
            self._status_channel = channel
            self._spawn(status_channel.report_status(channel, self._state, self._stream_figures), "status")

    def _stream_figures(self) -> status_channel.StreamFigures:
        captured_us = self._track.captured_us
        age_ms = None if captured_us is None else max(0, time.monotonic_ns() // 1000 - captured_us) // 1000
        return status_channel.StreamFigures(self._network.bitrate, age_ms)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        if self._group is None or self._end.done():
            coroutine.close()
            return None
        task = self._group.create_task(coroutine, name=f"WebRTC {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _close(self) -> None:
        self._track.stop()
        self._sound.stop()
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await self._connection.close()
        except TimeoutError:
            logger.error("A peer connection did not close within %g s.", _CLOSE_LIMIT_S)  # noqa: TRY400  # no trace of use


async def _set_offer(connection: RTCPeerConnection, sdp: str) -> None:
    if "a=fingerprint:" not in sdp:
        raise SignalingError("The session description of the offer has no certificate fingerprint.")
    try:
        await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
    except OperationError as error:
        raise SignalingError(
            "The offer has no video codec in common with the robot.",
            remedy="Offer H.264 with packetization-mode 1, or VP8.",
        ) from error
    except Exception as error:  # aiortc's parser lets through whatever a broken description makes it stumble over
        raise SignalingError("The session description of the offer cannot be read.") from error
