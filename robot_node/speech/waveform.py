"""Speech as samples, and as what loudspeaker, viewers and face each take of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE
from robot_node.devices.audio import level_of

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
"""Seconds of one frame."""

_FRAME_BYTES = 2 * FRAME_SAMPLES


@dataclass(frozen=True, slots=True)
class Waveform:
    """Speech as an engine makes it.

    Attributes:
        samples: Signed 16 bit, machine byte order, mono.
        rate: Samples per second.
    """

    samples: bytes
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / 2 / self.rate


@dataclass(frozen=True, slots=True)
class SpeechFrame:
    """20 ms of speech.

    Attributes:
        samples: For the loudspeaker: signed 16 bit, machine byte order, 48 kHz, mono.
        packet: For viewers: the same as Opus.
        level: For the mouth: how loud it is, 0 to 1.
    """

    samples: bytes
    packet: bytes
    level: float


class SpeechEncoder:
    """Cuts speech into frames. Loads PyAV, which takes seconds on a Pi: to be used in a thread.

    Args:
        bitrate: Of the Opus packets, in bits per second.
    """

    def __init__(self, *, bitrate: int = 32_000) -> None:
        import av  # takes seconds on a Pi: only when something is said

        self._av = av
        encoder: Any = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.format, encoder.layout = SAMPLE_RATE, "s16", "mono"
        encoder.time_base = Fraction(1, SAMPLE_RATE)
        encoder.bit_rate = bitrate
        encoder.options = {"application": "voip", "frame_duration": "20"}
        self._encoder = encoder
        self._position = 0

    def frames(self, speech: Waveform) -> tuple[SpeechFrame, ...]:
        """The frames of one piece of speech; the last one is filled up with silence."""
        samples = self._resampled(speech)
        samples += bytes(-len(samples) % _FRAME_BYTES)
        cut = (samples[start : start + _FRAME_BYTES] for start in range(0, len(samples), _FRAME_BYTES))
        return tuple(SpeechFrame(piece, self._packet(piece), level_of(piece)) for piece in cut)

    def _packet(self, samples: bytes) -> bytes:
        packets = self._encoder.encode(self._frame(samples, SAMPLE_RATE, self._position))
        self._position += FRAME_SAMPLES
        return b"".join(map(bytes, packets))

    def _resampled(self, speech: Waveform) -> bytes:
        if speech.rate == SAMPLE_RATE or not speech.samples:
            return speech.samples
        resampler = self._av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        frames = [*resampler.resample(self._frame(speech.samples, speech.rate, 0)), *resampler.resample(None)]
        return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)

    def _frame(self, samples: bytes, rate: int, position: int) -> Any:
        frame = self._av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
        plane = frame.planes[0]
        plane.update(samples + bytes(plane.buffer_size - len(samples)))
        return frame
