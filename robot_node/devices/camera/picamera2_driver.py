"""The driver for picamera2: opens cameras on the board's own connectors, takes photos, and explains errors."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from robot_node.core import memory
from robot_node.core.media import RawFrameSink, VideoMode
from robot_node.devices.camera.capture import (
    CameraLimits,
    FrameReceiver,
    GivenUpError,
    Photo,
    StalledError,
    small_size,
)
from robot_node.devices.camera.controls import Ranges, remaining_rotation, supported
from robot_node.devices.camera.h264 import H264Stream
from robot_node.devices.camera.picamera2_controls import (
    AF_SCANNING,
    AppliedControls,
    flips,
    ranges_of,
    to_libcamera,
)
from robot_node.devices.camera.picamera2_errors import LIST_CAMERAS, explain
from robot_node.devices.camera.picamera2_opening import construct, modes_of
from robot_node.devices.camera.picamera2_still import StillPicture, capture_time_us, save_jpeg, still_configuration
from robot_node.devices.camera.raw import RawStream
from robot_node.devices.camera.sensor_modes import check_mode, largest_mode, widest_mode
from robot_node.devices.platform import CameraLibrary
from robot_node.errors import DeviceError, RobotNodeError
from robot_node.settings.camera_controls import CameraControls
from robot_node.settings.devices import CameraSettings

logger = logging.getLogger(__name__)

_MAX_RAW_FRAMES_PER_S = 30
# So many pictures are under way when controls are set: picamera2's buffers, and what the sensor is late by.
_PICTURES_UNDER_WAY = 6 + 3
_LONGEST_TO_SETTLE_S = 1.0
_LONGEST_TO_FOCUS_S = 3.0


class Picamera2Driver:
    """Drives one camera by picamera2: see :class:`robot_node.devices.camera.capture.CameraDriver`.

    Args:
        load: Imports the camera library.
        settings: The camera's settings.
        limits: How long to wait for a picture before the camera counts as stalled.
        small_stream: Sessions have a small stream, which costs some memory and bandwidth also while it is not used.

    Attributes:
        sensor_modes: The modes of the sensor, as picamera2 lists them: finding out takes a configuration of the camera
            for each. None before the first session has opened it.
        applied: What libcamera was set to.
    """

    def __init__(
        self,
        load: Callable[[], CameraLibrary],
        settings: CameraSettings,
        limits: CameraLimits,
        *,
        small_stream: bool = False,
    ) -> None:
        self.load = load
        self.settings = settings
        self.limits = limits
        self.small_stream = small_stream
        self.sensor_modes: Sequence[Mapping[str, Any]] | None = None
        self.applied = AppliedControls()

    def session(self) -> Picamera2Session:
        """Begin a session; opens nothing yet."""
        return Picamera2Session(self)

    def set_mode(self, mode: VideoMode) -> None:
        """Set what the video is like from the next session on.

        Raises:
            ArgumentError: The sensor cannot do it, as far as is known.
        """
        check_mode(self.sensor_modes or (), mode)
        self.settings = self.settings.model_copy(update=dataclasses.asdict(mode))


class Picamera2Session:
    """A camera on the board's own connector: see :class:`robot_node.devices.camera.capture.CaptureSession`.

    Args:
        driver: What is known of the camera already; what this session finds out is left there.
    """

    def __init__(self, driver: Picamera2Driver) -> None:
        self._driver = driver
        self._settings = driver.settings
        self._library: CameraLibrary | None = None
        self._picam2: Any = None
        self._controls = driver.settings.initial_controls()
        self.rotation = 0
        self._allocation = threading.RLock()
        self._given_up = threading.Event()

    def load(self) -> None:
        """Import the library, which takes seconds on a Pi the first time.

        Raises:
            DeviceError: It is not installed, too old, or broken.
        """
        try:
            self._library = self._driver.load()
        except RobotNodeError:
            raise
        except Exception as error:  # it may raise anything, e.g. ValueError with a numpy that it was not built with
            reason = f"{type(error).__name__}: {str(error).rstrip('.')}"
            raise DeviceError(
                f"The camera library fails while it is loaded: {reason}.", remedy="'robot-node doctor' looks closer."
            ) from error

    def open(self) -> None:
        """Open the camera and start capturing.

        Raises:
            DeviceError: There is no camera, another program uses it, or it refuses to start.
        """
        assert self._library is not None, "load() comes first"
        number = self._settings.number
        try:
            cameras = len(self._library.Picamera2.global_camera_info())
        except Exception as error:
            raise explain(error) from error
        if number >= cameras:
            found = f"only {cameras} found" if cameras else "none is connected"
            raise DeviceError(f"There is no camera number {number}: {found}.", remedy=LIST_CAMERAS)
        try:
            self._picam2 = construct(self._library.Picamera2, number)
            if self._driver.sensor_modes is None:
                self._driver.sensor_modes = modes_of(self._picam2)
            self._picam2.configure(self._configuration(self._library, self._picam2))
            controls, problems = supported(self._controls, self.control_ranges())
            available = self._picam2.camera_controls
            self._picam2.set_controls(self._driver.applied.begin_with(controls, available, self._frame_us))
            self.rotation = remaining_rotation(controls)
            self._start()
        except Exception as error:
            raise explain(error) from error
        for problem in problems:
            logger.warning("%s", problem)

    def give_up(self) -> None:
        """Begin nothing more: a call that runs ends before it starts the sensor."""
        self._given_up.set()

    def _start(self) -> None:
        if self._given_up.is_set():  # privacy may have been engaged meanwhile
            raise GivenUpError
        self._picam2.start()

    def control_ranges(self) -> Ranges:
        """Return what the open camera can be set to."""
        return ranges_of(self._picam2.camera_controls)

    def apply(self, controls: CameraControls, *, refocus: bool = False) -> bool:
        """Set what the camera can do of these controls, and return when pictures show it.

        Before :meth:`open` they are kept for it.

        Args:
            controls: All that is wished.
            refocus: A single focus is made again.

        Returns:
            False: the camera has to be closed and opened for a change in them, and nothing was changed.

        Raises:
            StalledError: The camera delivers no picture.
            DeviceError: It refuses.
        """
        if self._picam2 is not None:
            if flips(controls) != flips(self._controls):
                return False
            try:
                self._set(controls, refocus=refocus)
            except Exception as error:
                raise DeviceError(f"The camera refuses its controls: {error}.") from error
            self._settle(focuses=refocus and controls.focus == "once")
        self._controls = controls
        return True

    def _settle(self, *, focuses: bool) -> None:
        """Wait until pictures show what was set, but not for ever: a picture may take a second."""
        begun, pictures = time.monotonic(), 0
        limit_s = _LONGEST_TO_FOCUS_S if focuses else _LONGEST_TO_SETTLE_S
        while time.monotonic() < begun + limit_s:
            request = self._next_request()
            pictures += 1
            scanning = focuses and request.get_metadata().get("AfState") == AF_SCANNING
            request.release()
            if pictures >= _PICTURES_UNDER_WAY and not scanning:
                return

    def _set(self, controls: CameraControls, *, refocus: bool) -> None:
        available = self._picam2.camera_controls
        changes = self._driver.applied.change_to(controls, available, self._frame_us, refocus=refocus)
        self._picam2.set_controls(changes)
        self.rotation = remaining_rotation(controls)

    def wait_for_picture(self) -> None:
        """Return when the camera has delivered a picture.

        Raises:
            StalledError: It delivers none.
        """
        self._next_request().release()

    def photo(self, quality: float) -> Photo:
        """Take the next picture of the running camera as JPEG; the video goes on meanwhile.

        Args:
            quality: 0 (smallest file) to 1 (best).

        Raises:
            StalledError: The camera delivers no picture.
            DeviceError: The picture cannot be stored.
        """
        request = self._next_request()
        try:
            # Here and not by capture_file(), which would hold up the camera's event thread and so the video.
            return save_jpeg(request, self._picam2, quality, capture_time_us(request))
        finally:
            request.release()

    def full_size(self) -> tuple[int, int]:
        """Return width and height of the largest picture."""
        video: tuple[int, int] = self._picam2.camera_configuration()["main"]["size"]
        mode = largest_mode(self._driver.sensor_modes or ())
        if mode is None:
            return video
        width, height = (side - side % 2 for side in mode["output_size"])
        return (width, height) if width * height > video[0] * video[1] else video

    def capture_full(self, *, raw: bool) -> StillPicture:
        """Take a picture in full size, which the caller releases; then the camera captures video again.

        Args:
            raw: With the sensor's data, for DNG.

        Raises:
            StalledError: The camera delivers no picture, or does not go on with the video.
            DeviceError: It refuses, e.g. for want of memory.
        """
        video = self._picam2.camera_configuration()
        if not raw and self.full_size() == video["main"]["size"]:
            return StillPicture(self._next_request(), self._picam2, self._allocation)
        try:
            mode = largest_mode(self._driver.sensor_modes or ()) or {}
            transform = video["transform"]
            still = still_configuration(self._picam2, self.full_size(), mode, transform, raw=raw)
            self._switch(still, still=True)
            picture = StillPicture(self._next_request(), self._picam2, self._allocation)
        except StalledError:
            raise  # the camera has to be closed: the job that waits for a picture would keep stop() waiting
        except Exception as error:
            self._resume(video)
            raise DeviceError(f"The camera could not take a photo in full size: {error}.") from error
        try:
            self._resume(video)
        except StalledError:
            picture.release()
            raise
        return picture

    def _resume(self, video: Any) -> None:
        try:
            self._switch(video)
        except Exception as error:
            raise StalledError(f"The camera does not go on with the video after a photo: {error}.") from error

    def h264(self, receive: FrameReceiver, bitrate: int, *, software: bool) -> H264Stream:
        """Make an H.264 stream of the open camera, to be started and stopped by the caller.

        Args:
            receive: Called with each frame, in a thread of the library.
            bitrate: In bit/s.
            software: libx264 encodes, on every board.
        """
        assert self._library is not None, "load() comes first"
        return H264Stream(self._library, self._picam2, self._settings, receive, bitrate, software=software)

    def raw(self, receive: RawFrameSink) -> RawStream:
        """Make a stream of the open camera's unencoded pictures, to be started and stopped by the caller.

        Args:
            receive: Called with each picture, in a thread of the library.
        """
        assert self._library is not None, "load() comes first"
        return RawStream(self._library, self._picam2, receive, every=self._every(_MAX_RAW_FRAMES_PER_S))

    def small(self, receive: RawFrameSink, rate: float) -> RawStream:
        """Make a stream of small pictures, to be started and stopped by the caller.

        Args:
            receive: Called with each picture, in a thread of the library.
            rate: At most so many pictures a second; others are not copied.
        """
        assert self._library is not None, "load() comes first"
        return RawStream(self._library, self._picam2, receive, every=self._every(rate), name="lores")

    def close(self) -> None:
        """Stop capturing and release the camera, whatever state it is in. Does nothing when it is not open.

        Its streams must have been stopped.

        Raises:
            DeviceError: The camera could not be closed.
        """
        picam2 = self._picam2
        if picam2 is None:
            return
        try:
            # A job that still waits for a frame would keep stop() waiting as well, for ever when the camera stalls.
            picam2.cancel_all_and_flush()
            # close() ends the event thread first and then stops the camera directly: unlike stop() it needs no help
            # from that thread, which an exception may have ended.
            picam2.close()
        except Exception as error:
            raise DeviceError(
                f"The camera could not be closed: {error}.", remedy="Restart the robot: the kernel then closes it."
            ) from error
        self._picam2 = None
        memory.give_back()

    def _every(self, rate: float) -> int:
        return max(1, math.ceil(self._settings.frame_rate / rate))

    def _configuration(self, library: CameraLibrary, picam2: Any) -> Any:
        settings = self._settings
        size = (settings.width, settings.height)
        left_right, top_bottom = flips(self._controls)
        return picam2.create_video_configuration(
            main={"size": size, "format": "YUV420"},
            lores={"size": small_size(*size), "format": "YUV420"} if self._driver.small_stream else None,
            raw=None,  # nothing needs it, and its buffers would take tens of MB
            controls={"FrameDurationLimits": (self._frame_us, self._frame_us)},
            transform=library.Transform(hflip=left_right, vflip=top_bottom),
            queue=False,  # a photo shows what is seen after the call, not a picture kept from before
            sensor=widest_mode(self._driver.sensor_modes or (), size, settings.frame_rate),
        )

    @property
    def _frame_us(self) -> int:
        return round(1_000_000 / self._settings.frame_rate)

    def _switch(self, configuration: Any, *, still: bool = False) -> None:
        # Not by switch_mode(), which has no room for controls: configuring takes some of them back.
        self._picam2.stop()
        with self._allocation:  # an earlier photo may be freed in another thread
            self._picam2.configure(configuration)
        controls, _ = supported(self._controls, self.control_ranges())
        wished = to_libcamera(controls, self._picam2.camera_controls, self._frame_us)
        left_out = {"AfTrigger", "FrameDurationLimits"} if still else {"AfTrigger"}
        self._picam2.set_controls({name: value for name, value in wished.items() if name not in left_out})
        self._start()

    def _next_request(self) -> Any:
        limit_s = self._driver.limits.picture
        try:
            return self._picam2.capture_request(wait=limit_s)
        except TimeoutError as error:
            raise StalledError(
                f"The camera delivers no pictures: none came within {limit_s:g} seconds.",
                remedy=f"Switch it off and on again. {LIST_CAMERAS}",
            ) from error
        except Exception as error:
            raise StalledError(f"The camera gave no picture: {error}.", remedy="Switch it off and on again.") from error
