"""H.264 access units as RTP payloads: cut once for all viewers, of whom each only puts its own header before them."""

from __future__ import annotations

from typing import Any

from aiortc import RTCRtpSender
from aiortc.codecs.h264 import H264Encoder

from robot_node.webrtc.broadcast import Broadcast, EncodedPacket

CHECKED_VERSIONS = {"aiortc": "1.16"}
"""What the private name below was checked against; pyproject.toml allows no later minor version."""

PRIVATE_NAMES = {"aiortc.rtcrtpsender:RTCRtpSender": ("__encoder",)}
"""By module and class."""

_ENCODER = "_RTCRtpSender__encoder"


class SharedPacking:
    """What a sender of aiortc takes for its encoder; it hands out what the broadcast's first sender packed.

    Args:
        broadcast: Of H.264; keeps the payloads of as many frames as a viewer may be behind.
    """

    def __init__(self, broadcast: Broadcast) -> None:
        self._packed = broadcast.packed
        self._kept = broadcast.queue_frames
        self._encoder = H264Encoder()

    def pack(self, packet: EncodedPacket) -> tuple[list[bytes], int]:
        """Return the payloads of an access unit (RFC 6184, packetization mode 1), and its time at 90 kHz."""
        pts = packet.pts or 0  # different for each frame of a broadcast
        found = self._packed.get(pts)
        if found is None:
            while len(self._packed) >= self._kept:
                del self._packed[next(iter(self._packed))]
            found = self._packed[pts] = self._encoder.pack(packet)
        return found


def pack_once(sender: RTCRtpSender, broadcast: Broadcast) -> None:
    """Let a sender share the work of cutting frames into packets with the others of its broadcast.

    Args:
        sender: Of the broadcast's H.264, before it sends.
        broadcast: Whose packets it sends.

    Raises:
        AttributeError: This version of aiortc packs frames in another way.
    """
    getattr(sender, _ENCODER)
    packing: Any = SharedPacking(broadcast)
    setattr(sender, _ENCODER, packing)
