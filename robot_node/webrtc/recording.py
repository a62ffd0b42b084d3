"""Records decoded frames into an MP4 file, encoded in a thread."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Self

import av
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from robot_node.errors import SettingsError

logger = logging.getLogger(__name__)

_QUEUE_FRAMES = 60
_NOMINAL_FRAME_RATE = 30
_TIME_BASE = Fraction(1, 90_000)


class Recording:
    """An async context manager that writes an MP4 file; with no path it takes frames and writes nothing.

    Frames keep their own times. A machine that encodes slower than frames come loses frames in the file, never
    memory or the live picture.

    Args:
        path: The file, overwritten when it exists.

    Raises:
        SettingsError: on entering, when the file cannot be written; on leaving, when writing failed.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._frames: queue.Queue[av.VideoFrame | None] = queue.Queue(_QUEUE_FRAMES)
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self.dropped = 0

    def add(self, frame: av.VideoFrame) -> None:
        """Queue a frame for writing; return at once."""
        if self._thread is None:
            return
        try:
            self._frames.put_nowait(frame)
        except queue.Full:
            self.dropped += 1

    async def __aenter__(self) -> Self:
        if self._path is not None:
            file = await asyncio.to_thread(_open, self._path)
            self._thread = threading.Thread(target=self._write, args=(file,), name="MP4 writer")
            self._thread.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._thread is None:
            return
        await asyncio.to_thread(self._finish, self._thread)
        if self.dropped:
            logger.warning("%s lacks %d frames: this machine encodes too slowly.", self._path, self.dropped)
        if self._error is not None and kind is None:
            raise _cannot_write(self._path, str(self._error)) from self._error

    def _finish(self, thread: threading.Thread) -> None:
        self._frames.put(None)
        thread.join()

    def _write(self, file: BinaryIO) -> None:
        frames = iter(self._frames.get, None)
        try:
            with file, av.open(file, "w", format="mp4") as container:
                _encode(frames, container)
        except Exception as error:  # noqa: BLE001  # told by __aexit__: a thread has nobody to raise to
            self._error = error
        for _ in frames:
            pass  # after an error: else the queue would stay full


def _open(path: Path) -> BinaryIO:
    # Opened here, because libav opens a path only when it first writes to it: too late to say so.
    try:
        return path.open("wb")
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from error


def _encode(frames: Iterator[av.VideoFrame], container: OutputContainer) -> None:
    stream: VideoStream | None = None
    last_time = -1
    for frame in frames:
        if stream is None:
            stream = container.add_stream("libx264", rate=_NOMINAL_FRAME_RATE, options={"preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            stream.codec_context.time_base = _TIME_BASE
        picture = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
        picture.pict_type = PictureType.NONE  # the camera's keyframes are not the file's
        last_time = max(last_time + 1, _time_of(frame))
        picture.pts, picture.time_base = last_time, _TIME_BASE
        container.mux(stream.encode(picture))
    if stream is not None:
        container.mux(stream.encode(None))


def _time_of(frame: av.VideoFrame) -> int:
    if frame.pts is None or frame.time_base is None:
        return 0
    base = Fraction(frame.time_base.numerator, frame.time_base.denominator)
    return int(frame.pts * base / _TIME_BASE)


def _cannot_write(path: Path | None, reason: str) -> SettingsError:
    return SettingsError(f"The video file {path} cannot be written: {reason}.", remedy="Choose another --output.")
