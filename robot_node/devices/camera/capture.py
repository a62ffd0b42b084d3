"""What the camera asks of a driver: a session from opening to closing, its pictures, photos and streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from robot_node.core.media import RawFrameSink, VideoMode
from robot_node.devices.camera.controls import Ranges
from robot_node.errors import DeviceError
from robot_node.settings.camera_controls import CameraControls

FrameReceiver = Callable[[bytes, bool, int], None]
"""Takes an access unit, whether it is a keyframe, and its capture time in microseconds of the monotonic clock."""


SMALL_WIDTH = 320
"""Width of the small stream in pixels: enough to detect motion in, and to see who is there."""


def small_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of the small stream of a video of that size: the same aspect, even numbers."""
    small = min(width, SMALL_WIDTH)
    return small, max(2, round(height * small / width / 2) * 2)


class EncoderMissingError(DeviceError):
    """The board has no H.264 encoder in hardware, or its driver is not loaded."""


class StalledError(DeviceError):
    """The camera is open but delivers no pictures."""


class GivenUpError(DeviceError):
    """Nobody waits for the call any more."""

    def __init__(self) -> None:
        super().__init__("The call to the camera was given up.")


class AbsentError(DeviceError):
    """The camera is not connected: it may be plugged in at any time."""


@dataclass(frozen=True, slots=True)
class CameraLimits:
    """How long the camera library may take, in seconds, before the camera counts as failed.

    Attributes:
        load: Importing the library.
        open: Opening the camera and starting the sensor.
        picture: Delivering the next picture.
        encoder: Starting, stopping or changing the encoder.
        close: Stopping the sensor and closing the camera.
        release: Until a call that was given up returns, when the camera is to be opened again.
    """

    load: float = 60.0
    open: float = 10.0
    picture: float = 2.0
    encoder: float = 5.0
    close: float = 5.0
    release: float = 10.0


@dataclass(frozen=True, slots=True)
class Photo:
    """A still picture.

    Attributes:
        jpeg: The JPEG file.
        width: Width in pixels.
        height: Height in pixels.
        captured_us: When the sensor began to take it, in microseconds of the monotonic clock; None: not known.
    """

    jpeg: bytes
    width: int
    height: int
    captured_us: int | None = None


class FullPicture(Protocol):
    """A picture in full size, as the sensor gave it. Its methods block: call them in any thread, one at a time."""

    def photo(self, quality: float) -> Photo:
        """Encode it as JPEG, which takes up to a second on a small Pi.

        Args:
            quality: 0 (smallest file) to 1 (best).

        Raises:
            DeviceError: It cannot be encoded, e.g. because the camera was closed.
        """

    def save_dng(self, path: Path) -> None:
        """Write what the sensor saw as DNG, if the picture was taken with it.

        Raises:
            DeviceError: There is no such data, or it cannot be converted.
            OSError: The file cannot be written.
        """

    def release(self) -> None:
        """Free its memory. Does nothing when it is free."""


class PictureStream(Protocol):
    """Pictures of an open camera, handed out from a thread of the library. Its methods block."""

    def start(self) -> None:
        """Start handing out pictures.

        Raises:
            DeviceError: The camera library refuses.
        """

    def stop(self) -> None:
        """Stop handing out pictures. Does nothing when stopped.

        Raises:
            DeviceError: It could not be stopped.
        """


class EncodedStream(PictureStream, Protocol):
    """H.264 of an open camera. Each start begins with a keyframe, and each keyframe with SPS and PPS.

    Attributes:
        bitrate: In bit/s.
    """

    bitrate: int

    def start(self) -> None:
        """Start encoding.

        Raises:
            EncoderMissingError: The hardware encoder is missing; libx264 would do.
            DeviceError: The encoder refuses.
        """

    def restart(self) -> None:
        """Restart, which makes a keyframe.

        Raises:
            DeviceError: It could not be stopped, or not be started.
        """

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate.

        Raises:
            DeviceError: The encoder could not be restarted.
        """

    def request_keyframe(self) -> bool:
        """Make one of the next frames a keyframe; returns at once, and False when only a restart can make one."""


class CaptureSession(Protocol):
    """The camera from its opening to its closing. Every method blocks: call them in the camera's worker.

    Attributes:
        rotation: Degrees clockwise by which its pictures still have to be rotated: the camera does not.
    """

    rotation: int

    def load(self) -> None:
        """Import the library, which takes seconds on a Pi the first time.

        Raises:
            DeviceError: It is not installed, too old, or broken.
        """

    def open(self) -> None:
        """Open the camera and start capturing.

        Raises:
            DeviceError: There is no camera, another program uses it, or it refuses to start.
        """

    def give_up(self) -> None:
        """Begin nothing more: a call that runs ends before it starts the sensor. Does not block; for any thread."""

    def control_ranges(self) -> Ranges:
        """Return what the open camera can be set to; nothing for a camera without controls."""

    def apply(self, controls: CameraControls, *, refocus: bool = False) -> bool:
        """Set what the camera can do of these controls, and return when pictures show it.

        Before :meth:`open` they are kept for it.

        Args:
            controls: All that is wished.
            refocus: A single focus (``focus="once"``) is made again.

        Returns:
            False: the camera has to be closed and opened for a change in them, and nothing was changed.

        Raises:
            StalledError: The camera delivers no picture.
            DeviceError: It refuses.
        """

    def wait_for_picture(self) -> None:
        """Return when the camera has delivered a picture.

        Raises:
            StalledError: It delivers none.
        """

    def photo(self, quality: float) -> Photo:
        """Take the next picture of the running camera as JPEG; the video goes on meanwhile.

        Args:
            quality: 0 (smallest file) to 1 (best).

        Raises:
            StalledError: The camera delivers no picture.
            DeviceError: The picture cannot be stored.
        """

    def full_size(self) -> tuple[int, int]:
        """Return width and height of the open camera's largest picture: that of the video when it has no larger."""

    def capture_full(self, *, raw: bool) -> FullPicture:
        """Take a picture in full size, which the caller releases; then the camera captures video again.

        All streams must have been stopped, and may be started again when this returns or raises DeviceError.

        Args:
            raw: With the sensor's data, for DNG.

        Raises:
            StalledError: The camera delivers no picture, or does not go on with the video.
            DeviceError: It refuses, e.g. for want of memory.
        """

    def h264(self, receive: FrameReceiver, bitrate: int, *, software: bool) -> EncodedStream:
        """Make an H.264 stream of the open camera, to be started and stopped by the caller.

        Args:
            receive: Called with each frame, in a thread of the library.
            bitrate: In bit/s.
            software: libx264 encodes, on every board.
        """

    def raw(self, receive: RawFrameSink) -> PictureStream:
        """Make a stream of the open camera's unencoded pictures, to be started and stopped by the caller.

        Args:
            receive: Called with each picture, in a thread of the library.
        """

    def small(self, receive: RawFrameSink, rate: float) -> PictureStream:
        """Make a stream of small pictures, see :func:`small_size`, to be started and stopped by the caller.

        Args:
            receive: Called with each picture, in a thread of the library.
            rate: At most so many pictures a second; others are not copied.
        """

    def close(self) -> None:
        """Stop capturing and release the camera, whatever state it is in. Does nothing when it is not open.

        Its streams must have been stopped.

        Raises:
            DeviceError: The camera could not be closed.
        """


class CameraDriver(Protocol):
    """Drives one camera, as long as the robot runs; what it found out about the camera outlives a session."""

    def session(self) -> CaptureSession:
        """Begin a session; opens nothing yet."""

    def set_mode(self, mode: VideoMode) -> None:
        """Set what the video is like from the next session on.

        Raises:
            ArgumentError: The camera cannot do it, as far as is known before it was opened.
        """
