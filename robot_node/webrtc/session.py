"""One viewer: one peer connection, from its offer to its end.

:meth:`Session.run` runs the session; the other methods pass it what arrives meanwhile and return at once.
However it ends, the peer connection is closed when ``run`` returns.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import OperationError

from robot_node.core.mixer import Input
from robot_node.core.state import RobotState
from robot_node.errors import SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc import aiortc_hooks, status_channel
from robot_node.webrtc.audio import PeerSound, Sound
from robot_node.webrtc.negotiation import (
    VideoCodec,
    ice_server,
    offered_codecs,
    video_codec_for,
)
from robot_node.webrtc.peer_connection import Lifetime, PeerConnection, log_steps, until_vanished
from robot_node.webrtc.sections import received_videos, select_sections
from robot_node.webrtc.sent_video import CameraVideo, SentVideo, chosen_cameras
from robot_node.webrtc.signaling import Answer, Candidate, Message, Offer, first_username_fragment, strip_candidates
from robot_node.webrtc.stats import Cause, SessionEnd, SessionStats
from robot_node.webrtc.trickle import Trickle

logger = logging.getLogger(__name__)

_H264 = "H.264 Constrained Baseline or Baseline with packetization-mode 1"


class Session:
    """A session with one viewer.

    Args:
        offer: The viewer's offer.
        cameras: The robot's cameras; the first is the default.
        send: Sends a message to the viewer.
        on_connected: Called once, when media can flow.
        client_id: The viewer's client id.
        sound: Source and sink of sound; None without sound.
        state: Sent to the viewer on its data channel ``status``; None leaves such a channel silent.
        settings: ICE servers, addresses and time limit of the connection.
    """

    def __init__(
        self,
        offer: Offer,
        cameras: Sequence[CameraVideo],
        *,
        send: Callable[[Message], None],
        on_connected: Callable[[], None],
        client_id: str,
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
        self._cameras = cameras
        self._has_vp8 = cameras[0].vp8 is not None
        self._small = offer.small and cameras[0].small is not None
        self._codec = video_codec_for(offer.sdp) if self._has_vp8 else VideoCodec.H264
        if self._small:
            self._codec = VideoCodec.VP8
        self._videos: list[SentVideo] = []
        self._sound = PeerSound(sound, Input.VIEWER, client_id, only_recognised=offer.only_recognised)
        self._connected = False
        self._offered_at = asyncio.get_running_loop().time()
        self._state = state
        self._status_channel: RTCDataChannel | None = None

    @property
    def connected(self) -> bool:
        """Media can flow."""
        return self._connected and not self._life.over

    def stats(self) -> SessionStats:
        """Figures of the session."""
        counts = [video.track.viewer.counts for video in self._videos]
        first_packets = [at for video in self._videos if (at := video.track.first_packet_at) is not None]
        round_trips = [ms for video in self._videos if (ms := video.network.round_trip_ms) is not None]
        return SessionStats(
            viewer=self._client_id,
            codec=self._codec.name if self._videos else "",
            connected=self._connected,
            duration_s=round(asyncio.get_running_loop().time() - self._offered_at, 3),
            first_packet_ms=round((min(first_packets) - self._offered_at) * 1000, 1) if first_packets else None,
            bitrate=sum(video.network.bitrate for video in self._videos),
            packet_loss=max((video.network.packet_loss for video in self._videos), default=0.0),
            round_trip_ms=max(round_trips, default=None),
            frames_sent=sum(each.sent for each in counts),
            frames_dropped=sum(each.dropped for each in counts),
            keyframes_asked=sum(each.keyframes_asked for each in counts),
        )

    def add_candidate(self, candidate: Candidate) -> None:
        """Use a candidate of the viewer.

        Raises:
            SignalingError: there were too many.
        """
        self._trickle.take(candidate)

    def end(self, cause: Cause, reason: str = "") -> None:
        """Make :meth:`run` end; only the first cause counts."""
        counts = [video.track.viewer.counts for video in self._videos]
        sent, dropped = sum(each.sent for each in counts), sum(each.dropped for each in counts)
        text = reason or f"{cause.value[:1].upper()}{cause.value[1:]}."
        self._life.end(SessionEnd(cause, text, self._connected, sent, dropped))

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
            for video in self._videos:
                video.track.stop()
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
        logger.debug("Answer sent: %s", self._codec.name if self._videos else "sound only")
        self._send(answer)
        self._trickle.send_late(answer.sdp)

    async def _answer(self) -> Answer:
        connection = self._connection
        description, candidates = strip_candidates(self._offer.sdp)
        if "a=fingerprint:" not in description:
            raise SignalingError("The session description of the offer has no certificate fingerprint.")
        videos = self._add_videos(received_videos(description))
        audio = self._sound.answer(connection, description)
        media = videos[0] if videos else audio
        if media is None:
            lacks = "does not ask to receive video" if "\r\nm=video" in description else "has no video section"
            raise SignalingError(f"The offer {lacks}.", remedy="Offer to receive video.")
        offer = select_sections(description, audio=audio is not None, videos=len(videos))
        await _set_offer(connection, offer.sdp, sends=self._sendable())
        if aiortc_hooks.lacks_transport(connection):
            raise SignalingError(
                "The offer cannot be used: its BUNDLE group begins with a section that it does not have."
            )
        for other in connection.getTransceivers():
            if other not in {*videos, audio}:
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

    def _sendable(self) -> str:
        if self._small:
            return "VP8"
        return f"{_H264}, or VP8" if self._has_vp8 else _H264

    def _add_videos(self, sections: int) -> list[RTCRtpTransceiver]:
        """Add the cameras that the viewer asks for, one for each of its video sections in their order.

        Raises:
            SignalingError: It asks for a camera that there is not.
        """
        cameras = chosen_cameras(self._cameras, self._offer.camera, sections)
        if self._small:
            cameras = cameras[:1]
        self._videos = [SentVideo(camera, self._codec, small=self._small) for camera in cameras]
        return [video.add_to(self._connection, of_several=len(cameras)) for video in self._videos]

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
            for video, transceiver in zip(self._videos, self._connection.getTransceivers(), strict=False):
                self._life.spawn(video.network.follow(transceiver.sender), f"statistics {video.name}")
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
            watched = [video.name for video in self._videos]
            report = status_channel.report_status(channel, self._state, self._stream_figures, watched)
            self._life.spawn(report, "status")

    def _stream_figures(self) -> status_channel.StreamFigures:
        """The figures of the first video."""
        taken = self._sound.taken
        if not self._videos:
            return status_channel.StreamFigures(0, None, taken=taken)
        captured_us = self._videos[0].track.viewer.captured_us
        age_ms = None if captured_us is None else max(0, time.monotonic_ns() // 1000 - captured_us) // 1000
        return status_channel.StreamFigures(self._videos[0].network.bitrate, age_ms, self._videos[0].rotation, taken)


async def _set_offer(connection: RTCPeerConnection, sdp: str, *, sends: str) -> None:
    try:
        await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
    except OperationError as error:
        raise SignalingError(
            f"The robot sends none of the video codecs in the offer: {offered_codecs(sdp)}.", remedy=f"Offer {sends}."
        ) from error
    except Exception as error:  # aiortc's parser raises anything on a broken description
        raise SignalingError("The session description of the offer cannot be read.") from error
