"""H.264 of a video device's pictures, by PyAV: the board's encoder hardware, or libx264."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from robot_node.devices.camera.annex_b import ParameterSets
from robot_node.devices.camera.capture import EncoderMissingError
from robot_node.devices.v4l2 import V4l2Library
from robot_node.errors import DeviceError
from robot_node.settings.devices import CameraSettings

_MICROSECOND = Fraction(1, 1_000_000)
_PROFILE = "Constrained Baseline"
"""What every browser decodes: see :data:`robot_node.devices.camera.h264.PROFILE`."""
_SHORTEST_BUFFER_S = 1 / 8
_FRAMES_PER_BUFFER = 2


class Encoder:
    """One run of an encoder, from a keyframe on. Used by one thread at a time.

    Args:
        library: Makes the codec.
        settings: Frame rate, keyframe interval, and the highest bitrate that needs no restart.
        size: Width and height of the pictures, in pixels.
        bitrate: In bit/s.
        software: libx264 instead of the board's hardware.

    Raises:
        EncoderMissingError: The board's hardware cannot be used; libx264 would do.
        DeviceError: libx264 refuses.
    """

    def __init__(
        self, library: V4l2Library, settings: CameraSettings, size: tuple[int, int], bitrate: int, *, software: bool
    ) -> None:
        self._software = software
        self._ceiling = max(bitrate, settings.bitrate)
        self._keyframe = False
        self._sets = ParameterSets()
        name = "libx264" if software else library.hardware_encoder
        try:
            self._codec: Any = library.codec(name, "w")
            self._configure(settings, size, bitrate)
            self._codec.open(strict=False)
        except Exception as error:
            if not software:
                raise EncoderMissingError(f"The board's video encoder cannot be used: {error}.") from error
            raise DeviceError(
                f"The video encoder cannot be started: {error}.",
                remedy="Check the camera's width, height, frame rate and bitrate in the settings.",
            ) from error

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self._keyframe = True

    def follow(self, bitrate: int) -> bool:
        """Change the target bitrate while it runs; False when only a restart can."""
        if not self._software or bitrate > self._ceiling:
            return False
        self._codec.bit_rate = bitrate
        return True

    def encode(self, picture: Any, timestamp_us: int) -> Iterator[tuple[bytes, bool, int]]:
        """Yield access units, each with whether it is a keyframe and its capture time in microseconds.

        Args:
            picture: PyAV's frame in yuv420p.
            timestamp_us: Its capture time.
        """
        from av.video.frame import PictureType

        keyframe, self._keyframe = self._keyframe, False
        picture.pict_type = PictureType.I if keyframe else PictureType.NONE
        picture.pts, picture.time_base = timestamp_us, _MICROSECOND
        for packet in self._codec.encode(picture):
            data, is_keyframe = self._sets.complete(bytes(packet))
            yield data, is_keyframe, timestamp_us if packet.pts is None else packet.pts

    def _configure(self, settings: CameraSettings, size: tuple[int, int], bitrate: int) -> None:
        codec = self._codec
        codec.width, codec.height = size
        codec.pix_fmt = "yuv420p"
        codec.time_base, codec.framerate = _MICROSECOND, Fraction(settings.frame_rate)
        codec.bit_rate = bitrate
        codec.gop_size = max(1, round(settings.keyframe_interval_s * settings.frame_rate))
        codec.profile = _PROFILE
        codec.thread_count = 1  # each further one holds back a frame
        if self._software:
            buffer_s = max(_SHORTEST_BUFFER_S, _FRAMES_PER_BUFFER / settings.frame_rate)
            # x264 takes a new bitrate while it runs only when a rate buffer was set from the start.
            codec.options = {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "maxrate": str(self._ceiling),
                "bufsize": str(int(self._ceiling * buffer_s)),
            }
