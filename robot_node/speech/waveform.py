"""Speech as samples, and cut into the frames that loudspeaker, peers and face get."""

from __future__ import annotations

from dataclasses import dataclass

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE, SpeechFrame, level_of
from robot_node.devices.opus import OpusEncoder, audio_frame

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
        """Duration."""
        return len(self.samples) / 2 / self.rate


class SpeechEncoder:
    """Cuts the speech of one text into frames. Loads PyAV, which takes seconds on a Pi: to be used in a thread."""

    def __init__(self) -> None:
        self._encoder = OpusEncoder()
        self._position = 0

    def frames(self, speech: Waveform) -> tuple[SpeechFrame, ...]:
        """Cut what comes next; the last frame is filled up with silence."""
        samples = _resampled(speech)
        samples += bytes(-len(samples) % _FRAME_BYTES)
        pieces = (samples[start : start + _FRAME_BYTES] for start in range(0, len(samples), _FRAME_BYTES))
        return tuple(SpeechFrame(piece, self._packet(piece), level_of(piece)) for piece in pieces)

    def _packet(self, samples: bytes) -> bytes:
        packets = self._encoder.encode(samples, self._position)
        self._position += FRAME_SAMPLES
        return b"".join(packets)


def _resampled(speech: Waveform) -> bytes:
    if speech.rate == SAMPLE_RATE or not speech.samples:
        return speech.samples
    import av  # loaded by the encoder

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    frames = [*resampler.resample(audio_frame(av, speech.samples, speech.rate)), *resampler.resample(None)]
    return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)
