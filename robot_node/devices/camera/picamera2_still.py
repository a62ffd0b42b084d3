"""Photos of picamera2: JPEG and DNG of a request, also after the camera continues with the video."""

from __future__ import annotations

import io
import logging
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot_node.devices.camera.capture import Photo
from robot_node.devices.camera.sensor_clock import monotonic_us
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)


def still_configuration(
    picam2: Any, size: tuple[int, int], mode: Mapping[str, Any], transform: Any, *, raw: bool
) -> Any:
    """Make the configuration for one photo.

    Args:
        picam2: The camera.
        size: Width and height of the photo in pixels.
        mode: The sensor's mode, as ``sensor`` of a configuration.
        transform: That of the video.
        raw: With the sensor's data, which takes as much memory again.
    """
    return picam2.create_still_configuration(
        main={"size": size, "format": "YUV420"},
        raw={} if raw else None,
        transform=transform,
        queue=False,
        sensor=mode,
    )


def save_jpeg(request: Any, picam2: Any, quality: float, captured_us: int | None) -> Photo:
    """Encode the main picture of a request.

    Args:
        request: With its buffers.
        picam2: Its camera.
        quality: 0 (smallest file) to 1 (best).
        captured_us: See :func:`capture_time_us`.

    Raises:
        DeviceError: It cannot be encoded.
    """
    jpeg = io.BytesIO()
    try:
        width, height = request.config["main"]["size"]
        picam2.options["quality"] = max(1, round(quality * 100))
        request.save("main", jpeg, format="jpeg")
    except Exception as error:
        traceback.clear_frames(error.__traceback__)  # they hold the buffer, which could not be freed
        raise DeviceError(f"The photo could not be stored as JPEG: {error}.") from error
    return Photo(jpeg.getvalue(), width, height, captured_us)


def capture_time_us(request: Any) -> int | None:
    """Return when the sensor began to take a request's picture, by the monotonic clock; None when it does not say."""
    timestamp_ns = request.get_metadata().get("SensorTimestamp")
    return None if timestamp_ns is None else monotonic_us(timestamp_ns)


class StillPicture:
    """A request of the still configuration: see :class:`robot_node.devices.camera.capture.FullPicture`.

    Args:
        request: With its buffers, which this releases.
        picam2: Its camera.
        allocation: Held while buffers are freed or allocated: picamera2 does not guard that against other threads.
    """

    def __init__(self, request: Any, picam2: Any, allocation: threading.RLock) -> None:
        self._request: Any = request
        self._picam2 = picam2
        self._allocation = allocation
        self._captured_us = capture_time_us(request)  # now: the camera may be closed before it is encoded

    def photo(self, quality: float) -> Photo:
        """Encode it as JPEG.

        Args:
            quality: 0 (smallest file) to 1 (best).

        Raises:
            DeviceError: It cannot be encoded, e.g. because the camera was closed.
        """
        return save_jpeg(self._request, self._picam2, quality, self._captured_us)

    def save_dng(self, path: Path) -> None:
        """Write what the sensor saw as DNG, if the picture was taken with it.

        Raises:
            DeviceError: There is no such data, or it cannot be converted.
            OSError: The file cannot be written.
        """
        request = self._request
        try:
            # A copy, unlike request.save_dng(): a buffer that a converter that fails holds on to cannot be freed, and
            # that would end picamera2's event thread with the next picture.
            raw = request.make_buffer("raw")
            self._picam2.helpers.save_dng(raw, request.get_metadata(), request.config["raw"], str(path))
        except OSError:
            raise
        except Exception as error:
            raise DeviceError(
                f"The photo could not be stored as DNG: {error}.", remedy="picamera2 needs the package PiDNG for it."
            ) from error

    def release(self) -> None:
        """Free its memory. Does nothing when it is free."""
        with self._allocation:
            request, self._request = self._request, None
            if request is None:
                return
            try:
                request.release()
            except Exception:
                logger.exception("The memory of a photo could not be freed")

    def __del__(self) -> None:
        self.release()  # a caller that was cancelled has never got it; its buffers are of the scarce contiguous memory
