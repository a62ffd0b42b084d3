"""Completed requests of a simulated picamera2."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
from PIL import Image

from hw_mocks.imx500 import output_tensors
from hw_mocks.scenes import Picture, scaled
from hw_mocks.sensor import SimulatedSensor


class RequestOwner(Protocol):
    """The camera that a buffer belongs to."""

    options: dict[str, Any]
    camera_config: dict[str, Any]
    stop_count: int
    sensor: SimulatedSensor

    def take_back_buffer(self) -> None:
        """Return a buffer to the camera."""


@dataclass(frozen=True)
class Transform:
    """libcamera's mirroring of the picture."""

    hflip: int = 0
    vflip: int = 0
    transpose: int = 0


class CompletedRequest:
    """A buffer with a picture, reference-counted; the last release returns it to the camera."""

    def __init__(self, request: Picture, picam2: RequestOwner, sensor_timestamp_ns: int = 0) -> None:
        self.request = request
        self.picam2 = picam2
        self.sensor_timestamp_ns = sensor_timestamp_ns
        self.config = dict(picam2.camera_config)
        self.stop_count = picam2.stop_count
        self.ref_count = 1
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Add a reference."""
        with self._lock:
            if self.ref_count == 0:
                raise RuntimeError("CompletedRequest: acquiring lock with ref_count 0")
            self.ref_count += 1

    def release(self) -> None:
        """Drop a reference."""
        with self._lock:
            self.ref_count -= 1
            if self.ref_count < 0:
                raise RuntimeError("CompletedRequest: lock now has negative ref_count")
            if self.ref_count == 0 and self.stop_count == self.picam2.stop_count:
                self.picam2.take_back_buffer()

    def get_metadata(self) -> dict[str, Any]:
        """Return the metadata of the picture."""
        found = {"SensorTimestamp": self.sensor_timestamp_ns, **self.picam2.sensor.metadata}
        return found | output_tensors(self.picam2.sensor)

    def make_array(self, name: str) -> Picture:
        """Return the picture of a stream."""
        stream = self.config.get(name)
        if stream is None:
            raise RuntimeError(f"Stream {name!r} is not defined")
        return scaled(self.request, *stream["size"])

    def save(
        self,
        name: str,
        file_output: io.BytesIO,
        format: str | None = None,  # noqa: A002  # picamera2's signature
        exif_data: dict[str, Any] | None = None,  # noqa: ARG002  # picamera2's signature
    ) -> None:
        """Write the picture of a stream as JPEG."""
        if format not in ("jpg", "jpeg"):
            raise RuntimeError("Stream format YUV420 not supported for PIL images")
        rgb = av.VideoFrame.from_ndarray(self.make_array(name), "yuv420p").to_ndarray(format="rgb24")
        Image.fromarray(rgb).save(file_output, "JPEG", quality=self.picam2.options.get("quality", 90))

    def make_buffer(self, name: str) -> Picture:
        """Return a copy of a stream's pixels; the sensor's data are the grey of the picture."""
        if self.config.get(name) is None:
            raise RuntimeError(f"Stream {name!r} is not defined")
        height = self.config["main"]["size"][1]
        return (self.request[:height] if name == "raw" else self.make_array(name)).reshape(-1).copy()


class Helpers:
    """What picamera2 does with the pixels of a request."""

    def save_dng(self, buffer: Picture, metadata: dict[str, Any], config: dict[str, Any], file_output: Any) -> None:
        """Write the sensor's data as a TIFF file, which a DNG file is."""
        del metadata, config
        Path(file_output).write_bytes(b"II*\0" + buffer.tobytes())
