"""The driver for V4L2: USB cameras, and the video devices of boards that are no Pi. Opens them, and explains errors."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
from collections import deque
from collections.abc import Callable

from robot_node.core import memory
from robot_node.core.media import RawFrameSink, VideoMode
from robot_node.devices.camera.capture import (
    CameraLimits,
    EncodedStream,
    EncoderMissingError,
    FrameReceiver,
    GivenUpError,
    Photo,
    StalledError,
    small_size,
)
from robot_node.devices.camera.controls import NO_CONTROLS, Ranges, remaining_rotation
from robot_node.devices.camera.jpeg import complete_jpeg
from robot_node.devices.camera.v4l2_choice import Choice, choose, largest, usable_formats
from robot_node.devices.camera.v4l2_controls import AppliedV4l2Controls
from robot_node.devices.camera.v4l2_encoder import Encoder
from robot_node.devices.camera.v4l2_finding import explain, find_device
from robot_node.devices.camera.v4l2_ioctl import VideoDevice, video_devices
from robot_node.devices.camera.v4l2_pictures import Decoder, Shot, StillShot
from robot_node.devices.camera.v4l2_reader import V4l2Reader
from robot_node.devices.camera.v4l2_streams import EncodingStream, PassingStream, UnencodedStream
from robot_node.devices.v4l2 import V4l2Library
from robot_node.errors import DeviceError
from robot_node.settings.camera_controls import CameraControls
from robot_node.settings.devices import CameraSettings

logger = logging.getLogger(__name__)

_OWN_JPEG_QUALITY = 0.9
"""From this quality of a photo on, the JPEG is that of the camera."""
_MAX_RAW_FRAMES_PER_S = 30
_PICTURES_UNDER_WAY = 4
"""When controls are set: the kernel's buffers that are filled."""
_WARNINGS_REMEMBERED = 32
_OPENING_SHARE = 0.9
"""Of the time limit of opening: what FFmpeg may take, so that a stall differs from a call that hangs."""


class V4l2Driver:
    """Drives one camera by V4L2: see :class:`robot_node.devices.camera.capture.CameraDriver`.

    Args:
        load: Imports what V4L2 needs.
        settings: The camera's settings.
        limits: How long to wait for a picture before the camera counts as stalled.

    Attributes:
        passes: The camera's own H.264 is usable, as far as is known.
        warnings: The last ones that were logged; they are not logged again.
        applied: What the device was set to.
    """

    def __init__(self, load: Callable[[], V4l2Library], settings: CameraSettings, limits: CameraLimits) -> None:
        self.load = load
        self.settings = settings
        self.limits = limits
        self.passes = True
        self.warnings: deque[str] = deque(maxlen=_WARNINGS_REMEMBERED)
        self.applied = AppliedV4l2Controls()

    def session(self) -> V4l2Session:
        """Begin a session; opens nothing yet."""
        return V4l2Session(self)

    def set_mode(self, mode: VideoMode) -> None:
        """Set what the video is like from the next session on.

        The device's nearest is taken then.
        """
        self.settings = self.settings.model_copy(update=dataclasses.asdict(mode))

    def warn_once(self, text: str) -> None:
        """Log a warning once."""
        if text not in self.warnings:
            self.warnings.append(text)
            logger.warning("%s", text)


class V4l2Session:
    """A video device: see :class:`robot_node.devices.camera.capture.CaptureSession`.

    Args:
        driver: What is known of the camera already; what this session finds out is left there.
    """

    def __init__(self, driver: V4l2Driver) -> None:
        self._driver = driver
        self._settings = driver.settings
        self._library: V4l2Library | None = None
        self._has_encoder = False
        self._reader: V4l2Reader | None = None
        self._opened = Choice("mjpeg", 0, 0, 1.0)
        self._device: VideoDevice | None = None
        self._path = ""
        self._controls = driver.settings.initial_controls()
        self._ranges: Ranges = {}
        self.rotation = 0
        self._given_up = threading.Event()

    def load(self) -> None:
        """Import what V4L2 needs.

        Raises:
            DeviceError: It is missing.
        """
        self._library = self._driver.load()

    def open(self) -> None:
        """Open the device and start capturing.

        Raises:
            AbsentError: There is no such device.
            DeviceError: Another program uses it, or it refuses to start.
        """
        assert self._library is not None, "load() comes first"
        settings, driver, library = self._settings, self._driver, self._library
        devices = video_devices(library)
        self._has_encoder = any(each.encodes_h264 for each in devices)
        device = find_device(settings, devices, library)
        wanted = settings.format if driver.passes or settings.format != "h264" else "auto"
        choice = choose(device, wanted, settings.width, settings.height, settings.frame_rate)
        if choice is None:
            has = ", ".join(usable_formats(device))
            raise DeviceError(
                f"{device.name} ({device.path}) has no {settings.format}.", remedy=f'Set format in [camera]: "{has}".'
            )
        if (choice.width, choice.height) != (settings.width, settings.height):
            driver.warn_once(
                f"{device.name} has no {settings.width}x{settings.height}: {choice.width}x{choice.height} is used. "
                "'robot-node doctor' lists what it has."
            )
        self._device = device
        self._start(device, choice)

    def _start(self, device: VideoDevice, choice: Choice) -> None:
        assert self._library is not None, "load() comes first"
        settings, library, limit_s = self._settings, self._library, self._driver.limits.open * _OPENING_SHARE
        if self._given_up.is_set():  # privacy may have been engaged meanwhile
            raise GivenUpError
        try:
            container = library.open(device.path, choice.options(), limit_s)
        except Exception as error:
            raise explain(error, device, limit_s) from error
        self._path = device.path
        self._set(library, self._controls)
        context = container.streams.video[0].codec_context  # the kernel may have changed what was asked for
        self._opened = dataclasses.replace(choice, width=context.width, height=context.height)
        decoder = Decoder(
            lambda name: library.codec(name, "r"),
            choice.format,
            context.width,
            context.height,
            turned=self._turned,
        )
        self._reader = V4l2Reader(
            container,
            decoder,
            rate=choice.rate,
            wanted_rate=settings.frame_rate,
            skips=choice.format != "h264",
        )

    def give_up(self) -> None:
        """Begin nothing more: a call that runs ends before it opens the device."""
        self._given_up.set()

    def control_ranges(self) -> Ranges:
        """Return what the open camera can be set to."""
        return self._ranges

    def apply(self, controls: CameraControls, *, refocus: bool = False) -> bool:  # noqa: ARG002  # it cannot focus once
        """Set what the camera can do of these controls, and return when pictures show it.

        Before :meth:`open` they are kept for it.

        Args:
            controls: All that is wished.
            refocus: Without effect.

        Returns:
            False: the camera has to be closed and opened for a change in them, and nothing was changed.

        Raises:
            StalledError: The camera delivers no picture.
        """
        if self._reader is not None and self._library is not None:
            if (controls.rotate == 180) != self._turned:
                return False
            self._set(self._library, controls)
            for _ in range(_PICTURES_UNDER_WAY):
                self.wait_for_picture()
        self._controls = controls
        return True

    def _set(self, library: V4l2Library, controls: CameraControls) -> None:
        self.rotation = remaining_rotation(controls)
        try:
            with library.node(self._path) as node:
                self._ranges, problems = self._driver.applied.change_to(controls, node)
        except OSError as error:
            self._ranges, problems = NO_CONTROLS, (f"The controls of {self._path} cannot be set: {error}.",)
        for problem in problems:
            self._driver.warn_once(problem)

    @property
    def _turned(self) -> bool:
        return self._controls.rotate == 180

    def wait_for_picture(self) -> None:
        """Return when the camera has delivered a picture.

        Raises:
            StalledError: It delivers none.
        """
        self._running().next(lambda _shot: True, self._driver.limits.picture)

    def photo(self, quality: float) -> Photo:
        """Take the next picture as JPEG; the video goes on meanwhile. That of an MJPEG camera is its own, as it came.

        Args:
            quality: 0 (smallest file) to 1 (best); from 0.9 on, an MJPEG camera's own.

        Raises:
            StalledError: The camera delivers no picture.
            DeviceError: The picture cannot be stored.
        """
        own = self._opened.format == "mjpeg" and quality >= _OWN_JPEG_QUALITY and not self._turned
        limit_s = self._driver.limits.picture
        if own:
            return self._running().next(self._own_photo, limit_s)
        return self._shot().photo(quality)

    def full_size(self) -> tuple[int, int]:
        """Return width and height of the device's largest picture."""
        full = self._full()
        return full.width, full.height

    def capture_full(self, *, raw: bool) -> StillShot:
        """Take a picture in the device's largest size, for which it is closed and opened twice.

        Args:
            raw: With the sensor's data, which there is none of.

        Raises:
            StalledError: The camera delivers no picture, or does not go on with the video.
            DeviceError: ``raw`` is wished, or the device refuses the size.
        """
        if raw:
            raise DeviceError("A V4L2 camera gives no data of its sensor: there is no DNG.")
        video, full, device = self._opened, self._full(), self._device
        if full == video or device is None:
            return self._shot()
        try:
            self.close()
            self._start(device, full)
            for _ in range(_PICTURES_UNDER_WAY):  # the exposure is that of the size before
                self.wait_for_picture()
            return self._shot()
        finally:
            try:
                self.close()
                self._start(device, video)
            except DeviceError as error:
                raise StalledError(f"The camera does not go on with the video. {error.message}") from error

    def _full(self) -> Choice:
        full = None if self._device is None else largest(self._device)
        if full is None or full.width * full.height <= self._opened.width * self._opened.height:
            return self._opened
        return full

    def _own_photo(self, shot: Shot) -> Photo | None:
        jpeg = complete_jpeg(shot.data)
        return None if jpeg is None else Photo(jpeg, self._opened.width, self._opened.height, shot.timestamp_us)

    def _shot(self) -> StillShot:
        return self._running().next(StillShot.of, self._driver.limits.picture)

    def h264(self, receive: FrameReceiver, bitrate: int, *, software: bool) -> EncodedStream:
        """Make an H.264 stream of the open camera, to be started and stopped by the caller.

        Args:
            receive: Called with each frame, in the reader's thread.
            bitrate: In bit/s.
            software: libx264 encodes, on every board.
        """
        reader = self._running()
        passes = self._opened.format == "h264" and self._driver.passes and not self._turned

        def make(bits_per_second: int) -> Encoder:
            return self._encoder(bits_per_second, software=software, falls_back=passes)

        encoding = EncodingStream(reader, make, receive, bitrate)
        return PassingStream(reader, receive, encoding, self._give_up_passing) if passes else encoding

    def raw(self, receive: RawFrameSink) -> UnencodedStream:
        """Make a stream of the open camera's unencoded pictures, to be started and stopped by the caller.

        Args:
            receive: Called with each picture, in the reader's thread.
        """
        return UnencodedStream(self._running(), receive, every=self._every(_MAX_RAW_FRAMES_PER_S))

    def small(self, receive: RawFrameSink, rate: float) -> UnencodedStream:
        """Make a stream of small pictures, scaled from the others, to be started and stopped by the caller.

        Args:
            receive: Called with each picture, in the reader's thread.
            rate: At most so many pictures a second; others are neither decoded nor scaled for it.
        """
        size = small_size(self._opened.width, self._opened.height)
        return UnencodedStream(self._running(), receive, every=self._every(rate), size=size)

    def close(self) -> None:
        """Stop capturing and release the camera, whatever state it is in. Does nothing when it is not open.

        Its streams must have been stopped.

        Raises:
            DeviceError: The camera could not be closed.
        """
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
            memory.give_back()

    def _every(self, rate: float) -> int:
        return max(1, math.ceil(min(self._settings.frame_rate, self._opened.rate) / rate))

    def _running(self) -> V4l2Reader:
        assert self._reader is not None, "open() comes first"
        return self._reader

    def _encoder(self, bitrate: int, *, software: bool, falls_back: bool) -> Encoder:
        assert self._library is not None, "load() comes first"
        size = self._opened.width, self._opened.height
        software = software or not self._has_encoder  # most boards have none, and need no warning for it
        try:
            return Encoder(self._library, self._settings, size, bitrate, software=software)
        except EncoderMissingError:
            if not falls_back:  # the camera does it
                raise
            return Encoder(self._library, self._settings, size, bitrate, software=True)

    def _give_up_passing(self) -> None:
        self._driver.passes = False
        self._driver.warn_once(
            "The camera's own H.264 has no keyframe when a viewer needs one: the robot decodes and encodes it, "
            'which needs most of a processor core. Set format = "mjpeg" or "yuyv" in [camera].'
        )
