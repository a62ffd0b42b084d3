"""One call: the robot offers, a media backend answers. From the offer to the end of its peer connection.

:meth:`Call.run` runs the call; the other methods pass it what arrives meanwhile and return at once.
However it ends, the peer connection is closed when ``run`` is left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence

from aiortc import RTCRtpSender, RTCSessionDescription

from robot_node.core.mixer import Input
from robot_node.errors import SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc import aiortc_hooks, orientation
from robot_node.webrtc.audio import PeerSound, Sound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.call_control import CallCause, CallEnd
from robot_node.webrtc.negotiation import VideoCodec, ice_server, prefer_with_retransmission, video_codec_for
from robot_node.webrtc.peer_connection import Lifetime, PeerConnection, log_steps, until_vanished
from robot_node.webrtc.signaling import (
    Answer,
    Candidate,
    Message,
    Offer,
    Terminated,
    strip_candidates,
    username_fragments,
)
from robot_node.webrtc.tracks import BroadcastTrack
from robot_node.webrtc.trickle import Trickle

logger = logging.getLogger(__name__)

_DIRECTIONS = {
    "a=sendrecv": "a=recvonly",
    "a=sendonly": "a=inactive",
    "a=recvonly": "a=recvonly",
    "a=inactive": "a=inactive",
}


class Call:
    """A call to a media backend.

    Args:
        broadcast: Source of the video, as H.264.
        send: Sends a message to the backend.
        on_connected: Called once, when media can flow.
        vp8: Source of the video for a backend without H.264; None when such a backend cannot be called.
        sound: Source and sink of sound; None without sound.
        settings: ICE servers, addresses and time limit of the connection.
        answer_timeout_s: Seconds within which the backend must answer the offer.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        *,
        send: Callable[[Message], None],
        on_connected: Callable[[], None],
        vp8: Broadcast | None = None,
        sound: Sound | None = None,
        settings: WebRtcSettings,
        answer_timeout_s: float,
    ) -> None:
        self._send = send
        self._on_connected = on_connected
        self._settings = settings
        self._answer_timeout_s = answer_timeout_s
        self._loop = asyncio.get_running_loop()
        self._connection = PeerConnection([ice_server(url) for url in settings.ice_servers])
        self._life: Lifetime[CallEnd] = Lifetime()
        self._trickle = Trickle(self._connection, send=send, spawn=self._life.spawn)
        self._track = BroadcastTrack(broadcast)
        self._vp8 = vp8
        self._sound = PeerSound(sound, Input.CALL)
        self._answer: asyncio.Future[Answer] = self._loop.create_future()
        self._fragments: frozenset[str] = frozenset()
        self._connected_at: float | None = None

    def receive(self, message: Message) -> None:
        """Handle a message of the backend.

        Raises:
            SignalingError: it doesn't fit into this call.
        """
        match message:
            case Answer() if not message.fits(self._fragments):
                logger.debug("Ignored the answer to an older offer")
            case Answer():
                if self._answer.done():
                    raise SignalingError("The backend has answered already.")
                self._answer.set_result(message)
            case Candidate():
                self._trickle.take(message)
            case Terminated(reason):
                self.end(CallCause.TERMINATED, reason and f"Ended by the backend: {reason[:200]!r}.")
            case Offer():
                raise SignalingError("The robot calls the backend; offers go to the robot's own topic.")
            case _:
                pass  # candidates never end for us: see Trickle.take; a backend does not chat here

    def refuse_answer(self, error: SignalingError) -> None:
        """End the call over an answer that could not be read, unless another has arrived before."""
        if not self._answer.done():
            self.end(CallCause.UNUSABLE, str(error))

    def end(self, cause: CallCause, reason: str = "") -> None:
        """Make :meth:`run` end; only the first cause counts."""
        text = reason or f"{cause.value[:1].upper()}{cause.value[1:]}."
        connected_s = None if self._connected_at is None else self._loop.time() - self._connected_at
        self._life.end(CallEnd(cause, text, connected_s))

    @property
    def connected(self) -> bool:
        """Media can flow, or could until the call ended."""
        return self._connected_at is not None

    async def run(self) -> CallEnd:
        """Offer, stream, close everything, and return how it ended."""
        self._connection.on("connectionstatechange", self._connection_state_changed)
        try:
            return await self._life.run(self._negotiate())
        finally:
            self._track.stop()
            self._sound.stop()
            await self._connection.close()

    async def _negotiate(self) -> None:
        try:
            offer = await self._offer()
            if not self._life.over:
                logger.debug("Offer sent")
                self._send(offer)
                self._trickle.send_late(offer.sdp)
            await self._life.wait_for(self._answer, self._answer_timeout_s)
            if self._life.over:
                return
            if not self._answer.done():
                text = f"The backend did not answer within {self._answer_timeout_s:g} s."
                self.end(CallCause.NOT_ANSWERED, text)
                return
            logger.debug("Answer received")
            await self._accept(self._answer.result())
        except SignalingError as error:
            self.end(CallCause.UNUSABLE, str(error))
            return
        self._life.spawn(self._limit_connecting(), "call limit")

    async def _offer(self) -> Offer:
        transceiver = self._connection.addTransceiver(self._track, direction="sendrecv")
        codecs = (VideoCodec.H264,) if self._vp8 is None else (VideoCodec.H264, VideoCodec.VP8)
        prefer_with_retransmission(transceiver, *codecs)
        self._sound.offer(self._connection)
        log_steps(self._connection, transceiver.sender)
        offer = Offer(await self._trickle.describe(self._settings))
        self._fragments = username_fragments(offer.sdp)
        return offer

    async def _accept(self, answer: Answer) -> None:
        if "a=fingerprint:" not in answer.sdp:
            raise SignalingError("The session description of the answer has no certificate fingerprint.")
        description, candidates = strip_candidates(answer.sdp)
        # Media without a consumer must not be received: aiortc would decode and queue it without bound.
        description = without_media_from_peer(description, {"video", *self._sound.unwanted})
        sender = self._connection.getSenders()[0]
        if self._vp8 is not None and video_codec_for(description) is VideoCodec.VP8:
            self._track.stop()
            self._track = BroadcastTrack(self._vp8)
            sender.replaceTrack(self._track)
        orientation.send_orientation(sender, lambda: self._track.viewer.rotation)
        aiortc_hooks.on_keyframe_request(sender, self._track.viewer.request_keyframe)
        aiortc_hooks.on_receiver_report(sender, self._track.viewer.estimate, self._track.viewer.report_loss)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=description, type="answer"))
        except Exception as error:  # aiortc's parser raises anything on a broken description
            raise SignalingError(
                "The session description of the answer cannot be used.",
                remedy="Answer every section that was offered; H.264 with packetization-mode 1.",
            ) from error
        self._trickle.use_early(candidates)
        self._life.spawn(self._sound.play_received(), "call sound")

    async def _limit_connecting(self) -> None:
        await asyncio.sleep(self._settings.connect_timeout_s)
        if self._connected_at is None:
            limit = f"{self._settings.connect_timeout_s:g} s"
            self.end(CallCause.NOT_CONNECTED, f"No connection came about within {limit}. {self._trickle.attempts()}")

    async def _watch(self, sender: RTCRtpSender) -> None:
        await until_vanished(sender)
        self.end(CallCause.VANISHED)

    def _connection_state_changed(self) -> None:
        match self._connection.connectionState:
            case "connected" if self._connected_at is None:
                self._connected_at = self._loop.time()
                self._trickle.stop_gathering()
                self._life.spawn(self._watch(self._connection.getSenders()[0]), "call watch")
                self._on_connected()
            case "failed":
                self.end(CallCause.FAILED)
            case "closed":
                # aiortc reports "closed" after the peer's DTLS close, its own loss of consent, and its own errors.
                by_peer = aiortc_hooks.closed_by_peer(self._connection)
                self.end(CallCause.CLOSED if by_peer else CallCause.FAILED)


def without_media_from_peer(sdp: str, kinds: Collection[str]) -> str:
    """Rewrite an answer so that the peer sends no media of some kinds (RFC 8866, 6.7).

    Args:
        sdp: The answer.
        kinds: ``"audio"``, ``"video"``.
    """
    session, *sections = _sections(sdp)
    default = _direction(session, "a=sendrecv")
    kept = [line for line in session if line not in _DIRECTIONS]
    for section in sections:
        direction = _direction(section, default)
        if section[0].removeprefix("m=").partition(" ")[0] in kinds:
            direction = _DIRECTIONS[direction]
        kept += [line for line in section if line not in _DIRECTIONS]
        kept.append(direction)
    return "".join(f"{line}\r\n" for line in kept)


def _sections(sdp: str) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _direction(lines: Sequence[str], default: str) -> str:
    return next((line for line in lines if line in _DIRECTIONS), default)
