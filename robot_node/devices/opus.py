"""Opus packets of 20 ms, from samples."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from robot_node.core.media import SAMPLE_RATE


class OpusEncoder:
    """Encodes speech. Making one loads PyAV, which takes seconds on a Pi: to be done in a thread.

    Args:
        bitrate: In bits per second.
    """

    def __init__(self, bitrate: int = 32_000) -> None:
        import av  # takes seconds on a Pi: only when sound is needed

        self._av = av
        encoder: Any = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.format, encoder.layout = SAMPLE_RATE, "s16", "mono"
        encoder.time_base = Fraction(1, SAMPLE_RATE)
        encoder.bit_rate = bitrate
        encoder.options = {"application": "voip", "frame_duration": "20"}
        self._encoder = encoder

    def encode(self, samples: bytes, timestamp: int) -> list[bytes]:
        """Encode 20 ms: signed 16 bit, machine byte order, 48 kHz, mono.

        Args:
            samples: The samples.
            timestamp: The number of the first one, which must increase.
        """
        frame = audio_frame(self._av, samples, SAMPLE_RATE, timestamp)
        return [bytes(packet) for packet in self._encoder.encode(frame)]


def audio_frame(av: Any, samples: bytes, rate: int, timestamp: int = 0) -> Any:  # PyAV is loaded late
    """Make PyAV's frame of mono samples, signed 16 bit."""
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
    frame.sample_rate, frame.pts, frame.time_base = rate, timestamp, Fraction(1, rate)
    plane = frame.planes[0]
    plane.update(samples + bytes(plane.buffer_size - len(samples)))
    return frame
