"""A video source that really encodes, and whose frames carry their number as a bar code."""

from __future__ import annotations

import asyncio
import threading
import time
from fractions import Fraction

import av
import numpy as np
from av.video.frame import PictureType

from robot_node.core.media import EncodedFrame, FrameSink

SERVER_ID = "robot"
"""The id of the robot in these tests, as an MCP server."""

WIDTH, HEIGHT = 320, 240
BITS = 16
_CELL = WIDTH // BITS
_CODE_ROWS = 80
_FRAMES_PER_S = 30


def picture(number: int) -> np.ndarray:
    """The frame with this number in grey values: a bar code above, a flat grey that depends on it below."""
    grey = np.empty((HEIGHT, WIDTH), np.uint8)
    for bit in range(BITS):
        grey[:_CODE_ROWS, bit * _CELL : (bit + 1) * _CELL] = 220 if number >> bit & 1 else 30
    grey[_CODE_ROWS:] = shade(number)
    return grey


def shade(number: int) -> int:
    """The grey of the lower part."""
    return 40 + number * 3 % 160


def read_number(grey: np.ndarray) -> int:
    """The number in a decoded picture of any size."""
    height, width = grey.shape
    row = grey[height * _CODE_ROWS // HEIGHT // 2]
    return sum(int(row[(2 * bit + 1) * width // (2 * BITS)] > 125) << bit for bit in range(BITS))


def grey_of(frame: av.VideoFrame) -> np.ndarray:
    """The luminance of a decoded frame, as the encoder was given it."""
    return frame.to_ndarray(format="yuv420p")[: frame.height]


def difference(frame: av.VideoFrame) -> float:
    """Mean difference between a decoded frame and the picture with the number that it carries."""
    grey = grey_of(frame)
    return float(np.abs(grey.astype(int) - picture(read_number(grey)).astype(int)).mean())


class Scene:
    """A :class:`robot_node.core.media.VideoSource` on libx264, in a paced thread as a camera has one.

    Encodes only while it is switched on and watched, as a camera does.
    """

    def __init__(self, *, on: bool = True, keyframe_interval: int = 3000) -> None:
        self._loop = asyncio.get_running_loop()
        self._keyframe_interval = keyframe_interval
        self._sink: FrameSink | None = None
        self._force_keyframe = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._number = 0
        self._on = on
        self.watched = self.in_use = False
        self.encoded = 0
        self.starts = 0
        self.keyframe_requests = 0
        self.bitrates: list[int] = []
        self.rotation = 0

    def set_sink(self, sink: FrameSink | None) -> None:
        self._sink = sink

    def set_watched(self, watched: bool, *, in_use: bool = True) -> None:
        self.watched, self.in_use = watched, in_use
        self._apply()

    def switch(self, *, on: bool) -> None:
        """Switch the camera on or off."""
        self._on = on
        self._apply()

    def request_keyframe(self) -> None:
        self.keyframe_requests += 1
        self._force_keyframe.set()

    def set_bitrate(self, bits_per_second: int) -> None:
        self.bitrates.append(bits_per_second)

    def close(self) -> None:
        """Stop the thread."""
        self.switch(on=False)

    @property
    def encoding(self) -> bool:
        """The encoder runs."""
        return self._thread is not None

    def _apply(self) -> None:
        wanted = self._on and self.watched
        if wanted and self._thread is None:
            self.starts += 1
            self._stopping = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stopping,), name="scene")
            self._thread.start()
        elif not wanted and self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._thread = None

    def _run(self, stopping: threading.Event) -> None:
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        codec.time_base = Fraction(1, 1_000_000)
        codec.framerate = Fraction(_FRAMES_PER_S)
        codec.bit_rate = 1_000_000
        codec.gop_size = self._keyframe_interval
        codec.thread_count = 1
        codec.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
        codec.profile = "Baseline"
        while not stopping.wait(1 / _FRAMES_PER_S):
            self._number += 1
            grey = picture(self._number % (1 << BITS))
            planes = np.concatenate([grey, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            timestamp_us = time.monotonic_ns() // 1000
            frame.pts, frame.time_base = timestamp_us, codec.time_base
            if self._force_keyframe.is_set():
                self._force_keyframe.clear()
                frame.pict_type = PictureType.I
            for packet in codec.encode(frame):
                self.encoded += 1
                encoded = EncodedFrame(bytes(packet), packet.is_keyframe, timestamp_us, rotation=self.rotation)
                self._loop.call_soon_threadsafe(self._deliver, encoded, stopping)

    def _deliver(self, frame: EncodedFrame, stopping: threading.Event) -> None:
        if self._sink is not None and not stopping.is_set():
            self._sink(frame)
