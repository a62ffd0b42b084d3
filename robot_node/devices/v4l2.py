"""The kernel's video devices (V4L2): what drivers are given, and the real ones by ioctl(2), PyAV and FFmpeg's input."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from robot_node.errors import DeviceError

_INPUT_FLAGS = "+4+noparse"
"""AVFMT_FLAG_NONBLOCK, which has no name in FFmpeg's options: else a camera that stalls holds its reader for ever.

Without a parser, which would hold back each picture of H.264 until the next one begins, and lose its time."""


class V4l2Node(Protocol):
    """An open file of a video device, for requests to the kernel. To be closed, or used as context."""

    def ioctl(self, request: int, argument: bytes) -> bytes:
        """Make a request and return its structure as the kernel has filled it in.

        Raises:
            OSError: The kernel refuses.
        """

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


@dataclass(frozen=True, slots=True)
class V4l2Library:
    """The kernel's video devices (V4L2), by PyAV.

    Attributes:
        paths: The files of all video devices now, in the order of their numbers.
        node: Opens the file of a device for requests; raises OSError.
        open: Opens a device for capturing, given its path, PyAV's options of FFmpeg's device input, and how long that
            may take in seconds: PyAV's input container. Its demux() raises BlockingIOError while there is no picture.
            Raises OSError.
        codec: PyAV's CodecContext.create: makes a codec, given its name and "r" (decode) or "w" (encode).
        hardware_encoder: Name of PyAV's encoder on the board's H.264 hardware.
    """

    paths: Callable[[], Sequence[str]]
    node: Callable[[str], V4l2Node]
    open: Callable[[str, Mapping[str, str], float], Any]
    codec: Callable[[str, Any], Any]
    hardware_encoder: str = "h264_v4l2m2m"


def no_v4l2() -> V4l2Library:
    """A platform without video devices.

    Raises:
        DeviceError: always.
    """
    raise DeviceError("This hardware has no video devices.", remedy='Set driver to "picamera2" in [camera].')


class VideoNode:
    """An open file of a video device: see :class:`V4l2Node`.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ioctl(self, request: int, argument: bytes) -> bytes:
        """Make a request and return its structure as the kernel has filled it in.

        Raises:
            OSError: The kernel refuses.
        """
        return fcntl.ioctl(self._file, request, argument)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def real_v4l2() -> V4l2Library:
    """The kernel's own devices."""
    import av  # takes a second on a Pi

    def open_device(path: str, options: Mapping[str, str], limit_s: float) -> Any:
        return av.open(path, format="v4l2", options={**options, "fflags": _INPUT_FLAGS}, timeout=(limit_s, None))

    return V4l2Library(paths=_paths, node=VideoNode, open=open_device, codec=av.CodecContext.create)


def _paths() -> Sequence[str]:
    files = [str(file) for file in Path("/dev").glob("video*") if re.fullmatch(r"video\d+", file.name)]
    return sorted(files, key=lambda path: int(path.removeprefix("/dev/video")))
