"""The broadcast as an aiortc track."""

from __future__ import annotations

import asyncio
import logging

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from robot_node.webrtc.broadcast import Broadcast, EncodedPacket, EndOfStreamError, Viewer

logger = logging.getLogger(__name__)


class BroadcastTrack(MediaStreamTrack):
    """A track of encoded packets, which aiortc only packetises.

    Attributes:
        viewer: Its place in the broadcast, joined when aiortc asks for the first packet. What the peer reports
            (keyframe requests, estimates, loss) goes there.
        first_packet_at: When the first packet was handed to aiortc, in seconds of the event loop; None before that.
    """

    kind = "video"

    def __init__(self, broadcast: Broadcast) -> None:
        super().__init__()
        self.viewer = Viewer(broadcast)
        self.first_packet_at: float | None = None

    async def recv(self) -> EncodedPacket:
        """The next frame.

        Raises:
            MediaStreamError: The track has ended.
        """
        if self.readyState != "live":
            raise MediaStreamError
        # aiortc asks for the first packet when DTLS is up: a keyframe made earlier would be lost on the way.
        self.viewer.join()
        try:
            packet = await self.viewer.next_packet()
        except EndOfStreamError:
            raise MediaStreamError from None
        if self.first_packet_at is None:
            self.first_packet_at = asyncio.get_running_loop().time()
            logger.debug("The first frame is sent")
        return packet

    def stop(self) -> None:
        """End the track and leave the broadcast."""
        super().stop()
        self.viewer.leave()
