"""Which video device, format, size and rate to open, of those that there are. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from robot_node.devices.camera.v4l2_ioctl import VideoDevice, VideoFormat, VideoSize

FORMATS = {"mjpeg": ("MJPG", "JPEG"), "yuyv": ("YUYV",), "h264": ("H264",)}
"""The setting's names of formats, as the kernel calls them."""

INPUT_FORMATS = {"mjpeg": "mjpeg", "yuyv": "yuyv422", "h264": "h264"}
"""The same for FFmpeg's device input."""

_LARGE = 640 * 480
"""Pixels: larger pictures at 30 frames/s are too much for USB 2 without compression."""

_NOT_CAMERAS = ("unicam", "rp1-cfe", "bcm2835-isp", "pispbe", "bcm2835-codec", "rpivid", "rpi-hevc-dec")
"""Drivers of a Pi's own camera connectors and processors: picamera2 drives them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a device is opened.

    Attributes:
        format: ``"mjpeg"``, ``"yuyv"`` or ``"h264"``.
        width: Width in pixels.
        height: Height in pixels.
        rate: Frames per second that the device is asked for.
    """

    format: str
    width: int
    height: int
    rate: float

    def options(self) -> dict[str, str]:
        """The options of FFmpeg's device input."""
        return {
            "input_format": INPUT_FORMATS[self.format],
            "video_size": f"{self.width}x{self.height}",
            "framerate": f"{self.rate:g}",
        }


def usable_formats(device: VideoDevice) -> dict[str, VideoFormat]:
    """The formats of a device that the driver takes, by the setting's name for them."""
    return {
        name: found
        for name, fourccs in FORMATS.items()
        for found in [next((each for each in device.formats if each.fourcc in fourccs), None)]
        if found is not None
    }


def cameras(devices: Sequence[VideoDevice]) -> list[VideoDevice]:
    """The devices that can be the robot's camera, the likeliest first: on USB, then others."""
    found = [each for each in devices if each.captures and each.driver not in _NOT_CAMERAS and usable_formats(each)]
    return sorted(found, key=lambda each: not each.bus.startswith("usb"))


def choose(device: VideoDevice, wanted: str, width: int, height: int, rate: int) -> Choice | None:
    """Choose what comes next to the settings; None when the device has no format that is wanted.

    Args:
        device: The device.
        wanted: Format of the settings: ``"auto"``, ``"mjpeg"``, ``"yuyv"`` or ``"h264"``.
        width: Of the settings, in pixels.
        height: Of the settings, in pixels.
        rate: Of the settings, in frames per second.
    """
    formats = usable_formats(device)
    order = [wanted]
    if wanted == "auto":
        order = ["mjpeg", "yuyv", "h264"] if width * height > _LARGE else ["yuyv", "mjpeg", "h264"]
    for name in order:
        if name in formats:
            return _nearest(name, formats[name], width, height, rate)
    return None


def largest(device: VideoDevice) -> Choice | None:
    """Choose the largest pictures that a device has as single ones; None when it has H.264 only."""
    found = [
        Choice(name, *(size.maximum or (size.width, size.height)), max(size.rates, default=1.0))
        for name, video_format in usable_formats(device).items()
        if name != "h264"
        for size in video_format.sizes
    ]
    even = [each for each in found if each.width % 2 == each.height % 2 == 0]
    return max(even, default=None, key=lambda each: each.width * each.height)


def _nearest(name: str, chosen: VideoFormat, width: int, height: int, rate: int) -> Choice:
    sizes = list(_sizes(chosen, width, height)) or [(width, height, ())]

    def distance(size: tuple[int, int, tuple[float, ...]]) -> tuple[bool, bool, int]:
        too_large = size[0] > width or size[1] > height
        too_slow = bool(size[2]) and max(size[2]) < rate / 2  # a slide show is worse than a smaller picture
        return too_large, too_slow, abs(size[0] * size[1] - width * height)

    best_width, best_height, rates = min(sizes, key=distance)
    fast = [each for each in rates if each >= rate]
    return Choice(name, best_width, best_height, min(fast) if fast else max(rates, default=float(rate)))


def _sizes(chosen: VideoFormat, width: int, height: int) -> Iterator[tuple[int, int, tuple[float, ...]]]:
    for size in chosen.sizes:
        wide, high = size.width, size.height
        if size.maximum is not None:
            wide = _within(width, wide, size.maximum[0], size.step[0])
            high = _within(height, high, size.maximum[1], size.step[1])
        if wide % 2 == high % 2 == 0:  # 4:2:0 has no odd ones
            yield wide, high, size.rates


def _within(wanted: int, least: int, most: int, step: int) -> int:
    inside = min(max(wanted, least), most)
    return inside - (inside - least) % step


def sizes_text(sizes: Sequence[VideoSize], most: int = 8) -> str:
    """Name some sizes, the largest first, e.g. ``1920x1080, 1280x720``."""
    largest = sorted(sizes, key=lambda size: -(size.width * size.height))
    more = f" and {len(largest) - most} more" if len(largest) > most else ""
    return ", ".join(map(str, largest[:most])) + more
