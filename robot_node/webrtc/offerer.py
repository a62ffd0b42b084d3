"""The offering side of one peer connection: the robot's offer, the answer to it, and how the connection ends.

How offer and answer travel is for others to know: by MQTT in a :class:`~robot_node.webrtc.call.Call`, by HTTP in a
:class:`~robot_node.webrtc.publication.Publication`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any

from aiortc import RTCBundlePolicy, RTCRtpSender, RTCSessionDescription

from robot_node.errors import SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc import aiortc_hooks, header_extensions
from robot_node.webrtc.audio import PeerSound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.call_control import CallCause, CallEnd
from robot_node.webrtc.ice_servers import IceServer
from robot_node.webrtc.negotiation import VideoCodec, ice_server, prefer_with_retransmission, video_codec_for
from robot_node.webrtc.peer_connection import Lifetime, PeerConnection, log_steps, until_vanished
from robot_node.webrtc.signaling import Candidate, Message, strip_candidates
from robot_node.webrtc.tracks import BroadcastTrack
from robot_node.webrtc.trickle import Trickle

_DIRECTIONS = {
    "a=sendrecv": "a=recvonly",
    "a=sendonly": "a=inactive",
    "a=recvonly": "a=recvonly",
    "a=inactive": "a=inactive",
}


class Offerer:
    """One peer connection that the robot offers; :meth:`run` closes it however it ends.

    Args:
        broadcast: Source of the video, as H.264.
        send: Sends candidates that come after the offer.
        on_connected: Called once, when media can flow.
        vp8: Source of the video for a peer without H.264; None when it must know H.264.
        sound: The peer's part in the robot's sound.
        settings: ICE servers, addresses and time limit of the connection.
        peer: The other side, for people, e.g. ``"the backend"``.
        only_sends: Nothing is wanted from the peer, and all sections share one transport (RFC 9725, 4.2).
    """

    def __init__(
        self,
        broadcast: Broadcast,
        *,
        send: Callable[[Message], None],
        on_connected: Callable[[], None],
        vp8: Broadcast | None = None,
        sound: PeerSound,
        settings: WebRtcSettings,
        peer: str,
        only_sends: bool = False,
    ) -> None:
        self._on_connected = on_connected
        self._settings = settings
        self._peer = peer
        self._only_sends = only_sends
        self._loop = asyncio.get_running_loop()
        policy = RTCBundlePolicy.MAX_BUNDLE if only_sends else RTCBundlePolicy.BALANCED
        self._connection = PeerConnection([ice_server(url) for url in settings.ice_servers], policy)
        self.life: Lifetime[CallEnd] = Lifetime()
        self._trickle = Trickle(self._connection, send=send, spawn=self.life.spawn)
        self._track = BroadcastTrack(broadcast)
        self._vp8 = vp8
        self._sound = sound
        self._connected_at: float | None = None

    @property
    def connected(self) -> bool:
        """Media can flow, or could until the connection ended."""
        return self._connected_at is not None

    def end(self, cause: CallCause, reason: str = "") -> None:
        """Make :meth:`run` end; only the first cause counts."""
        connected_s = None if self._connected_at is None else self._loop.time() - self._connected_at
        self.life.end(CallEnd(cause, reason or cause.sentence(self._peer), connected_s))

    async def run(self, negotiation: Coroutine[Any, Any, None]) -> CallEnd:
        """Run the negotiation, which calls :meth:`offer` and :meth:`accept`; stream until the end, and close."""
        self._connection.on("connectionstatechange", self._connection_state_changed)
        try:
            return await self.life.run(negotiation)
        finally:
            self._track.stop()
            self._sound.stop()
            await self._connection.close()

    async def offer(self) -> str:
        """Return the robot's offer, with the candidates that take no time."""
        direction = "sendonly" if self._only_sends else "sendrecv"
        transceiver = self._connection.addTransceiver(self._track, direction=direction)
        codecs = (VideoCodec.H264,) if self._vp8 is None else (VideoCodec.H264, VideoCodec.VP8)
        prefer_with_retransmission(transceiver, *codecs)
        self._sound.offer(self._connection, only_sends=self._only_sends)
        log_steps(self._connection, transceiver.sender)
        return await self._trickle.describe(self._settings)

    def add_servers(self, servers: Iterable[IceServer]) -> bool:
        """Use these ICE servers too, where there are none of that kind yet; True if candidates of them may follow."""
        return self._trickle.add_servers(servers)

    def gather_late(self, sdp: str) -> None:
        """Begin to send candidates of STUN and TURN servers; call after the offer is sent."""
        self._trickle.send_late(sdp)

    @property
    def more_to_come(self) -> bool:
        """Candidates of STUN and TURN servers are to follow."""
        return self._trickle.more_to_come

    def take(self, candidate: Candidate) -> None:
        """Use a candidate of the peer: see :meth:`Trickle.take`.

        Raises:
            SignalingError: there were too many.
        """
        self._trickle.take(candidate)

    async def accept(self, answer: str) -> None:
        """Use the answer, and connect within the time limit.

        Raises:
            SignalingError: it cannot be used.
        """
        if "a=fingerprint:" not in answer:
            raise SignalingError("The session description of the answer has no certificate fingerprint.")
        description, candidates = strip_candidates(answer)
        # Media without a consumer must not be received: aiortc would decode and queue it without bound.
        unwanted = {"audio"} if self._only_sends else self._sound.unwanted
        description = without_media_from_peer(description, {"video", *unwanted})
        sender = self._connection.getSenders()[0]
        if self._vp8 is not None and video_codec_for(description) is VideoCodec.VP8:
            self._track.stop()
            self._track = BroadcastTrack(self._vp8)
            sender.replaceTrack(self._track)
        header_extensions.send_extensions(sender, lambda: self._track.viewer.rotation)
        aiortc_hooks.on_keyframe_request(sender, self._track.viewer.request_keyframe)
        viewer = self._track.viewer
        take_estimate = viewer.limit if self._only_sends else viewer.estimate
        aiortc_hooks.on_receiver_report(sender, take_estimate, viewer.report_loss)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=description, type="answer"))
        except Exception as error:  # aiortc's parser raises anything on a broken description
            raise SignalingError(
                "The session description of the answer cannot be used.",
                remedy="Answer every section that was offered; H.264 with packetization-mode 1.",
            ) from error
        self._trickle.use_early(candidates)
        self.life.spawn(self._sound.play_received(), "call sound")
        self.life.spawn(self._limit_connecting(), "call limit")

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
                self.life.spawn(self._watch(self._connection.getSenders()[0]), "call watch")
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
