"""Scenes of the simulated camera: a running clock, noise, a video file, or this machine's webcam.

A setting selects the scene: ``clock``, ``clock-1`` to ``clock-7`` (each marked with a colour), ``noise``, ``webcam``,
the path of a video device such as ``/dev/video0``, the path of a video file, or ``auto`` (the webcam if it can be
opened, else the clock).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import av
import av.error
import numpy as np
import numpy.typing as npt

from hw_mocks.clock_scene import MARKERS, ClockScene
from robot_node.errors import DeviceError, SettingsError

WEBCAM = "/dev/video0"
CLOCKS = ("clock", *(f"clock-{marker}" for marker in range(1, len(MARKERS))))
"""Clocks that differ by their marker, so that nobody mistakes one camera's pictures for another's."""

Picture = npt.NDArray[np.uint8]
"""I420 with limited range: an array of height * 3 / 2 rows and width columns, Y above U above V."""


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """Return the picture in another size, by its nearest pixels."""
    rows, columns = picture.shape[0] * 2 // 3, picture.shape[1]
    if (columns, rows) == (width, height):
        return picture
    small = np.empty((height * 3 // 2, width), np.uint8)
    for target, source in zip(planes(small), planes(picture), strict=True):
        y = np.arange(target.shape[0]) * source.shape[0] // target.shape[0]
        x = np.arange(target.shape[1]) * source.shape[1] // target.shape[1]
        target[:] = source[y[:, None], x]
    return small


class Scene(Protocol):
    """A source of pictures. Used by one thread at a time."""

    def picture(self, monotonic_s: float) -> Picture:
        """Return the picture at a time of the monotonic clock, in seconds; it must not be modified."""

    def close(self) -> None:
        """Close files and devices."""


class NoiseScene:
    """Noise, the worst that a JPEG or a video encoder can get; two pictures in turns.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        noise = np.random.default_rng(1)
        self._pictures = [noise.integers(16, 236, (height * 3 // 2, width), np.uint8) for _ in range(2)]

    def picture(self, monotonic_s: float) -> Picture:
        """Return one of the two."""
        return self._pictures[int(monotonic_s * 30) % 2]

    def close(self) -> None:
        """Nothing is open."""


class VideoScene:
    """A video file, played in a loop at its frame rate, scaled to the picture with black borders.

    Args:
        path: The file.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.

    Raises:
        SettingsError: The file is missing, or contains no decodable video.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        self._size = width, height
        try:
            self._container = av.open(str(path))
        except (OSError, av.error.FFmpegError) as error:
            raise _unreadable(path, str(error)) from error
        for stream in self._container.streams.video:
            stream.codec_context.thread_count = 1
        self._start_s: float | None = None
        self._round_starts_s = 0.0
        self._frames = self._decoded()
        first = next(self._frames, None)
        if first is None:
            self._container.close()
            raise _unreadable(path, "it contains no decodable video")
        self._shown = first
        self._next: av.VideoFrame | None = first
        self._first_frame_s = first.time or 0.0
        rate = self._container.streams.video[0].average_rate
        self._frame_s = float(1 / rate) if rate else 1 / 25
        self._picture: Picture | None = None

    def picture(self, monotonic_s: float) -> Picture:
        """Return the frame that is due; the clip starts at the first call."""
        if self._start_s is None:
            self._start_s = monotonic_s
        while self._next is not None and self._due_s(self._next) <= monotonic_s - self._start_s:
            self._shown, self._picture = self._next, None
            self._advance()
        if self._picture is None:
            self._picture = fitted(self._shown, *self._size)
        return self._picture

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _due_s(self, frame: av.VideoFrame) -> float:
        return self._round_starts_s + (frame.time or 0.0) - self._first_frame_s

    def _decoded(self) -> Iterator[av.VideoFrame]:
        if not self._container.streams.video:
            return
        try:
            yield from self._container.decode(video=0)
        except av.error.FFmpegError:
            return  # a damaged clip is shown up to the damage

    def _advance(self) -> None:
        self._next = next(self._frames, None)
        if self._next is None:
            self._round_starts_s = self._due_s(self._shown) + self._frame_s
            self._container.seek(0)
            self._frames = self._decoded()
            self._next = next(self._frames, None)


class WebcamScene:
    """A live video device, read by its own thread, so that the latest frame is always available.

    Args:
        device: The device, e.g. ``/dev/video0``.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        container_format: FFmpeg's name of the device type.

    Raises:
        DeviceError: The device cannot be opened, or delivers no picture.
    """

    FIRST_FRAME_LIMIT_S = 5.0

    def __init__(self, device: str, width: int, height: int, *, container_format: str = "v4l2") -> None:
        self._size = width, height
        try:
            self._container = av.open(device, format=container_format, timeout=self.FIRST_FRAME_LIMIT_S)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise DeviceError(
                f"The webcam {device} cannot be opened: {error}.",
                remedy="Check that it is plugged in, that no other program uses it, and that you may read the device.",
            ) from error
        self._newest: av.VideoFrame | None = None
        self._arrived = threading.Event()
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, name="webcam", daemon=True)
        self._reader.start()
        self._arrived.wait(self.FIRST_FRAME_LIMIT_S)
        if self._newest is None:
            self.close()
            raise DeviceError(f"The webcam {device} delivers no picture.", remedy="Unplug it and plug it in again.")

    def picture(self, monotonic_s: float) -> Picture:  # noqa: ARG002  # a live picture is always the latest
        """Return the newest frame."""
        assert self._newest is not None
        return fitted(self._newest, *self._size)

    def close(self) -> None:
        """Switch the webcam off."""
        self._closing.set()
        self._reader.join()

    def _read(self) -> None:
        try:
            for frame in self._container.decode(video=0):
                self._newest = frame
                self._arrived.set()
                if self._closing.is_set():
                    return
        except (OSError, av.error.FFmpegError):
            return  # unplugged: the last picture stays, like that of a camera that hangs
        finally:
            self._container.close()
            self._arrived.set()


def open_scene(setting: str, width: int, height: int) -> Scene:
    """Open the scene of a setting.

    Args:
        setting: ``clock``, ``clock-1`` to ``clock-7``, ``noise``, ``webcam``, ``auto``, a video device, or the path of
            a video file.
        width: Width of the picture in pixels, even.
        height: Height of the picture in pixels, even.

    Raises:
        SettingsError: There is no such file, or it is not a video.
        DeviceError: The webcam cannot be opened.
    """
    match setting:
        case marked if marked in CLOCKS:
            return ClockScene(width, height, utc_offset_s=_local_time_offset_s(), marker=CLOCKS.index(marked))
        case "noise":
            return NoiseScene(width, height)
        case "auto":
            try:
                return WebcamScene(WEBCAM, width, height)
            except DeviceError:
                return open_scene("clock", width, height)
        case device if device == "webcam" or device.startswith("/dev/"):
            return WebcamScene(WEBCAM if device == "webcam" else device, width, height)
    return VideoScene(Path(setting).expanduser(), width, height)


def check_scene(setting: str) -> None:
    """Check that a scene can be opened.

    Raises:
        SettingsError: There is no such file, or it is not a video.
    """
    if setting not in (*CLOCKS, "noise", "auto", "webcam") and not setting.startswith("/dev/"):
        VideoScene(Path(setting).expanduser(), 64, 64).close()


def fitted(frame: av.VideoFrame, width: int, height: int) -> Picture:
    """Scale a frame to ``width`` x ``height`` pixels with black borders, keeping its aspect ratio."""
    scale = min(width / frame.width, height / frame.height)
    inner_width = min(width, max(2, round(frame.width * scale / 2) * 2))
    inner_height = min(height, max(2, round(frame.height * scale / 2) * 2))
    inner: Picture = frame.reformat(inner_width, inner_height, "yuv420p").to_ndarray().astype(np.uint8, copy=False)
    if (inner_width, inner_height) == (width, height):
        return inner
    left, top = (width - inner_width) // 4 * 2, (height - inner_height) // 4 * 2
    picture = np.empty((height * 3 // 2, width), np.uint8)
    for plane, source, black, divisor in zip(planes(picture), planes(inner), (16, 128, 128), (1, 2, 2), strict=True):
        plane[:] = black
        rows, columns = source.shape
        plane[top // divisor : top // divisor + rows, left // divisor : left // divisor + columns] = source
    return picture


def planes(picture: Picture) -> tuple[Picture, Picture, Picture]:
    """Return views of a picture's Y, U and V planes."""
    rows, width = picture.shape
    height = rows * 2 // 3
    chroma = picture.reshape(-1)[height * width :].reshape(2, height // 2, width // 2)
    return picture[:height], chroma[0], chroma[1]


def _local_time_offset_s() -> float:
    return time.time() + time.localtime().tm_gmtoff - time.monotonic()


def _unreadable(path: Path, reason: str) -> SettingsError:
    return SettingsError(
        f"The scene {str(path)!r} cannot be opened: {reason}.",
        remedy="Use 'clock', 'noise', 'webcam', 'auto', or the path of a video file.",
    )
