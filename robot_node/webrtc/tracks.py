"""The broadcast as tracks of aiortc's."""

from __future__ import annotations

import asyncio
import logging

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from robot_node.webrtc.broadcast import Broadcast, EncodedPacket, EndOfStreamError, Viewer, ViewerCounts

logger = logging.getLogger(__name__)


class BroadcastTrack(MediaStreamTrack):
    """A viewer's place in the broadcast, as aiortc wants it. Its packets are encoded: aiortc only cuts them up."""

    kind = "video"

    def __init__(self, broadcast: Broadcast) -> None:
        super().__init__()
        self._broadcast = broadcast
        self._viewer: Viewer | None = None
        self.first_packet_at: float | None = None

    @property
    def counts(self) -> ViewerCounts:
        """What became of the frames."""
        return self._viewer.counts if self._viewer else ViewerCounts()

    @property
    def captured_us(self) -> int | None:
        """When the newest frame was captured, in microseconds of the monotonic clock; None before there is one."""
        return self._broadcast.captured_us

    def request_keyframe(self) -> None:
        """Ask on behalf of the peer's decoder."""
        if self._viewer is not None:
            self._viewer.request_keyframe()

    def estimate(self, bits_per_second: int) -> None:
        """Tell what the peer takes its network to carry (REMB)."""
        if self._viewer is not None:
            self._viewer.estimate(bits_per_second)

    def report_loss(self, fraction_lost: float) -> None:
        """Tell which share of the packets the peer has lost since its last report, 0 to 1."""
        if self._viewer is not None:
            self._viewer.report_loss(fraction_lost)

    async def recv(self) -> EncodedPacket:
        """The next frame.

        Raises:
            MediaStreamError: the track has ended.
        """
        if self.readyState != "live":
            raise MediaStreamError
        if self._viewer is None:
            # aiortc asks for the first packet when DTLS is up: a keyframe made earlier would be lost on the way.
            self._viewer = self._broadcast.join()
        try:
            packet = await self._viewer.next_packet()
        except EndOfStreamError:
            raise MediaStreamError from None
        if self.first_packet_at is None:
            self.first_packet_at = asyncio.get_running_loop().time()
            logger.debug("The first frame is sent")
        return packet

    def stop(self) -> None:
        """End the track and leave the broadcast."""
        super().stop()
        if self._viewer is not None:
            self._viewer.leave()
