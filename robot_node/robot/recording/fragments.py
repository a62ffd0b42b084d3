"""Fragmented MP4 of encoded frames and sound, without encoding them again. Needs PyAV; does no I/O."""

from __future__ import annotations

import io
import struct
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import av

from robot_node.core.media import SAMPLE_RATE
from robot_node.robot.recording.ring import Sample

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_VIDEO_CLOCK_HZ = 90_000
_MICROSECONDS = 1_000_000
_NOMINAL_FRAME = _VIDEO_CLOCK_HZ // 30

_OPTIONS = {
    # ISO/IEC 14496-12, 8.8: the index in front describes no samples, and each fragment describes its own. So a file
    # that ends anywhere plays up to its last complete fragment.
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    # At least one a second: at most that is lost when the power fails.
    "frag_duration": str(_MICROSECONDS),
    # A microphone that gives nothing must not hold the pictures back.
    "max_interleave_delta": str(_MICROSECONDS),
}


class Fragments:
    """Turns samples into the bytes of one MP4 file, a fragment at a time.

    Args:
        first: A keyframe with its parameter sets in front; time 0 of the file. :meth:`add` it too.
        sound: There is a track for Opus.
        created: When it was captured, with time zone; stored in the file.
        cause: What caused the recording; stored in the file as its comment.

    Raises:
        ValueError: The keyframe has no usable parameter sets.
    """

    def __init__(self, first: Sample, *, sound: bool, created: datetime, cause: str = "") -> None:
        self._start_us = first.time_us
        self._last = {True: -1, False: -1}
        self._output = _Output()
        # The muxer needs SPS and PPS in its header; reading one keyframe as a raw stream parses them out of it.
        try:
            with av.open(io.BytesIO(first.data), format="h264") as parsed:
                template = parsed.streams.video[0]
                if not template.width:
                    raise ValueError("The keyframe does not say how large the picture is.")
                self._container = av.open(cast("Any", self._output), "w", format="mp4", options=_OPTIONS)
                self._container.metadata["creation_time"] = created.isoformat()
                if cause:
                    self._container.metadata["comment"] = cause
                self._video: VideoStream = self._container.add_stream_from_template(template)
                height, width = template.height, template.width
        except (av.error.FFmpegError, IndexError) as error:
            raise ValueError(f"The keyframe cannot be read: {error}.") from error
        self._video.time_base = Fraction(1, _VIDEO_CLOCK_HZ)
        self._sound = self._container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono") if sound else None
        if first.rotation:
            self._container.start_encoding()  # writes the index
            self._output.rotate(first.rotation, height, width)

    def add(self, sample: Sample) -> bytes:
        """Add the next sample; returns the bytes that follow in the file: none, or one complete fragment or more."""
        after_us = sample.time_us - self._start_us
        if after_us < 0 or not (sample.video or self._sound):
            return b""
        packet: av.Packet[Any] = av.Packet(sample.data)
        clock = _VIDEO_CLOCK_HZ if sample.video else SAMPLE_RATE
        packet.time_base = Fraction(1, clock)
        # ISO/IEC 14496-12, 8.6.1.2: decoding times increase.
        self._last[sample.video] = max(self._last[sample.video] + 1, after_us * clock // _MICROSECONDS)
        packet.pts = packet.dts = self._last[sample.video]
        packet.duration = _NOMINAL_FRAME if sample.video else SAMPLE_RATE // 50
        packet.is_keyframe = sample.keyframe or not sample.video
        packet.stream = self._video if sample.video or self._sound is None else self._sound
        self._container.mux(packet)
        return self._output.take()

    def end(self) -> bytes:
        """Return the last bytes of the file. Add nothing afterwards."""
        self._container.close()
        return self._output.take()


class _Output:
    """A file for PyAV that keeps what is written until it is taken. It cannot seek: nothing may be changed later."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def rotate(self, degrees: int, height: int, width: int) -> None:
        """Tell players, in the first track's header, to rotate its pictures: PyAV cannot write that.

        ISO/IEC 14496-12, 8.3.2.3: the last fields of the box are nine of the matrix, width and height, of 32 bits each.
        """
        start = self._written.index(b"tkhd") - 4
        end = start + int.from_bytes(self._written[start : start + 4], "big") - 8
        one, corner = 1 << 16, {90: (height << 16, 0), 180: (width << 16, height << 16), 270: (0, width << 16)}
        a, b = {90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
        self._written[end - 36 : end] = struct.pack(">9i", a, b, 0, -b, a, 0, *corner[degrees], 1 << 30)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken
