"""A simulated USB camera below V4L2's library: what the kernel answers, and what FFmpeg's device input delivers.

The structures of the kernel are packed here from linux/videodev2.h, and not by the code under test.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, Self

from hw_mocks.sensor import SimulatedSensor
from hw_mocks.v4l2_controls import SimulatedControls
from robot_node.devices.v4l2 import V4l2Library, V4l2Node

_CAPTURE, _META_CAPTURE, _M2M_MPLANE = 0x1, 0x0080_0000, 0x4000
_STREAMING, _DEVICE_CAPS = 0x0400_0000, 0x8000_0000
_CAPTURE_QUEUE, _CAPTURE_MPLANE_QUEUE = 1, 9

SIZES = ((640, 480), (640, 360), (1280, 720), (1920, 1080), (160, 120), (482, 270), (640, 272), (480, 360))
RATES = (60, 30, 15)


@dataclass
class SimulatedUsbCamera:
    """A USB camera and its two device files, with fault injection beyond the sensor's.

    Attributes:
        sensor: The image sensor. ``absent``: unplugged, in mid-stream too. ``busy``, ``stalled`` and ``start_error``
            as with other cameras.
        path: Its device file; another one follows it, for metadata.
        name: Its name.
        formats: Four letters of each format.
        sizes: Sizes of each format; a camera takes any other for the first of them.
        keyframe_every: Pictures from one keyframe of its own H.264 to the next.
        repeats_headers: Each keyframe of its own H.264 has parameter sets, and not the first one alone.
        huffman_tables: Its JPEGs have them.
        damaged_every: In each such picture the data were lost on the bus; 0: none.
        encoder: The board has an H.264 encoder in hardware.
        opened: How it was opened last: FFmpeg's options.
        controls: Its controls.
    """

    sensor: SimulatedSensor = field(default_factory=SimulatedSensor)
    path: str = "/dev/video0"
    name: str = "HD Pro Webcam C920"
    formats: tuple[str, ...] = ("YUYV", "MJPG", "H264")
    sizes: tuple[tuple[int, int], ...] = SIZES
    keyframe_every: int = 30
    repeats_headers: bool = True
    huffman_tables: bool = True
    damaged_every: int = 0
    encoder: bool = False
    opened: Mapping[str, str] = field(default_factory=dict, init=False)
    in_use: bool = field(default=False, init=False)
    made: int = field(default=0, init=False)
    controls: SimulatedControls = field(init=False)

    def __post_init__(self) -> None:
        self.controls = SimulatedControls(self.sensor)

    @property
    def metadata_path(self) -> str:
        """The file that a USB camera has in addition to its own, and that delivers no pictures."""
        return f"/dev/video{int(self.path.removeprefix('/dev/video')) + 1}"

    @property
    def encoder_path(self) -> str:
        """The file of the board's encoder."""
        return f"/dev/video{int(self.path.removeprefix('/dev/video')) + 11}"


def v4l2_library(*cameras: SimulatedUsbCamera, hardware_encoder: str = "h264_v4l2m2m") -> V4l2Library:
    """Return the library over some cameras.

    Args:
        cameras: The cameras.
        hardware_encoder: Name of the encoder on the board's hardware.
    """
    import av

    def node(path: str) -> V4l2Node:
        camera, kind = _find(cameras, path)
        return _Node(camera, kind)

    def open_device(path: str, options: Mapping[str, str], limit_s: float) -> Any:
        del limit_s
        camera, kind = _find(cameras, path)
        if kind != "camera":
            raise av.error.OSError(errno.ENOTTY, "Inappropriate ioctl for device", path)
        return _Container(camera, options)

    def paths() -> Sequence[str]:
        return [path for camera in cameras for path in _files(camera)]

    return V4l2Library(
        paths=paths, node=node, open=open_device, codec=av.CodecContext.create, hardware_encoder=hardware_encoder
    )


def _files(camera: SimulatedUsbCamera) -> dict[str, str]:
    files = {} if camera.sensor.absent else {camera.path: "camera", camera.metadata_path: "metadata"}
    return files | ({camera.encoder_path: "encoder"} if camera.encoder else {})


def _find(cameras: Sequence[SimulatedUsbCamera], path: str) -> tuple[SimulatedUsbCamera, str]:
    for camera in cameras:
        kind = _files(camera).get(path)
        if kind is not None:
            return camera, kind
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


class _Node:
    """A device file, open for requests."""

    def __init__(self, camera: SimulatedUsbCamera, kind: str) -> None:
        self._camera = camera
        self._kind = kind

    def ioctl(self, request: int, argument: bytes) -> bytes:
        """Answer as the kernel does."""
        kind, number, size = chr(request >> 8 & 0xFF), request & 0xFF, request >> 16 & 0x3FFF
        if kind != "V" or size != len(argument):
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        match number:
            case 0:
                return self._capability()
            case 2:
                return self._format(argument)
            case 74:
                return self._size(argument)
            case 75:
                return self._interval(argument)
            case 28 if self._kind == "camera":
                return self._camera.controls.set(argument)
            case 36 if self._kind == "camera":
                return self._camera.controls.query(argument)
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    def close(self) -> None:
        """Nothing is kept."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _capability(self) -> bytes:
        own = {"camera": _CAPTURE, "metadata": _META_CAPTURE, "encoder": _M2M_MPLANE}[self._kind] | _STREAMING
        on_usb = _CAPTURE | _META_CAPTURE | _STREAMING
        everything = (own if self._kind == "encoder" else on_usb) | _DEVICE_CAPS
        driver, name, bus = (
            ("bcm2835-codec", "bcm2835-codec-encode", "platform:bcm2835-codec")
            if self._kind == "encoder"
            else ("uvcvideo", self._camera.name, "usb-0000:01:00.0-1.2")
        )
        texts = driver.encode().ljust(16, b"\0") + name.encode().ljust(32, b"\0") + bus.encode().ljust(32, b"\0")
        return texts + struct.pack("=6I", 0x060C00, everything, own, 0, 0, 0)

    def _format(self, argument: bytes) -> bytes:
        index, queue = struct.unpack_from("=II", argument)
        fourccs: tuple[str, ...] = ()
        if self._kind == "camera" and queue == _CAPTURE_QUEUE:
            fourccs = self._camera.formats
        if self._kind == "encoder" and queue == _CAPTURE_MPLANE_QUEUE:
            fourccs = ("H264",)
        if index >= len(fourccs):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fourcc = fourccs[index].encode()
        return struct.pack("=III32s4s4I", index, queue, 0, b"some format", fourcc, 0, 0, 0, 0)

    def _size(self, argument: bytes) -> bytes:
        index, fourcc = struct.unpack_from("=I4s", argument)
        if fourcc.decode() not in self._camera.formats or index >= len(self._camera.sizes):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return struct.pack("=I4s9I", index, fourcc, 1, *self._camera.sizes[index], *[0] * 6)

    def _interval(self, argument: bytes) -> bytes:
        index, fourcc, width, height = struct.unpack_from("=I4sII", argument)
        if (width, height) not in self._camera.sizes or index >= len(RATES):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return struct.pack("=I4sIIIII6I", index, fourcc, width, height, 1, 1, RATES[index], *[0] * 6)


class _Container:
    """What PyAV's input container is for the driver, with the camera's pictures as packets."""

    def __init__(self, camera: SimulatedUsbCamera, options: Mapping[str, str]) -> None:
        import av

        self._camera, sensor = camera, camera.sensor
        if camera.in_use or sensor.busy:
            raise av.error.OSError(errno.EBUSY, "Device or resource busy", camera.path)
        if sensor.start_error:
            raise av.error.OSError(errno.EIO, sensor.start_error, camera.path)
        width, height = (int(side) for side in options["video_size"].split("x"))
        if (width, height) not in camera.sizes:
            width, height = camera.sizes[0]
        camera.opened = dict(options)
        self._format = options["input_format"]
        self._frame_s = 1 / float(options["framerate"])
        camera.in_use = True
        try:
            sensor.hang("open")
            self._scene = sensor.start(width, height)
        except BaseException:
            camera.in_use = False
            raise
        self._due = time.monotonic()
        self._codec = camera_codec(self._format, width, height, camera)
        context = SimpleNamespace(name=self._format, width=width, height=height)
        self.streams = SimpleNamespace(video=[SimpleNamespace(codec_context=context)])

    def demux(self) -> Iterator[Any]:
        """Yield the picture that is due; BlockingIOError: none yet, as of a device that was opened so."""
        import av

        while True:
            if self._camera.sensor.absent:
                raise av.error.OSError(errno.ENODEV, "No such device", self._camera.path)
            now = time.monotonic()
            if self._camera.sensor.stalled or now < self._due:
                raise av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable", self._camera.path)
            self._due = max(self._due + self._frame_s / self._camera.sensor.speed, now)
            yield self._packet()

    def close(self) -> None:
        """Stop the camera."""
        if self._camera.in_use:
            try:
                self._camera.sensor.stop(self._scene)
            finally:
                self._camera.in_use = False

    def _packet(self) -> Any:
        import av

        captured_at = self._camera.sensor.capture_time(self._frame_s)
        data = self._codec(self._camera.sensor.picture(self._scene, captured_at, (False, False)))
        self._camera.made += 1
        if self._camera.damaged_every and self._camera.made % self._camera.damaged_every == 0:
            data = bytes(len(data))
        packet = av.Packet(data)
        packet.pts, packet.time_base = round(captured_at * 1_000_000), Fraction(1, 1_000_000)
        return packet


def camera_codec(format: str, width: int, height: int, camera: SimulatedUsbCamera) -> Any:  # noqa: A002  # FFmpeg's word
    """Return what makes a camera's data in one of FFmpeg's input formats, a picture at a time."""
    import av

    if format == "yuyv422":
        return lambda picture: _frame(picture).reformat(format="yuyv422").to_ndarray().tobytes()
    name, pixels = {"mjpeg": ("mjpeg", "yuvj422p"), "h264": ("libx264", "yuv420p")}[format]
    codec: Any = av.CodecContext.create(name, "w")
    codec.width, codec.height, codec.pix_fmt = width, height, pixels
    codec.time_base, codec.thread_count = Fraction(1, 30), 1
    if format == "mjpeg":
        codec.options = {"qscale": "3", "huffman": "default"}
        codec.color_range = 2  # full

        def jpeg(picture: Any) -> bytes:
            frame = _frame(picture).reformat(format=pixels)
            (packet,) = codec.encode(frame)
            return bytes(packet) if camera.huffman_tables else _without_tables(bytes(packet))

        return jpeg
    codec.gop_size = camera.keyframe_every
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0"}
    sent = 0

    def h264(picture: Any) -> bytes:
        nonlocal sent
        frame = _frame(picture)
        frame.pts = sent
        (packet,) = codec.encode(frame)
        sent += 1
        data = bytes(packet)
        return data if camera.repeats_headers or sent == 1 else _without_headers(data)

    return h264


def _frame(picture: Any) -> Any:
    import av

    return av.VideoFrame.from_ndarray(picture, format="yuv420p")


def _without_tables(jpeg: bytes) -> bytes:
    """Leave out the Huffman tables, and fill up the end, as cameras do."""
    kept, start = jpeg[:2], 2
    while jpeg[start + 1] != 0xDA:
        end = start + 2 + int.from_bytes(jpeg[start + 2 : start + 4])
        if jpeg[start + 1] != 0xC4:
            kept += jpeg[start:end]
        start = end
    return kept + jpeg[start:] + bytes(64)


def _without_headers(access_unit: bytes) -> bytes:
    units = access_unit.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    return b"".join(b"\0\0\0\1" + unit for unit in units if unit[0] & 0x1F not in (7, 8))
