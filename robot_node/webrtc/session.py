"""One viewer: one peer connection, from its offer to its end.

:meth:`Session.run` runs the session; the other methods pass it what arrives meanwhile and return at once.
However it ends, the peer connection is closed when ``run`` returns.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import OperationError
from aiortc.stats import RTCOutboundRtpStreamStats, RTCRemoteInboundRtpStreamStats

from robot_node.core.mixer import Input
from robot_node.core.state import RobotState
from robot_node.errors import SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc import aiortc_hooks, status_channel
from robot_node.webrtc.audio import PeerSound, Sound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.negotiation import (
    VideoCodec,
    ice_server,
    offered_codecs,
    prefer_with_retransmission,
    video_codec_for,
)
from robot_node.webrtc.peer_connection import Lifetime, PeerConnection, log_steps, until_vanished
from robot_node.webrtc.sections import receives_video, select_sections
from robot_node.webrtc.signaling import Answer, Candidate, Message, Offer, first_username_fragment, strip_candidates
from robot_node.webrtc.stats import Cause, SessionEnd, SessionStats
from robot_node.webrtc.tracks import BroadcastTrack
from robot_node.webrtc.trickle import Trickle

logger = logging.getLogger(__name__)

_FIGURES_EVERY_S = 1.0
_H264 = "H.264 Constrained Baseline or Baseline with packetization-mode 1"


class Session:
    """A session with one viewer.

    Args:
        offer: The viewer's offer.
        broadcast: Source of frames, as H.264.
        send: Sends a message to the viewer.
        on_connected: Called once, when media can flow.
        client_id: The viewer's client id.
        vp8: Source of frames for a viewer without H.264; None when such a viewer is refused.
        sound: Source and sink of sound; None without sound.
        state: Sent to the viewer on its data channel ``status``; None leaves such a channel silent.
        settings: ICE servers, addresses and time limit of the connection.
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
        settings: WebRtcSettings,
    ) -> None:
        self._offer = offer
        self._send = send
        self._on_connected = on_connected
        self._client_id = client_id
        self._settings = settings
        self._connection = PeerConnection([ice_server(url) for url in settings.ice_servers])
        self._life: Lifetime[SessionEnd] = Lifetime()
        self._trickle = Trickle(self._connection, send=send, spawn=self._life.spawn)
        self._codec = VideoCodec.H264 if vp8 is None else video_codec_for(offer.sdp)
        self._vp8 = vp8
        self._track = BroadcastTrack(vp8 if vp8 is not None and self._codec is VideoCodec.VP8 else broadcast)
        self._sound = PeerSound(sound, Input.VIEWER, client_id)
        self._has_video = False
        self._connected = False
        self._offered_at = asyncio.get_running_loop().time()
        self._network = _NetworkStats()
        self._state = state
        self._status_channel: RTCDataChannel | None = None

    @property
    def connected(self) -> bool:
        """Media can flow."""
        return self._connected and not self._life.over

    def stats(self) -> SessionStats:
        """Figures of the session."""
        counts, first_packet_at = self._track.viewer.counts, self._track.first_packet_at
        return SessionStats(
            viewer=self._client_id,
            codec=self._codec.name if self._has_video else "",
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
        """Use a candidate of the viewer.

        Raises:
            SignalingError: there were too many.
        """
        self._trickle.take(candidate)

    def end(self, cause: Cause, reason: str = "") -> None:
        """Make :meth:`run` end; only the first cause counts."""
        counts = self._track.viewer.counts
        text = reason or f"{cause.value[:1].upper()}{cause.value[1:]}."
        self._life.end(SessionEnd(cause, text, self._connected, counts.sent, counts.dropped))

    async def run(self) -> SessionEnd:
        """Answer the offer, stream, close everything, and return how it ended."""
        self._connection.on("connectionstatechange", self._connection_state_changed)
        self._connection.on("datachannel", self._data_channel_opened)
        self._connection.on("connectfailed", self._connect_failed)
        give_up = asyncio.get_running_loop().call_later(self._settings.connect_timeout_s, self._give_up)
        try:
            return await self._life.run(self._negotiate())
        finally:
            give_up.cancel()
            self._track.stop()
            self._sound.stop()
            await self._connection.close()

    def _give_up(self) -> None:
        if not self._connected:
            limit = f"{self._settings.connect_timeout_s:g} s"
            self.end(Cause.NOT_CONNECTED, f"No connection came about within {limit}. {self._trickle.attempts()}")

    async def _negotiate(self) -> None:
        try:
            answer = await self._answer()
        except SignalingError as error:
            self.end(Cause.REFUSED, str(error))
            return
        if self._life.over:
            return
        logger.debug("Answer sent: %s", self._codec.name if self._has_video else "sound only")
        self._send(answer)
        self._trickle.send_late(answer.sdp)

    async def _answer(self) -> Answer:
        connection = self._connection
        description, candidates = strip_candidates(self._offer.sdp)
        if "a=fingerprint:" not in description:
            raise SignalingError("The session description of the offer has no certificate fingerprint.")
        video = self._add_video() if receives_video(description) else None
        audio = self._sound.answer(connection, description)
        media = video or audio
        if media is None:
            lacks = "does not ask to receive video" if "\r\nm=video" in description else "has no video section"
            raise SignalingError(f"The offer {lacks}.", remedy="Offer to receive video.")
        offer = select_sections(description, audio=audio is not None)
        await _set_offer(connection, offer.sdp, sends=_H264 if self._vp8 is None else f"{_H264}, or VP8")
        if aiortc_hooks.lacks_transport(connection):
            raise SignalingError(
                "The offer cannot be used: its BUNDLE group begins with a section that it does not have."
            )
        for other in connection.getTransceivers():
            if other not in {video, audio}:
                # Media without a consumer must not be received: aiortc would decode and queue it without bound.
                other.direction = "inactive"
        log_steps(connection, media.sender)
        media.sender.transport.on("statechange", lambda: self._transport_changed(media.sender))
        media.sender.transport.transport.on("statechange", lambda: self._transport_changed(media.sender))
        try:
            answer = offer.complete(await self._trickle.describe(self._settings))
        except Exception as error:  # aiortc looks at some parts of an offer only when it answers
            raise SignalingError(f"The offer cannot be used: {type(error).__name__}.") from error
        if media.currentDirection in {None, "inactive"}:
            raise SignalingError("The offer does not ask to receive video.", remedy="Offer to receive video.")
        if "a=candidate:" not in answer and not self._trickle.more_to_come:
            raise SignalingError(
                "The robot has no network address that a viewer could reach.", remedy="Connect it to a network."
            )
        self._trickle.use_early(candidates, offer.mids)
        self._life.spawn(self._sound.play_received(), "sound of the viewer")
        return Answer(answer, first_username_fragment(self._offer.sdp))

    def _add_video(self) -> RTCRtpTransceiver:
        transceiver = self._connection.addTransceiver(self._track, direction="sendonly")
        prefer_with_retransmission(transceiver, self._codec)
        viewer = self._track.viewer
        aiortc_hooks.on_keyframe_request(transceiver.sender, viewer.request_keyframe)
        aiortc_hooks.on_receiver_report(transceiver.sender, viewer.estimate, viewer.report_loss)
        self._has_video = True
        return transceiver

    async def _watch(self, sender: RTCRtpSender) -> None:
        await until_vanished(sender)
        self.end(Cause.VANISHED)

    def _connect_failed(self, error: Exception) -> None:
        self.end(Cause.REFUSED, f"The offer cannot be used: {type(error).__name__}.")

    def _transport_changed(self, sender: RTCRtpSender) -> None:
        """Judge by the transport of the media: without BUNDLE each section has its own, and may never connect."""
        states = {sender.transport.state, sender.transport.transport.state}
        if "failed" in states:
            self.end(Cause.FAILED, "" if self._connected else f"No connection came about. {self._trickle.attempts()}")
        elif "closed" in states:
            self._closed()
        elif sender.transport.state == "connected" and not self._connected:
            self._connected = True
            self._trickle.stop_gathering()
            self._life.spawn(self._watch(sender), "watch")
            self._life.spawn(self._network.follow(sender), "statistics")
            self._on_connected()

    def _connection_state_changed(self) -> None:
        if self._connection.connectionState == "closed":
            self._closed()

    def _closed(self) -> None:
        # aiortc reports "closed" after the peer's DTLS close, its own loss of consent, and its own errors.
        by_peer = aiortc_hooks.closed_by_peer(self._connection)
        self.end(Cause.CLOSED if by_peer else Cause.FAILED)

    def _data_channel_opened(self, channel: RTCDataChannel) -> None:
        # One is enough, however many the viewer opens.
        if channel.label == status_channel.LABEL and self._state is not None and self._status_channel is None:
            self._status_channel = channel
            self._life.spawn(status_channel.report_status(channel, self._state, self._stream_figures), "status")

    def _stream_figures(self) -> status_channel.StreamFigures:
        captured_us = self._track.viewer.captured_us
        age_ms = None if captured_us is None else max(0, time.monotonic_ns() // 1000 - captured_us) // 1000
        return status_channel.StreamFigures(self._network.bitrate, age_ms)


class _NetworkStats:
    """The newest figures that aiortc has of one sender.

    Attributes:
        bitrate: Of the last second, in bits per second.
        packet_loss: Share of all packets that the peer has missed, 0 to 1.
        round_trip_ms: To the peer and back; None before it is known.
    """

    def __init__(self) -> None:
        self.bitrate = 0
        self.packet_loss = 0.0
        self.round_trip_ms: float | None = None

    async def follow(self, sender: RTCRtpSender) -> None:
        """Update the figures once a second, until cancelled."""
        loop = asyncio.get_running_loop()
        bytes_before, asked_at = 0, loop.time()
        while True:
            await asyncio.sleep(_FIGURES_EVERY_S)
            report = list((await sender.getStats()).values())
            sent = next((stats for stats in report if isinstance(stats, RTCOutboundRtpStreamStats)), None)
            if sent is None:
                continue
            now = loop.time()
            self.bitrate = round((sent.bytesSent - bytes_before) * 8 / (now - asked_at))
            bytes_before, asked_at = sent.bytesSent, now
            for stats in report:
                if isinstance(stats, RTCRemoteInboundRtpStreamStats):
                    self.packet_loss = round(max(0, stats.packetsLost) / max(1, sent.packetsSent), 4)
                    if stats.roundTripTime:
                        self.round_trip_ms = round(stats.roundTripTime * 1000, 2)


async def _set_offer(connection: RTCPeerConnection, sdp: str, *, sends: str) -> None:
    try:
        await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
    except OperationError as error:
        raise SignalingError(
            f"The robot sends none of the video codecs in the offer: {offered_codecs(sdp)}.", remedy=f"Offer {sends}."
        ) from error
    except Exception as error:  # aiortc's parser raises anything on a broken description
        raise SignalingError("The session description of the offer cannot be read.") from error
