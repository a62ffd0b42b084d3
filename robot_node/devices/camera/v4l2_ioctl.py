"""The kernel's video devices (V4L2): what each is, and which formats, sizes and rates it has. By ioctl, opened briefly.

Structures and numbers are those of linux/videodev2.h; nothing here depends on the word size.
"""

from __future__ import annotations

import contextlib
import errno
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from robot_node.devices.v4l2 import V4l2Library, V4l2Node

_WRITE, _READ = 1, 2


def ioctl_number(direction: int, number: int, size: int) -> int:
    """The number of a request of V4L2, as asm-generic/ioctl.h composes it.

    Args:
        direction: 1: the kernel reads the structure, 2: it writes it; 3: both.
        number: Of the request.
        size: Of the structure, in bytes.
    """
    return direction << 30 | size << 16 | ord("V") << 8 | number


CAPABILITY = struct.Struct("=16s32s32sIII12x")
FORMAT_DESCRIPTION = struct.Struct("=III32sI16x")
FRAME_SIZE = struct.Struct("=III6I8x")
FRAME_INTERVAL = struct.Struct("=IIIII6I8x")

QUERYCAP = ioctl_number(_READ, 0, CAPABILITY.size)
ENUM_FMT = ioctl_number(_READ | _WRITE, 2, FORMAT_DESCRIPTION.size)
ENUM_FRAMESIZES = ioctl_number(_READ | _WRITE, 74, FRAME_SIZE.size)
ENUM_FRAMEINTERVALS = ioctl_number(_READ | _WRITE, 75, FRAME_INTERVAL.size)

CAP_CAPTURE = 0x0000_0001
CAP_M2M_MPLANE = 0x0000_4000
CAP_M2M = 0x0000_8000
CAP_STREAMING = 0x0400_0000
CAP_DEVICE_CAPS = 0x8000_0000
BUF_CAPTURE = 1
BUF_CAPTURE_MPLANE = 9
DISCRETE = 1

_MOST_ENTRIES = 64
"""Of one list: a driver that never ends it is no reason to hang."""
_NO_MORE = {errno.EINVAL, errno.ENOTTY}
"""How an enumeration ends, and how a driver says that it has none."""


@dataclass(frozen=True, slots=True)
class VideoSize:
    """A size of pictures, or a range of sizes.

    Attributes:
        width: Width in pixels; of a range, the smallest.
        height: Height in pixels; of a range, the smallest.
        rates: Frames per second, the highest first; empty when the driver lists none.
        maximum: Largest width and height of a range; None for a single size.
        step: Step of width and height of a range.
    """

    width: int
    height: int
    rates: tuple[float, ...] = ()
    maximum: tuple[int, int] | None = None
    step: tuple[int, int] = (1, 1)

    def __str__(self) -> str:
        """Describe it, e.g. ``1280x720`` or ``16x16 to 1920x1080``."""
        size = f"{self.width}x{self.height}"
        return size if self.maximum is None else f"{size} to {self.maximum[0]}x{self.maximum[1]}"


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """A format of pictures.

    Attributes:
        fourcc: The kernel's four letters, e.g. ``"MJPG"``.
        sizes: The sizes in this format.
    """

    fourcc: str
    sizes: tuple[VideoSize, ...]


@dataclass(frozen=True, slots=True)
class VideoDevice:
    """A video device.

    Attributes:
        path: E.g. ``/dev/video0``.
        name: The device's name for people.
        driver: The kernel's driver, e.g. ``uvcvideo``.
        bus: Where it is connected, e.g. ``usb-0000:01:00.0-1.2``.
        captures: It is a camera, or takes the place of one.
        encodes_h264: It is an H.264 encoder.
        formats: The formats of its pictures.
    """

    path: str
    name: str
    driver: str
    bus: str
    captures: bool
    encodes_h264: bool
    formats: tuple[VideoFormat, ...]


def describe(path: str, node: V4l2Node) -> VideoDevice:
    """Ask an open device what it is.

    Args:
        path: Its file.
        node: The open device.

    Raises:
        OSError: It is no video device, or is gone.
    """
    driver, card, bus, _, all_capabilities, own = CAPABILITY.unpack(node.ioctl(QUERYCAP, bytes(CAPABILITY.size)))
    capabilities = own if all_capabilities & CAP_DEVICE_CAPS else all_capabilities
    captures = bool(capabilities & CAP_CAPTURE and capabilities & CAP_STREAMING)
    encodes = False
    if capabilities & (CAP_M2M | CAP_M2M_MPLANE):
        captures = False
        queue = BUF_CAPTURE_MPLANE if capabilities & CAP_M2M_MPLANE else BUF_CAPTURE
        encodes = "H264" in _fourccs(node, queue)
    formats = tuple(VideoFormat(f, tuple(_sizes(node, f))) for f in _fourccs(node, BUF_CAPTURE)) if captures else ()
    return VideoDevice(path, _text(card), _text(driver), _text(bus), captures, encodes, formats)


def video_devices(library: V4l2Library) -> Sequence[VideoDevice]:
    """Describe all video devices, in the order of their numbers; those that may not be opened are left out. Blocks."""
    found = []
    for path in library.paths():
        with contextlib.suppress(OSError), library.node(path) as node:
            found.append(describe(path, node))
    return found


def _fourccs(node: V4l2Node, queue: int) -> list[str]:
    return [
        entry[4].to_bytes(4, "little").decode("latin-1").rstrip()
        for entry in _entries(node, ENUM_FMT, FORMAT_DESCRIPTION, queue, 0, b"", 0)
    ]


def _sizes(node: V4l2Node, fourcc: str) -> Iterator[VideoSize]:
    code = _code(fourcc)
    for _, _, kind, *sides in _entries(node, ENUM_FRAMESIZES, FRAME_SIZE, code, 0, *[0] * 6):
        if kind == DISCRETE:
            width, height = sides[:2]
            yield VideoSize(width, height, _rates(node, code, width, height))
        else:  # one entry describes all: smallest, largest and step of the width, then of the height
            width, most_wide, step_wide, height, most_high, step_high = sides
            rates = _rates(node, code, most_wide, most_high)
            yield VideoSize(width, height, rates, (most_wide, most_high), (max(1, step_wide), max(1, step_high)))
            return


def _rates(node: V4l2Node, code: int, width: int, height: int) -> tuple[float, ...]:
    rates = []
    for entry in _entries(node, ENUM_FRAMEINTERVALS, FRAME_INTERVAL, code, width, height, 0, *[0] * 6):
        seconds, per = entry[5:7]  # of a range the shortest interval, which is the highest rate
        if seconds and per:
            rates.append(round(per / seconds, 3))
        if entry[4] != DISCRETE:
            break
    return tuple(sorted(set(rates), reverse=True))


def _entries(node: V4l2Node, request: int, layout: struct.Struct, *fields: int | bytes) -> Iterator[tuple[int, ...]]:
    for index in range(_MOST_ENTRIES):
        try:
            yield layout.unpack(node.ioctl(request, layout.pack(index, *fields)))
        except OSError as error:
            if error.errno not in _NO_MORE:
                raise
            return


def _code(fourcc: str) -> int:
    return int.from_bytes(fourcc.ljust(4).encode("latin-1"), "little")


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
