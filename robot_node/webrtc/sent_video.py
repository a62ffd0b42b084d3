"""The video of one camera that a session sends, and the choice of cameras for an offer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiortc import RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver
from aiortc.stats import RTCOutboundRtpStreamStats, RTCRemoteInboundRtpStreamStats

from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.errors import SignalingError
from robot_node.webrtc import aiortc_hooks, header_extensions
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.negotiation import VideoCodec, prefer_with_retransmission
from robot_node.webrtc.packing import pack_once
from robot_node.webrtc.tracks import BroadcastTrack

_FIGURES_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class CameraVideo:
    """The video of one camera.

    Attributes:
        name: The camera's name.
        broadcast: Source of frames, as H.264.
        vp8: Source of frames for a viewer without H.264; None when such a viewer is refused.
        small: Source of small frames, as VP8; None where there are none.
    """

    name: str
    broadcast: Broadcast
    vp8: Broadcast | None = None
    small: Broadcast | None = None


def chosen_cameras(cameras: Sequence[CameraVideo], wanted: str, sections: int) -> list[CameraVideo]:
    """Return the camera for each video section of an offer, in their order; further sections get none.

    Args:
        cameras: The robot's cameras; the first is the default.
        wanted: Names with commas between them, as the offer's user property ``camera`` has them; empty: all of them.
        sections: How many sections ask for video.

    Raises:
        SignalingError: A name is no camera's.
    """
    by_name = {camera.name: camera for camera in cameras}
    chosen = []
    for name in filter(None, (part.strip() for part in wanted.split(","))):
        if name not in by_name:
            there_are = ", ".join(by_name)
            raise SignalingError(f"There is no camera {bounded(name, SHOWN_CHARACTERS)!r}; there are: {there_are}.")
        chosen.append(by_name[name])
    return (chosen or [*cameras])[:sections]


class SentVideo:
    """The video of one camera in one session.

    Args:
        camera: The camera.
        codec: What the viewer gets.
        small: It gets the small video, which the camera has, as VP8.

    Attributes:
        name: The camera's name.
        track: The frames as aiortc takes them.
        network: Figures of the sender.
    """

    def __init__(self, camera: CameraVideo, codec: VideoCodec, *, small: bool = False) -> None:
        vp8 = (camera.small if small else camera.vp8) if codec is VideoCodec.VP8 else None
        self.name = camera.name
        self._camera = camera
        self.track = BroadcastTrack(camera.broadcast if vp8 is None else vp8)
        self.network = NetworkStats()
        self._codec = codec
        self._sender: RTCRtpSender | None = None

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which the viewer has to rotate the picture itself: 0 when the video tells it to."""
        by_video = self._sender is not None and header_extensions.receiver_rotates(self._sender)
        return 0 if by_video else self.track.viewer.rotation

    def add_to(self, connection: RTCPeerConnection, *, of_several: int) -> RTCRtpTransceiver:
        """Send it on a connection.

        Args:
            connection: That of the session.
            of_several: How many videos share the viewer's network, of which its estimate is.
        """
        transceiver = connection.addTransceiver(self.track, direction="sendonly")
        prefer_with_retransmission(transceiver, self._codec)
        self._sender = transceiver.sender
        viewer = self.track.viewer
        header_extensions.send_extensions(transceiver.sender, lambda: viewer.rotation)
        if self._codec is VideoCodec.H264:
            pack_once(transceiver.sender, self._camera.broadcast)
        aiortc_hooks.on_keyframe_request(transceiver.sender, viewer.request_keyframe)
        aiortc_hooks.on_receiver_report(
            transceiver.sender, lambda estimate: viewer.estimate(estimate // of_several), viewer.report_loss
        )
        return transceiver


class NetworkStats:
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
