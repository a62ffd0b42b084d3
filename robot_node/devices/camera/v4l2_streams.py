"""The streams of an open video device: encoded by us, passed on as the camera encodes, and unencoded."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from robot_node.core.media import RawFrameSink
from robot_node.devices.camera.capture import FrameReceiver
from robot_node.devices.camera.v4l2_encoder import Encoder
from robot_node.devices.camera.v4l2_pictures import Shot, raw_frame
from robot_node.devices.camera.v4l2_reader import V4l2Reader
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

KEYFRAME_LIMIT_S = 2.0
"""How long a viewer who needs a keyframe waits for the camera's own encoder, which cannot be asked for one."""


class EncodingStream:
    """Pictures of a device, encoded by us: see :class:`robot_node.devices.camera.capture.EncodedStream`.

    Args:
        reader: Reads the device.
        make: Makes an encoder for a bitrate in bit/s; raises DeviceError.
        receive: Called with each frame, in the reader's thread.
        bitrate: In bit/s.
    """

    def __init__(
        self, reader: V4l2Reader, make: Callable[[int], Encoder], receive: FrameReceiver, bitrate: int
    ) -> None:
        self._reader = reader
        self._make = make
        self._receive = receive
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None
        self._failed = False
        self.bitrate = bitrate

    def start(self) -> None:
        """Start encoding; the first frame is a keyframe.

        Raises:
            EncoderMissingError: The board's hardware encoder cannot be used; libx264 would do.
            DeviceError: The encoder refuses.
        """
        encoder = self._make(self.bitrate)
        with self._lock:
            self._encoder = encoder
        self._reader.add(self.take)

    def stop(self) -> None:
        """Stop encoding. Does nothing when stopped."""
        self._reader.remove(self.take)
        with self._lock:
            self._encoder = None

    def restart(self) -> None:
        """Start again, which makes a keyframe.

        Raises:
            DeviceError: The encoder refuses.
        """
        self.stop()
        self.start()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate: libx264 follows at once up to that of the settings, else the encoder is restarted.

        Raises:
            DeviceError: The encoder could not be restarted.
        """
        self.bitrate = bits_per_second
        with self._lock:
            if self._encoder is None or self._encoder.follow(bits_per_second):
                return
        self.restart()

    def request_keyframe(self) -> bool:
        """Make one of the next frames a keyframe; returns at once."""
        encoder = self._encoder
        if encoder is not None:  # else it starts with one
            encoder.request_keyframe()
        return True

    def take(self, shot: Shot) -> None:
        """Encode a picture, in the reader's thread."""
        with self._lock:
            encoder = self._encoder
            if encoder is None or (picture := shot.picture()) is None:
                return
            try:
                for frame in encoder.encode(picture, shot.timestamp_us):
                    self._receive(*frame)
            except Exception:
                if not self._failed:
                    logger.exception("The camera's pictures cannot be encoded")
                self._failed = True


class PassingStream:
    """H.264 as the camera encodes it: see :class:`robot_node.devices.camera.capture.EncodedStream`.

    The camera's encoder takes neither a bitrate nor a request for a keyframe. When a keyframe that is needed does not
    come in time, the pictures are decoded and encoded by us from then on.

    Args:
        reader: Reads the device.
        receive: Called with each frame, in the reader's thread.
        encoding: The same stream encoded by us, not started.
        on_unusable: Called when the camera's encoder is given up; in the reader's thread.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        reader: V4l2Reader,
        receive: FrameReceiver,
        encoding: EncodingStream,
        on_unusable: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._receive = receive
        self._encoding = encoding
        self._on_unusable = on_unusable
        self._clock = clock
        self._begun = False
        self._needed_since: float | None = None
        self._given_up = False
        self.bitrate = encoding.bitrate

    def start(self) -> None:
        """Pass on what comes, from the camera's next keyframe on.

        Raises:
            DeviceError: The camera's encoder was given up, and ours refuses.
        """
        if self._given_up:
            self._encoding.start()
            return
        self._begun, self._needed_since = False, self._clock()
        self._reader.add(self._take)

    def stop(self) -> None:
        """Stop passing on. Does nothing when stopped."""
        self._reader.remove(self._take)
        self._encoding.stop()

    def restart(self) -> None:
        """Start again, which waits for the camera's next keyframe.

        Raises:
            DeviceError: The camera's encoder was given up, and ours refuses.
        """
        self.stop()
        self.start()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate, once the pictures are encoded by us.

        Raises:
            DeviceError: The encoder could not be restarted.
        """
        self.bitrate = bits_per_second
        self._encoding.set_bitrate(bits_per_second)

    def request_keyframe(self) -> bool:
        """Wait for the camera's next keyframe, for a limited time; returns at once."""
        if self._needed_since is None:
            self._needed_since = self._clock()
        return self._encoding.request_keyframe()

    def _take(self, shot: Shot) -> None:
        if shot.keyframe:
            self._begun, self._needed_since = True, None
        elif self._needed_since is not None and self._clock() - self._needed_since > KEYFRAME_LIMIT_S:
            self._give_up(shot)
            return
        if self._begun:
            self._receive(shot.data, shot.keyframe, shot.timestamp_us)

    def _give_up(self, shot: Shot) -> None:
        self._given_up = True
        self._reader.remove(self._take)
        self._on_unusable()
        try:
            self._encoding.start()
        except DeviceError as error:  # without frames the watchdog restarts the camera
            logger.error("%s", error)
        else:
            self._encoding.take(shot)


class UnencodedStream:
    """Pictures of a device as they are: see :class:`robot_node.devices.camera.capture.PictureStream`.

    Args:
        reader: Reads the device.
        receive: Called with each picture, in the reader's thread.
        every: Hand out each first, second, third picture and so on: the others are not decoded for it.
        size: Width and height to scale to; None: as they are.
    """

    def __init__(
        self, reader: V4l2Reader, receive: RawFrameSink, *, every: int, size: tuple[int, int] | None = None
    ) -> None:
        self._reader = reader
        self._receive = receive
        self._every = every
        self._size = size
        self._reformatter: Any = None
        self._number = 0
        self._failed = False

    def start(self) -> None:
        """Start handing out pictures."""
        self._reader.add(self._take)

    def stop(self) -> None:
        """Stop handing out pictures. Does nothing when stopped."""
        self._reader.remove(self._take)

    def _take(self, shot: Shot) -> None:
        number, self._number = self._number, self._number + 1
        if number % self._every or (picture := shot.picture()) is None:
            return
        try:
            if self._size is not None:
                picture = self._scaled(picture, *self._size)
            self._receive(raw_frame(picture, shot.timestamp_us))
        except Exception:
            if not self._failed:
                logger.exception("Unencoded pictures cannot be handed on")
            self._failed = True

    def _scaled(self, picture: Any, width: int, height: int) -> Any:
        if self._reformatter is None:
            from av.video.reformatter import VideoReformatter

            self._reformatter = VideoReformatter()  # one for all: computing its tables takes longer than scaling
        return self._reformatter.reformat(picture, width, height, format="yuv420p")
