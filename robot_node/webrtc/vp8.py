"""VP8 for peers without H.264: encoded once for all of them, in a thread of its own, only while there are viewers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from robot_node.core.media import EncodedFrame, FrameSink, RawFrame, RawVideoSource
from robot_node.settings.devices import CameraSettings

logger = logging.getLogger(__name__)

_CODEC = "libvpx"
_MICROSECOND = Fraction(1, 1_000_000)
_LOWEST_BITRATE = 100_000
# libvpx cannot change its bitrate by way of FFmpeg: a change costs a new encoder, and so a keyframe.
_SMALLEST_CHANGE = 0.1
_SHORTEST_TIME_BETWEEN_CHANGES_US = 1_000_000
# Frames that the loop has not taken yet. The encoder waits then, and pictures are skipped before they are encoded: a
# frame dropped after encoding would cost its successors, which refer to it.
_MAX_IN_FLIGHT = 2


def can_encode_vp8() -> bool:
    """The installed FFmpeg has libvpx."""
    return _CODEC in av.codecs_available


class Vp8Encoder:
    """libvpx for live use. Blocks while it encodes: not for the event loop.

    Args:
        settings: Frame rate and keyframe interval.
    """

    def __init__(self, settings: CameraSettings) -> None:
        self._frame_rate = settings.frame_rate
        self._gop_frames = max(1, round(settings.frame_rate * settings.keyframe_interval_s))
        self._context: VideoCodecContext | None = None
        self._begun_us = 0
        self._last_us = -1

    def encode(self, frame: RawFrame, bitrate: int, *, keyframe: bool = False) -> EncodedFrame | None:
        """Encode one picture; the first is a keyframe.

        Args:
            frame: The picture.
            bitrate: In bits per second. Followed when it differs by more than a tenth, at most once a second.
            keyframe: Make a keyframe.

        Returns:
            The frame, or None when the picture was skipped: the encoder does so, and one that is not later than the
            last is (libvpx refuses it; the camera's clock goes back after a suspend).
        """
        if frame.timestamp_us <= self._last_us:
            return None
        context = self._context
        if context is None or self._does_not_fit(context, frame, bitrate):
            context = self._context = self._begin(frame, bitrate)
        picture = _picture(frame)
        picture.pts, picture.time_base = frame.timestamp_us, _MICROSECOND
        if keyframe:
            picture.pict_type = PictureType.I
        packets = context.encode(picture)
        self._last_us = frame.timestamp_us
        if not packets:
            return None
        return EncodedFrame(
            b"".join(map(bytes, packets)), packets[0].is_keyframe, frame.timestamp_us, rotation=frame.rotation
        )

    def _does_not_fit(self, context: VideoCodecContext, frame: RawFrame, bitrate: int) -> bool:
        if (context.width, context.height) != (frame.width, frame.height):
            return True
        current = context.bit_rate or 1
        changed = abs(bitrate - current) > _SMALLEST_CHANGE * current
        return changed and frame.timestamp_us - self._begun_us >= _SHORTEST_TIME_BETWEEN_CHANGES_US

    def _begin(self, frame: RawFrame, bitrate: int) -> VideoCodecContext:
        context = av.Codec(_CODEC, "w").create("video")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuv420p"
        context.time_base = _MICROSECOND
        context.framerate = Fraction(self._frame_rate)
        context.bit_rate = bitrate
        context.gop_size = self._gop_frames
        context.qmax = 48  # of 63: without it, keyframes are so coarse that each one can be seen
        context.thread_count = 1
        context.options = {
            "deadline": "realtime",
            "cpu-used": "12",  # of 16: libvpx gives up quality for the sake of time, down to a quarter of a frame's
            "lag-in-frames": "0",
            "minrate": str(bitrate),  # equal to maxrate and to the bitrate: a constant rate
            "maxrate": str(bitrate),
            "bufsize": str(bitrate // 4),
            "max-intra-rate": "300",  # percent of a frame's share of the bitrate, for a keyframe
            "static-thresh": "1",
        }
        self._begun_us = frame.timestamp_us
        return context


class Vp8Source:
    """A :class:`robot_node.core.media.VideoSource` that encodes a camera's pictures as VP8.

    Used from the event loop only.

    Args:
        camera: Delivers unencoded frames, only while this source is watched.
        settings: Bitrate at first, frame rate and keyframe interval.
    """

    def __init__(self, camera: RawVideoSource, settings: CameraSettings) -> None:
        self._camera = camera
        self._settings = settings
        self._bitrate = settings.bitrate
        self._sink: FrameSink | None = None
        self._encoding: _Encoding | None = None

    @property
    def encoding(self) -> bool:
        """The encoder runs."""
        return self._encoding is not None

    def set_sink(self, sink: FrameSink | None) -> None:
        """Choose the receiver of the frames."""
        self._sink = sink

    def set_watched(self, watched: bool, *, in_use: bool = True) -> None:  # noqa: ARG002  # only whole viewers want it
        """Set whether there are viewers: only then is there an encoder, and the camera delivers frames."""
        if watched == self.encoding:
            return
        if watched:
            encoder = Vp8Encoder(self._settings)
            self._encoding = _Encoding(encoder, asyncio.get_running_loop(), self._deliver, self._bitrate)
            self._camera.set_raw_sink(self._encoding.put)
        elif self._encoding is not None:
            self._camera.set_raw_sink(None)
            self._encoding.stop()
            self._encoding = None
        self._camera.set_raw_watched(watched)

    def set_settings(self, settings: CameraSettings) -> None:
        """Change bitrate and frame rate; a running encoder is replaced, and begins with a keyframe."""
        self._settings = settings
        self._bitrate = settings.bitrate
        if self._encoding is not None:
            self._encoding.stop()
            self._encoding = _Encoding(Vp8Encoder(settings), asyncio.get_running_loop(), self._deliver, self._bitrate)
            self._camera.set_raw_sink(self._encoding.put)

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe."""
        if self._encoding is not None:
            self._encoding.request_keyframe()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate while running; at least 100 000. A change of more than a tenth costs a keyframe."""
        self._bitrate = max(_LOWEST_BITRATE, bits_per_second)
        if self._encoding is not None:
            self._encoding.set_bitrate(self._bitrate)

    def _deliver(self, encoding: _Encoding, frame: EncodedFrame) -> None:
        if encoding is self._encoding and self._sink is not None:
            self._sink(frame)


class _Encoding:
    """One run of the encoder: its thread, and the newest picture that waits for it."""

    def __init__(
        self,
        encoder: Vp8Encoder,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[_Encoding, EncodedFrame], None],
        bitrate: int,
    ) -> None:
        self._encoder = encoder
        self._loop = loop
        self._deliver = deliver
        self._changed = threading.Condition()
        self._bitrate = bitrate
        self._waiting: RawFrame | None = None
        self._keyframe_requested = False
        self._in_flight = 0
        self._stopped = False
        threading.Thread(target=self._work, name="VP8 encoder", daemon=True).start()

    def put(self, frame: RawFrame) -> None:
        """Take a picture, in the camera's thread; an older one that still waits is skipped."""
        with self._changed:
            self._waiting = frame
            self._changed.notify()

    def request_keyframe(self) -> None:
        with self._changed:
            self._keyframe_requested = True

    def set_bitrate(self, bitrate: int) -> None:
        with self._changed:
            self._bitrate = bitrate

    def stop(self) -> None:
        """Let the thread end; does not wait for it."""
        with self._changed:
            self._stopped = True
            self._waiting = None
            self._changed.notify()

    def _work(self) -> None:
        failed = False
        while (job := self._next_job()) is not None:
            frame, bitrate, keyframe = job
            try:
                encoded = self._encoder.encode(frame, bitrate, keyframe=keyframe)
            except Exception:
                if not failed:
                    logger.exception("A picture could not be encoded as VP8")
                failed = True
                self.request_keyframe()  # if one was, and since nobody knows what the encoder refers to now
                continue
            if encoded is None:
                if keyframe:
                    self.request_keyframe()
            elif not self._hand_over(encoded):
                return

    def _next_job(self) -> tuple[RawFrame, int, bool] | None:
        """Wait for a picture to encode, with the bitrate and whether as a keyframe; None at the end."""
        with self._changed:
            while not self._stopped:
                frame = self._waiting
                if frame is not None and self._in_flight < _MAX_IN_FLIGHT:
                    self._waiting = None
                    keyframe, self._keyframe_requested = self._keyframe_requested, False
                    return frame, self._bitrate, keyframe
                self._changed.wait()
            return None

    def _hand_over(self, frame: EncodedFrame) -> bool:
        with self._changed:
            self._in_flight += 1
        try:
            self._loop.call_soon_threadsafe(self._take, frame)
        except RuntimeError:
            return False  # the loop was closed: the process is ending
        return True

    def _take(self, frame: EncodedFrame) -> None:
        with self._changed:
            self._in_flight -= 1
            self._changed.notify()
        self._deliver(self, frame)


def _picture(frame: RawFrame) -> av.VideoFrame:
    picture = av.VideoFrame(frame.width, frame.height, "yuv420p")
    data, start = memoryview(frame.planes), 0
    for plane, share in zip(picture.planes, (1, 2, 2), strict=True):
        stride, rows = frame.stride // share, frame.height // share
        rows_of_plane = data[start : start + stride * rows]
        start += stride * rows
        same = stride == plane.line_size
        plane.update(rows_of_plane if same else _with_stride(rows_of_plane, stride, plane.line_size))  # type: ignore[arg-type]  # PyAV takes any buffer
    return picture


def _with_stride(data: memoryview, stride: int, wanted: int) -> bytes:
    length = min(stride, wanted)
    rows = (bytes(data[at : at + length]) for at in range(0, len(data), stride))
    return b"".join(row.ljust(wanted, b"\0") for row in rows)
