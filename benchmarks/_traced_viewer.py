"""A viewer that decodes, and records when each frame passes each stage. Times are seconds of the monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import av
import numpy as np
from aiortc import RTCRtpReceiver, rtcrtpreceiver
from aiortc.codecs import get_decoder
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from hw_mocks.clock_scene import read_stamp
from robot_node.webrtc.receiving import ReceivedFrame
from robot_node.webrtc.viewer import Viewing

_RTP_TIMESTAMPS = 1 << 32


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One frame at the viewer.

    Attributes:
        captured_ms: The capture time in the picture, in milliseconds modulo 2 ** 24.
        arrived: When its last packet came.
        decoding: When the jitter buffer had released it and decoding began.
        decoded: When it was decoded.
        received: When the application had it.
    """

    captured_ms: int
    arrived: float
    decoding: float
    decoded: float
    received: float


class Trace:
    """What was noted of the only stream of this process. Made by :func:`traced`."""

    def __init__(self) -> None:
        self._arrived: dict[int, float] = {}
        self._decoding: dict[int, tuple[float, float]] = {}
        self._first_timestamp: int | None = None

    def packet(self, packet: RtpPacket) -> None:
        """A packet has come."""
        if self._first_timestamp is None:
            self._first_timestamp = packet.timestamp
        self._arrived[(packet.timestamp - self._first_timestamp) % _RTP_TIMESTAMPS] = time.monotonic()

    def decoded(self, timestamp: int, began: float) -> None:
        """A frame was decoded."""
        self._decoding[timestamp] = (began, time.monotonic())

    async def next_frame(self, viewing: Viewing) -> SeenFrame | None:
        """Receive a frame; None when its capture time cannot be read."""
        received = await viewing.frame()
        stamp = _read_stamp(received)
        # aiortc counts a frame's time from that of the stream's first packet.
        timestamp = received.image.pts
        if stamp is None or timestamp not in self._arrived or timestamp not in self._decoding:
            return None
        began, decoded = self._decoding.pop(timestamp)
        return SeenFrame(stamp, self._arrived.pop(timestamp), began, decoded, received.arrived_at)


@contextmanager
def traced() -> Iterator[Trace]:
    """Note what happens to the frames of the next stream that this process receives."""
    trace = Trace()
    # aiortc tells nobody when a packet comes, or when it decodes; a name that is gone raises here.
    handle = RTCRtpReceiver._handle_rtp_packet  # noqa: SLF001

    async def note_and_handle(receiver: RTCRtpReceiver, packet: RtpPacket, arrival_time_ms: int) -> None:
        trace.packet(packet)
        await handle(receiver, packet, arrival_time_ms)

    def traced_decoder(codec: RTCRtpCodecParameters) -> Decoder:
        return _TracedDecoder(get_decoder(codec), trace)

    with (
        mock.patch.object(RTCRtpReceiver, "_handle_rtp_packet", note_and_handle),
        mock.patch.object(rtcrtpreceiver, "get_decoder", traced_decoder),
    ):
        yield trace


class _TracedDecoder(Decoder):
    def __init__(self, decoder: Decoder, trace: Trace) -> None:
        self._decoder = decoder
        self._trace = trace

    def decode(self, encoded_frame: JitterFrame) -> list[Any]:
        began = time.monotonic()
        frames = self._decoder.decode(encoded_frame)
        self._trace.decoded(encoded_frame.timestamp, began)
        return frames


def _read_stamp(received: ReceivedFrame) -> int | None:
    image: av.VideoFrame = received.image
    plane = image.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(image.height, plane.line_size)[:, : image.width]
    return read_stamp(luma)
