"""What a source of encoded video and those who send it on agree upon. Neither knows the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One H.264 access unit.

    Attributes:
        data: Annex B byte stream; a keyframe begins with its SPS and PPS.
        keyframe: The frame is an IDR: a decoder can start here.
        timestamp_us: Capture time in microseconds of the monotonic clock; increases from frame to frame, also
            when the source was switched off and on in between.
    """

    data: bytes
    keyframe: bool
    timestamp_us: int


FrameSink = Callable[[EncodedFrame], None]
"""Receives frames on the event loop. Must not block."""


class VideoSource(Protocol):
    """A camera that encodes on demand. Every method is called on the event loop and returns at once."""

    def set_sink(self, sink: FrameSink | None) -> None:
        """Choose who receives the frames."""

    def set_watched(self, watched: bool) -> None:  # noqa: FBT001  # it is the one thing said
        """Say whether anybody watches: the encoder runs only while the source is on and watched."""

    def request_keyframe(self) -> None:
        """Make one of the next frames a keyframe."""

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate while running."""
