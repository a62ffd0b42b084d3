"""Speech as samples, and cut into the frames that loudspeaker, peers and face get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


class StreamEncoder:
    """Cuts speech that comes in pieces into frames. Loads PyAV, too: to be used in a thread.

    Args:
        rate: Samples per second of what comes.
    """

    def __init__(self, rate: int) -> None:
        self._encoder, self._rate = SpeechEncoder(), rate
        import av  # loaded by the encoder

        self._av = av
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        self._position = 0
        self._rest = b""

    def frames(self, samples: bytes, *, last: bool = False) -> tuple[SpeechFrame, ...]:
        """Cut what comes next; what fills no frame waits for more, unless it is the last.

        Args:
            samples: Signed 16 bit, machine byte order, mono; any number.
            last: Nothing follows: the last frame is filled up with silence.
        """
        made: list[Any] = []
        if samples:
            made += self._resampler.resample(audio_frame(self._av, samples, self._rate, self._position))
            self._position += len(samples) // 2
        if last and self._position:
            made += self._resampler.resample(None)
        self._rest += b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in made)
        end = len(self._rest) if last else len(self._rest) - len(self._rest) % _FRAME_BYTES
        complete, self._rest = self._rest[:end], self._rest[end:]
        return self._encoder.frames(Waveform(complete, SAMPLE_RATE))


def _resampled(speech: Waveform) -> bytes:
    if speech.rate == SAMPLE_RATE or not speech.samples:
        return speech.samples
    import av  # loaded by the encoder

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    frames = [*resampler.resample(audio_frame(av, speech.samples, speech.rate)), *resampler.resample(None)]
    return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)
