"""What a video device delivers: as it came, and decoded to YUV 4:2:0 once for all who need that."""

from __future__ import annotations

import io
import logging
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from robot_node.core.media import RawFrame
from robot_node.devices.camera.annex_b import ParameterSets
from robot_node.devices.camera.capture import Photo
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

_FILTER_TIME_BASE = Fraction(1, 1_000_000)
_MOST_BYTES = 8_000_000
_MOST_SHOTS = 600
"""Of an H.264 stream, kept since the last keyframe: else no picture could be decoded before the next one."""


class Shot:
    """One picture as the device delivered it.

    Args:
        data: JPEG, YUYV or an access unit of H.264.
        timestamp_us: Capture time in microseconds of the monotonic clock.
        decoder: Decodes it.
        keyframe: A decoder can start here; an access unit of H.264 has its parameter sets in front then.
    """

    def __init__(self, data: bytes, timestamp_us: int, decoder: Decoder, *, keyframe: bool = True) -> None:
        self.data = data
        self.timestamp_us = timestamp_us
        self.keyframe = keyframe
        self._decoder = decoder
        self._picture: Any = None
        self._tried = False

    def picture(self) -> Any:
        """Return it as PyAV's frame in yuv420p, or None when it is damaged. In the reader's thread only."""
        if not self._tried:
            self._tried = True
            self._picture = self._decoder.decode(self)
        return self._picture


class StillShot:
    """A decoded picture for a photo: see :class:`robot_node.devices.camera.capture.FullPicture`.

    Args:
        picture: PyAV's frame.
        timestamp_us: Capture time in microseconds of the monotonic clock.
    """

    def __init__(self, picture: Any, timestamp_us: int) -> None:
        self._picture = picture
        self._timestamp_us = timestamp_us

    @classmethod
    def of(cls, shot: Shot) -> StillShot | None:
        """Return that of a shot, or None when it is damaged. In the reader's thread only."""
        picture = shot.picture()
        return None if picture is None else cls(picture, shot.timestamp_us)

    def photo(self, quality: float) -> Photo:
        """Encode it as JPEG.

        Args:
            quality: 0 (smallest file) to 1 (best).

        Raises:
            DeviceError: It cannot be encoded.
        """
        picture = self._picture
        file = io.BytesIO()
        try:
            picture.to_image().save(file, "JPEG", quality=max(1, round(quality * 100)))
        except Exception as error:
            raise DeviceError(f"The photo could not be stored as JPEG: {error}.") from error
        return Photo(file.getvalue(), picture.width, picture.height, self._timestamp_us)

    def save_dng(self, path: Path) -> None:
        """Raise DeviceError: there is no such data."""
        raise DeviceError(f"{path} cannot be written: a V4L2 camera gives no data of its sensor.")

    def release(self) -> None:
        """Free its memory."""
        self._picture = None


class Decoder:
    """Decodes a device's pictures on demand. Used by the reader's thread; nothing is opened before the first.

    Args:
        make: Makes PyAV's codec, given its name.
        format: ``"mjpeg"``, ``"yuyv"`` or ``"h264"``.
        width: Width in pixels.
        height: Height in pixels.
        turned: The camera is mounted upside down.
    """

    def __init__(self, make: Callable[[str], Any], format: str, width: int, height: int, *, turned: bool) -> None:  # noqa: A002  # the setting's name
        self._make = make
        self._format = format
        self._size = width, height
        self._turn = _Turn() if turned else None
        self._codec: Any = None
        self._reformatter: Any = None
        self._sets = ParameterSets()
        self._since_keyframe: deque[Shot] = deque()
        self._bytes = 0
        self._decoded: Shot | None = None
        self._reported = False

    def take(self, data: bytes, timestamp_us: int) -> Shot:
        """Take the next of the device's pictures, whether it will be decoded or not."""
        if self._format != "h264":
            return Shot(data, timestamp_us, self)
        data, keyframe = self._sets.complete(data)
        shot = Shot(data, timestamp_us, self, keyframe=keyframe)
        full = self._bytes > _MOST_BYTES or len(self._since_keyframe) >= _MOST_SHOTS
        if keyframe or full:
            self._clear()
        if keyframe or self._since_keyframe:
            self._since_keyframe.append(shot)
            self._bytes += len(data)
        return shot

    def decode(self, shot: Shot) -> Any:
        """Return the newest picture in yuv420p; None when it is damaged, or no keyframe came before it."""
        try:
            frame = self._decode_h264(shot) if self._format == "h264" else self._decode_single(shot)
        except (OSError, ValueError) as error:  # PyAV's InvalidDataError is a ValueError
            if not self._reported:
                logger.warning("A picture of the camera is damaged and left out; further ones silently: %s", error)
            self._reported = True
            self._codec = None
            return None
        if frame is None:
            return None
        if self._reformatter is None:
            from av.video.reformatter import VideoReformatter

            self._reformatter = VideoReformatter()  # one for all: each begins with computing its tables
        # JPEG has 0 to 255, and what is encoded as video without a word about it has 16 to 235.
        plain = self._reformatter.reformat(frame, format="yuv420p", dst_color_range="MPEG")
        return plain if self._turn is None else self._turn(plain)

    def close(self) -> None:
        """Give back what it holds."""
        self._codec = self._turn = self._reformatter = None
        self._clear()

    def _decode_single(self, shot: Shot) -> Any:
        from av import Packet

        if self._codec is None:
            self._codec = self._make({"mjpeg": "mjpeg", "yuyv": "rawvideo"}[self._format])
            self._codec.thread_count = 1
            if self._format == "yuyv":
                self._codec.width, self._codec.height = self._size
                self._codec.pix_fmt = "yuyv422"
        frames = self._codec.decode(Packet(shot.data))
        return frames[0] if frames else None

    def _decode_h264(self, shot: Shot) -> Any:
        from av import Packet

        shots = list(self._since_keyframe)
        if not shots or shots[-1] is not shot:
            return None
        if self._codec is not None and self._decoded is not None and len(shots) > 1 and shots[-2] is self._decoded:
            shots = shots[-1:]
        else:
            self._codec = self._make("h264")
            self._codec.thread_count = 1
            self._codec.options = {"flags": "low_delay"}
        frames: list[Any] = []
        for each in shots:
            frames = self._codec.decode(Packet(each.data)) or frames
        self._decoded = shot
        return frames[-1] if frames else None

    def _clear(self) -> None:
        self._since_keyframe.clear()
        self._bytes = 0


class _Turn:
    """Rotates pictures by 180 degrees, with FFmpeg's filters."""

    def __init__(self) -> None:
        self._graph: Any = None

    def __call__(self, frame: Any) -> Any:
        if self._graph is None:
            from av.filter import Graph

            graph = Graph()
            graph.link_nodes(
                graph.add_buffer(
                    width=frame.width, height=frame.height, format=frame.format, time_base=_FILTER_TIME_BASE
                ),
                graph.add("vflip"),
                graph.add("hflip"),  # the last: it copies, into rows that are in order
                graph.add("buffersink"),
            ).configure()
            self._graph = graph
        self._graph.push(frame)
        return self._graph.pull()


def raw_frame(picture: Any, timestamp_us: int) -> RawFrame:
    """Copy a picture in yuv420p.

    Args:
        picture: PyAV's frame.
        timestamp_us: Its capture time.
    """
    luma, *chroma = picture.planes
    stride = luma.line_size
    planes = [bytes(luma)[: stride * picture.height]]
    for plane in chroma:
        data, rows, long = bytes(plane), picture.height // 2, plane.line_size
        if long == stride // 2:
            planes.append(data[: long * rows])
        else:
            used, filler = picture.width // 2, bytes(stride // 2 - picture.width // 2)
            planes.append(b"".join(data[row * long :][:used] + filler for row in range(rows)))
    return RawFrame(b"".join(planes), picture.width, picture.height, stride, timestamp_us)
