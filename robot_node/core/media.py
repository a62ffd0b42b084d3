"""Interfaces between sources and sinks of video and sound and their transport, which are independent."""

from __future__ import annotations

import array
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class VideoMode:
    """What a camera's video is to be like.

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        frame_rate: Frames per second.
        bitrate: Highest bitrate, in bits per second: it adapts to viewers below that.
    """

    width: int
    height: int
    frame_rate: int
    bitrate: int


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One encoded picture.

    Attributes:
        data: H.264: an access unit as Annex B byte stream, a keyframe with its SPS and PPS in front. VP8: one frame.
        keyframe: A decoder can start here.
        timestamp_us: Capture time in microseconds of the monotonic clock.
        after_loss: Frames before it were lost: unless it is a keyframe, no decoder can use it.
        rotation: Degrees clockwise by which it has to be rotated to be shown: 0, 90, 180 or 270.
    """

    data: bytes
    keyframe: bool
    timestamp_us: int
    after_loss: bool = False
    rotation: int = 0


FrameSink = Callable[[EncodedFrame], None]
"""Receives frames on the event loop. Must not block."""


class VideoSource(Protocol):
    """A camera that encodes on demand. Every method is called on the event loop and returns at once."""

    def set_sink(self, sink: FrameSink | None) -> None:
        """Set the receiver of the frames."""

    def set_watched(self, watched: bool, *, in_use: bool = True) -> None:
        """Set whether there are viewers: the encoder runs only while the source is on and watched.

        Args:
            watched: There are viewers.
            in_use: They keep the source from being switched off as idle.
        """

    def request_keyframe(self) -> None:
        """Make one of the next frames a keyframe; each call may cost one."""

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate while running."""


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One picture as YUV 4:2:0: the Y plane, then U and V with half its rows and half its stride.

    Attributes:
        planes: The three planes, ``stride * height * 3 // 2`` bytes.
        width: Width in pixels.
        height: Height in pixels.
        stride: Bytes from one row of Y to the next.
        timestamp_us: Capture time in microseconds of the monotonic clock.
        metadata: What the camera library says about a small picture; of others, and with other libraries, nothing.
        rotation: Degrees clockwise by which it has to be rotated to be shown: 0, 90, 180 or 270.
    """

    planes: bytes
    width: int
    height: int
    stride: int
    timestamp_us: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    rotation: int = 0


RawFrameSink = Callable[[RawFrame], None]
"""Receives frames in a thread of the camera. Must return at once: the camera waits for it."""


class RawVideoSource(Protocol):
    """A camera that delivers unencoded frames. Every method is called on the event loop and returns at once."""

    def set_raw_sink(self, sink: RawFrameSink | None) -> None:
        """Set the receiver of the frames. They are unencoded."""

    def set_raw_watched(self, watched: bool) -> None:
        """Set whether frames are needed: only then are they copied, at most 30 a second."""


SAMPLE_RATE = 48_000
"""Sample rate of all sound in the robot: that of Opus and its RTP clock (RFC 7587 4.1)."""

FRAME_SAMPLES = SAMPLE_RATE // 50
"""Samples of one Opus packet: 20 ms."""


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """One Opus packet of 20 ms.

    Attributes:
        data: The packet.
        timestamp: Samples of 48 kHz on the monotonic clock; increases by 960 from packet to packet, by more after a
            pause (RFC 3550, 5.1: it goes on with the time when nothing was sent in between).
    """

    data: bytes
    timestamp: int


@dataclass(frozen=True, slots=True)
class SpeechFrame:
    """20 ms of the robot's voice, in the form that each output needs.

    Attributes:
        samples: For the loudspeaker: signed 16 bit, machine byte order, 48 kHz, mono.
        packet: For peers: the same as Opus.
        level: For the mouth: loudness, 0 to 1.
    """

    samples: bytes
    packet: bytes
    level: float


AudioPacketSink = Callable[[EncodedAudio], None]
"""Receives packets on the event loop. Must not block."""

AudioSampleSink = Callable[[bytes, float], None]
"""Receives 20 ms of samples (signed 16 bit, machine byte order, 48 kHz, mono) on the event loop, and when the last of
them was heard, in seconds of the monotonic clock. Must not block."""


class AudioSource(Protocol):
    """Sound for peers, encoded on demand. Every method is called on the event loop and returns at once."""

    def set_sink(self, sink: AudioPacketSink | None) -> None:
        """Set the receiver of the packets."""

    def set_listened(self, listened: bool) -> None:  # the only argument
        """Set whether there are listeners: a microphone is open only then."""


class MicrophoneSource(AudioSource, Protocol):
    """A microphone that gives packets to peers, and samples to the speech recognition."""

    def set_sample_sink(self, sink: AudioSampleSink | None) -> None:
        """Set the receiver of the samples: the microphone is open while there is one."""


class AudioSink(Protocol):
    """A destination of sound. Every method is called on the event loop and returns at once."""

    def play(self, samples: bytes) -> None:
        """Queue samples; when the bounded queue overflows, the oldest are dropped.

        Args:
            samples: Signed 16 bit, machine byte order, 48 kHz, mono.
        """

    def flush(self) -> None:
        """Clear the queue."""


class Played(NamedTuple):
    """A chunk that a loudspeaker was given.

    Attributes:
        samples: Signed 16 bit, machine byte order, 48 kHz, mono.
        at: When it was handed to the device, in seconds of the monotonic clock.
        ran_out: The device had nothing left to play before it.
    """

    samples: bytes
    at: float
    ran_out: bool


PlayedSink = Callable[[Played], None]
"""Receives, on the event loop, each chunk that the loudspeaker was given. Must not block."""


class LoudspeakerSink(AudioSink, Protocol):
    """A loudspeaker that reports its queue and its loudness."""

    @property
    def queued_s(self) -> float:
        """Seconds of sound in its queue."""

    def set_level_sink(self, sink: Callable[[float], None]) -> None:
        """Set the receiver, on the event loop, of the loudness of each chunk as it is played: 0 to 1."""

    def set_played_sink(self, sink: PlayedSink | None) -> None:
        """Set the receiver of what is played."""


def level_of(samples: bytes) -> float:
    """Return the perceived loudness of 16 bit samples, 0 to 1: half the amplitude is nearly as loud."""
    values = array.array("h", samples)
    peak = max((max(values), -min(values))) if values else 0
    return math.sqrt(min(peak, _LOUD_PEAK) / _LOUD_PEAK)


_LOUD_PEAK = 16384
"""Peak of samples that count as loud: half of full scale, which speech rarely exceeds."""


class RecognitionTap(Protocol):
    """Receives sound for speech recognition. Every method is called on the event loop and returns at once."""

    def hear(self, samples: bytes, by: str) -> None:
        """Receive the next samples.

        Args:
            samples: Signed 16 bit, machine byte order, 48 kHz, mono.
            by: Client id of the viewer whose sound it is; empty for the microphone.
        """

    def overhear(self, samples: bytes, heard_at: float) -> None:
        """Receive the microphone's samples while the robot itself speaks, whose voice is in them.

        Args:
            samples: As for :meth:`hear`.
            heard_at: When the last of them was heard, in seconds of the monotonic clock.
        """

    def played(self, played: Played) -> None:
        """Receive what the loudspeaker plays."""

    def forget(self) -> None:
        """Drop an unfinished utterance: the next samples do not continue it."""

    def expect_viewer(self) -> None:
        """Have the robot fall silent: a viewer begins to speak to it."""
