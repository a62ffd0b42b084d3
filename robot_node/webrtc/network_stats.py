"""What aiortc knows of the network to one peer."""

from __future__ import annotations

import asyncio

from aiortc import RTCRtpSender
from aiortc.stats import RTCOutboundRtpStreamStats, RTCRemoteInboundRtpStreamStats

_INTERVAL_S = 1.0


class NetworkStats:
    """The newest figures of one sender.

    Attributes:
        bitrate: As sent in the last second, in bits per second.
        packet_loss: Share of all packets that the peer has missed, 0 to 1.
        round_trip_ms: To the peer and back; None before it is known.
    """

    def __init__(self) -> None:
        self.bitrate = 0
        self.packet_loss = 0.0
        self.round_trip_ms: float | None = None

    async def follow(self, sender: RTCRtpSender) -> None:
        """Ask once a second, until cancelled."""
        loop = asyncio.get_running_loop()
        bytes_before, asked_at = 0, loop.time()
        while True:
            await asyncio.sleep(_INTERVAL_S)
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
