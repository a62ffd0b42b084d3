"""A simulated libcamera: the part of its Python API that the real picamera2 uses.

``hw_mocks.real_picamera2`` installs this module as ``libcamera``, so the names are libcamera's.
"""

from __future__ import annotations

import contextlib
import enum
import os
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from hw_mocks.libcamera_types import (
    ColorSpace,
    ControlId,
    ControlInfo,
    ControlType,
    Orientation,
    PixelFormat,
    Rectangle,
    SensorConfiguration,
    Size,
    StreamRole,
    Transform,
    controls,
    properties,
)
from hw_mocks.scenes import Picture, Scene, planes, scaled
from hw_mocks.sensor import SensorMode, SimulatedSensor, timestamp_ns

__all__ = [
    "Camera",
    "CameraConfiguration",
    "CameraManager",
    "ColorSpace",
    "ControlId",
    "ControlInfo",
    "ControlType",
    "FrameBuffer",
    "FrameMetadata",
    "Orientation",
    "PixelFormat",
    "Rectangle",
    "Request",
    "SensorConfiguration",
    "Size",
    "StreamConfiguration",
    "StreamRole",
    "Transform",
    "controls",
    "properties",
]

_STRIDE_ALIGNMENT = 64
_MODEL = "imx708"
_RAW_FORMATS = {8: "SRGGB8", 10: "SRGGB10_CSI2P", 12: "SRGGB12_CSI2P"}


class FrameMetadata:
    """Metadata of a filled buffer."""

    class Status(enum.Enum):
        """Result of the capture."""

        Success = 0
        Error = 1
        Cancelled = 2

    def __init__(self) -> None:
        self.status = FrameMetadata.Status.Success


class FrameBuffer:
    """Memory of a picture."""

    class Plane:
        """A plane of memory, identified by a file descriptor that libcamera duplicates."""

        offset = length = 0

        def __init__(self) -> None:
            self._fd = -1

        @property
        def fd(self) -> int:
            """The duplicated file descriptor."""
            return self._fd

        @fd.setter
        def fd(self, value: int) -> None:
            self._fd = os.dup(value)

        def __del__(self) -> None:
            if self._fd >= 0:
                os.close(self._fd)

    def __init__(self, planes: list[Plane]) -> None:
        self.planes, self.metadata = planes, FrameMetadata()


class StreamConfiguration:
    """Size and format of a stream."""

    def __init__(self, role: StreamRole, modes: tuple[SensorMode, ...]) -> None:
        self._modes = modes
        self.stream = SimpleStream(self)
        self.size = Size(640, 480)
        raw = _RAW_FORMATS[modes[-1].bit_depth]
        self.pixel_format = PixelFormat(raw if role is StreamRole.Raw else "XBGR8888")
        self.buffer_count = 4
        self.color_space: ColorSpace | None = None
        self.stride = 0

    @property
    def formats(self) -> Any:
        """Formats and sizes of the sensor."""
        depths = sorted({mode.bit_depth for mode in self._modes})
        return SimpleNamespace(
            pixel_formats=[PixelFormat(_RAW_FORMATS[depth]) for depth in depths],
            sizes=lambda raw: [Size(*mode.size) for mode in self._modes if _RAW_FORMATS[mode.bit_depth] == raw.name],
        )

    @property
    def frame_size(self) -> int:
        """Size of a picture in bytes."""
        return self.stride * self.size.height * (3 if self.pixel_format.name == "YUV420" else 2) // 2

    def validate(self) -> bool:
        """Set the stride; return False if the configuration is not supported."""
        width, height = self.size.width, self.size.height
        self.stride = -(-width // _STRIDE_ALIGNMENT) * _STRIDE_ALIGNMENT
        if self.pixel_format.name in _RAW_FORMATS.values():
            self.stride *= 2
        elif self.pixel_format.name not in ("YUV420", "XBGR8888"):
            return False
        return any(width <= mode.size[0] and height <= mode.size[1] for mode in self._modes)


class SimpleStream:
    """A stream of pictures."""

    def __init__(self, configuration: StreamConfiguration) -> None:
        self.configuration = configuration


class CameraConfiguration:
    """Configuration of all streams."""

    class Status(enum.Enum):
        """Result of the validation."""

        Valid = 0
        Adjusted = 1
        Invalid = 2

    def __init__(self, roles: list[StreamRole], modes: tuple[SensorMode, ...]) -> None:
        self._streams = [StreamConfiguration(role, modes) for role in roles]
        self.orientation = Orientation.Rotate0
        self.sensor_config: SensorConfiguration | None = None

    def at(self, index: int) -> StreamConfiguration:
        """Return the configuration of a stream."""
        return self._streams[index]

    def __iter__(self) -> Iterator[StreamConfiguration]:
        return iter(self._streams)

    def validate(self) -> CameraConfiguration.Status:
        """Complete and validate the configuration."""
        valid = [stream.validate() for stream in self._streams]
        return self.Status.Valid if all(valid) else self.Status.Invalid


class Request:
    """A request to capture a picture into buffers."""

    class Status(enum.Enum):
        """Progress of the request."""

        Pending = 0
        Complete = 1
        Cancelled = 2

    def __init__(self, cookie: int) -> None:
        self.cookie = cookie
        self.buffers: dict[SimpleStream, FrameBuffer] = {}
        self.reuse()

    def reuse(self) -> None:
        """Reset it for another picture."""
        self.metadata: dict[ControlId, Any] = {}
        self.controls: dict[str, Any] = {}
        self.status = Request.Status.Pending

    def add_buffer(self, stream: SimpleStream, buffer: FrameBuffer) -> None:
        """Add the buffer for a stream."""
        self.buffers[stream] = buffer

    def set_control(self, control: ControlId, value: Any) -> None:
        """Set a control with this picture."""
        self.controls[control.name] = _plain(value)


class Camera:
    """The camera. While it is running, a thread completes one queued request per frame."""

    id = "/base/soc/i2c0mux/i2c@1/imx708@1a"

    def __init__(self, sensor: SimulatedSensor) -> None:
        self._sensor = sensor
        self._acquired = False
        self._configuration: CameraConfiguration | None = None
        self._queued: list[Request] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def properties(self) -> dict[ControlId, Any]:
        """Static properties of the camera."""
        values = {"Model": _MODEL, "Location": 2, "Rotation": 180, "ColorFilterArrangement": 0}
        return {ControlId(name): value for name, value in values.items()}

    @property
    def controls(self) -> dict[ControlId, ControlInfo]:
        """Controls of the camera with their ranges."""
        return {
            getattr(controls, name): ControlInfo(
                *(Rectangle(*each) if name == "ScalerCrop" else each for each in values)
            )
            for name, values in self._sensor.control_ranges().items()
        }

    def acquire(self) -> None:
        """Acquire the camera for this process."""
        if self._acquired or self._sensor.busy:
            raise RuntimeError("Failed to acquire camera: Device or resource busy")
        self._acquired = True
        self._sensor.hang("open")

    def release(self) -> None:
        """Release the camera."""
        self._acquired = False

    def generate_configuration(self, roles: list[StreamRole]) -> CameraConfiguration:
        """Create a configuration with a stream for each role."""
        return CameraConfiguration(roles, self._sensor.modes)

    def configure(self, configuration: CameraConfiguration) -> None:
        """Set the configuration."""
        self._configuration = configuration
        sensor = configuration.sensor_config
        if sensor is not None and sensor.output_size is not None:
            self._sensor.choose_mode((sensor.output_size.width, sensor.output_size.height), sensor.bit_depth)

    def create_request(self, cookie: int) -> Request:
        """Create a request."""
        return Request(cookie)

    def start(self, initial: dict[ControlId, Any] | None = None) -> None:
        """Start capturing."""
        assert self._configuration is not None, "not configured"
        self._sensor.set_controls({control.name: _plain(value) for control, value in (initial or {}).items()})
        size = self._configuration.at(0).size
        scene = self._sensor.start(size.width, size.height)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(scene,), name="simulated sensor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop capturing and cancel the queued requests."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None
        with self._lock:
            cancelled, self._queued = self._queued, []
        for request in cancelled:
            request.status = Request.Status.Cancelled
            CameraManager.singleton().complete(request)

    def queue_request(self, request: Request) -> None:
        """Queue a request."""
        if self._thread is None:
            raise RuntimeError("Camera in Configured state trying queueRequest() requiring state Running")
        with self._lock:
            self._queued.append(request)

    def _run(self, scene: Scene) -> None:
        due = time.monotonic()
        try:
            while not self._stopping.wait(max(0.0, due - time.monotonic())):
                with self._lock:
                    request = self._queued.pop(0) if self._queued and not self._sensor.stalled else None
                if request is not None:
                    self._sensor.set_controls(request.controls)
                    captured_at = self._sensor.capture_time(self._sensor.frame_us() / 1e6)
                    picture = self._sensor.picture(scene, captured_at, self._flips())
                    self._fill(request, picture, timestamp_ns(captured_at))
                due = max(due + self._sensor.frame_us() / 1e6 / self._sensor.speed, time.monotonic())
        finally:
            self._sensor.stop(scene)

    def _flips(self) -> tuple[bool, bool]:
        orientation = None if self._configuration is None else self._configuration.orientation
        return (
            orientation in {Orientation.Rotate180, Orientation.Rotate0Mirror},
            orientation in {Orientation.Rotate180, Orientation.Rotate180Mirror},
        )

    def _fill(self, request: Request, picture: Picture, captured_ns: int) -> None:
        for stream, buffer in request.buffers.items():
            if stream.configuration.pixel_format.name == "YUV420":
                size = stream.configuration.size
                shown = scaled(picture, size.width, size.height)
                os.pwrite(buffer.planes[0].fd, _with_stride(shown, stream.configuration.stride), 0)
        request.metadata = {
            controls.SensorTimestamp: captured_ns,
            **{getattr(controls, name): value for name, value in self._sensor.metadata.items()},
        }
        request.status = Request.Status.Complete
        CameraManager.singleton().complete(request)


class CameraManager:
    """Lists the cameras, and signals completed requests through a file descriptor."""

    version = "v0.7.1-simulated"
    _singleton: ClassVar[CameraManager | None] = None

    def __init__(self) -> None:
        self.event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._ready: list[Request] = []
        self._lock = threading.Lock()
        self._sensor: SimulatedSensor | None = None
        self._camera: Camera | None = None

    @classmethod
    def singleton(cls) -> CameraManager:
        """Return the only manager of the process."""
        if cls._singleton is None:
            cls._singleton = cls()
        return cls._singleton

    def attach(self, sensor: SimulatedSensor) -> None:
        """Connect a sensor, replacing the previous one."""
        self._sensor, self._camera = sensor, Camera(sensor)

    @property
    def cameras(self) -> list[Camera]:
        """Connected cameras."""
        return [] if self._camera is None or self._sensor is None or self._sensor.absent else [self._camera]

    def get(self, camera_id: str) -> Camera:
        """Return a camera by its id."""
        return next(camera for camera in self.cameras if camera.id == camera_id)

    def complete(self, request: Request) -> None:
        """Report a completed request."""
        with self._lock:
            self._ready.append(request)
        os.eventfd_write(self.event_fd, 1)

    def get_ready_requests(self) -> list[Request]:
        """Return the completed requests."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.event_fd)
        with self._lock:
            ready, self._ready = self._ready, []
        return ready


def _plain(value: Any) -> Any:
    return value.to_tuple() if isinstance(value, Rectangle) else value


def _with_stride(picture: Picture, stride: int) -> bytes:
    rows, width = picture.shape
    if width == stride:
        return picture.tobytes()
    padded = np.zeros((rows, stride), np.uint8)
    for target, source in zip(planes(padded), planes(picture), strict=True):
        target[:, : source.shape[1]] = source
    return padded.tobytes()
