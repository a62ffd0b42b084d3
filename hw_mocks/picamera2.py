"""A simulated picamera2: the part of its API that the camera driver uses, over a simulated sensor.

Names, signatures and failures are those of picamera2 0.3.38; a contract test compares them with the real package.
"""

from __future__ import annotations

import functools
import io
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, ClassVar

from hw_mocks.camera_configurations import Configurations
from hw_mocks.camera_requests import CompletedRequest, Helpers, Transform
from hw_mocks.encoders import Encoder, H264Encoder, LibavH264Encoder, Output
from hw_mocks.imx500 import SimulatedImx500
from hw_mocks.scenes import Scene
from hw_mocks.sensor import Board, SimulatedSensor, timestamp_ns
from robot_node.devices.platform import CameraLibrary

_log = logging.getLogger(__name__)

VERSION = "0.3.38"


class _Job:
    def __init__(self, function: Callable[[], tuple[bool, Any]]) -> None:
        self.function = function
        self.future: Future[Any] = Future()


class Picamera2(Configurations):
    """The camera. One thread captures frames, executes jobs, and feeds the encoders."""

    sensors: ClassVar[tuple[SimulatedSensor, ...]]
    _owners: ClassVar[set[int]] = set()

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        """Return an entry for each connected camera."""
        raise NotImplementedError("camera_library() creates a subclass with a sensor")

    def __init__(
        self,
        camera_num: int = 0,
        verbose_console: int | None = None,
        tuning: Any = None,
        allocator: Any = None,
    ) -> None:
        self.is_open = False
        self.started = False
        self.options: dict[str, Any] = {}
        self.camera_config: dict[str, Any] = {}
        self.controls: dict[str, Any] = {}
        self.encoders: set[Encoder] = set()
        self.completed_requests: list[CompletedRequest] = []
        self.stop_count = 0
        self.helpers = Helpers()
        self.lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._immediate = False
        self._abort = False
        self._wakeup = threading.Condition()
        self._thread: threading.Thread | None = None
        self._scene: Scene | None = None
        self._free_buffers = 0
        self._buffers_lock = threading.Lock()
        if camera_num >= len(self.global_camera_info()):
            raise RuntimeError(
                f'No camera number {camera_num} found - use "rpicam-hello --list-cameras" to check connected cameras'
            )
        self.sensor = [sensor for sensor in self.sensors if not sensor.absent][camera_num]
        if self.sensor.busy or id(self.sensor) in self._owners:
            reason = RuntimeError("Failed to acquire camera: Device or resource busy")
            raise RuntimeError("Camera __init__ sequence did not complete.") from reason
        self._owners.add(id(self.sensor))
        self.sensor.hang("open")
        self.is_open = True

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        """What can be set: minimum, maximum and default."""
        return dict(self.sensor.control_ranges())

    @property
    def sensor_modes(self) -> list[dict[str, Any]]:
        """The modes of the sensor. The first time, the package configures the camera once for each."""
        return [
            {
                "format": f"SRGGB{mode.bit_depth}{'' if mode.bit_depth == 8 else '_CSI2P'}",
                "unpacked": f"SRGGB{mode.bit_depth}",
                "bit_depth": mode.bit_depth,
                "size": mode.size,
                "fps": mode.fps,
                "crop_limits": mode.crop,
                "exposure_limits": self.sensor.control_ranges()["ExposureTime"],
            }
            for mode in self.sensor.modes
        ]

    def configure(self, camera_config: dict[str, Any] | None = None) -> None:
        """Set the configuration."""
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        config = camera_config or self.create_video_configuration(main={"format": "YUV420"})
        streams = {name: config[name] for name in ("main", "lores") if config[name] is not None}
        for name, stream in streams.items():
            if stream["format"] != "YUV420":
                raise RuntimeError(f"Bad format {stream['format']} in stream {name}: only YUV420 is simulated")
            if any(side > most for side, most in zip(stream["size"], config["main"]["size"], strict=True)):
                raise RuntimeError("lores stream dimensions may not exceed main stream")
        self._check_controls(config["controls"])
        size = config["main"]["size"]
        sensor = config["sensor"] or {}
        mode = self.sensor.choose_mode(sensor.get("output_size", size), sensor.get("bit_depth"))
        chosen = {"output_size": mode.size, "bit_depth": mode.bit_depth}
        self.controls = dict(config["controls"])
        strides = {name: stream | {"stride": stream["size"][0]} for name, stream in streams.items()}
        self.camera_config = config | strides | {"sensor": chosen}

    def set_controls(self, controls: dict[str, Any]) -> None:
        """Set controls, with the next picture; before the start, for the start."""
        self._check_controls(controls)
        if self.started:
            self.sensor.set_controls(controls)
        else:
            self.controls |= controls

    def _check_controls(self, controls: dict[str, Any]) -> None:
        for name in controls:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")

    def camera_configuration(self) -> dict[str, Any]:
        """Return the current configuration."""
        return self.camera_config

    def start(self, config: dict[str, Any] | None = None, show_preview: bool = False) -> None:
        """Start capturing."""
        if config is not None:
            self.configure(config)
        if not self.camera_config:
            raise RuntimeError("Camera has not been configured")
        if self._thread is None:
            self._abort = False
            self._thread = threading.Thread(target=self._event_loop, name="simulated camera", daemon=True)
            self._thread.start()
        if self.started:
            return
        self._free_buffers = self.camera_config["buffer_count"]
        self.sensor.set_controls(self.controls)
        self._scene = self.sensor.start(*self.camera_config["main"]["size"])
        self.started = True

    def stop(self) -> None:
        """Stop capturing. As in picamera2, it blocks forever if the event thread has ended."""
        if not self.started:
            return
        if self._thread is None:
            self._stop()
        else:
            self._dispatch(self._stop, wait=True, immediate=True)

    def stop_preview(self) -> None:
        """End the event thread."""
        if self._thread is None:
            raise RuntimeError("No preview specified.")
        with self._wakeup:
            self._abort = True
            self._wakeup.notify()
        self._thread.join()
        self._thread = None

    def close(self) -> None:
        """Release the camera."""
        if self._thread is not None:
            self.stop_preview()
        if self.is_open:
            self.stop()
            self.is_open = False
            self._owners.discard(id(self.sensor))

    def start_encoder(
        self,
        encoder: Encoder | None = None,
        output: Output | None = None,
        pts: Any = None,
        quality: Any = None,
        name: str | None = None,
    ) -> None:
        """Start encoding all frames."""
        if encoder is None:
            raise RuntimeError("No encoder specified")
        if output is not None:
            encoder.output = output
        if not self.camera_config:
            raise RuntimeError("Camera has not been configured")
        encoder.name = name or self.camera_config["encode"]
        stream = self.camera_config.get(encoder.name)
        if stream is None:
            raise RuntimeError(f"Encode stream {encoder.name} was not defined")
        encoder.width, encoder.height = stream["size"]
        encoder.format, encoder.stride = stream["format"], stream["stride"]
        if encoder.framerate is None:
            encoder.framerate = 1_000_000 / max(self.camera_controls["FrameDurationLimits"][0], 33333)
        encoder.start(quality=quality)
        with self.lock:
            self.encoders.add(encoder)

    def stop_encoder(self, encoders: Encoder | None = None) -> None:
        """Stop one encoder, or all of them."""
        stopping = list(self.encoders) if encoders is None else [encoders]
        for encoder in stopping:
            encoder.stop()
        with self.lock:
            for encoder in stopping:
                self.encoders.remove(encoder)

    def capture_request(
        self,
        wait: bool | float | None = None,
        signal_function: Any = None,
        flush: bool | int | None = None,
    ) -> Any:
        """Return the next completed request; the caller must release it."""
        return self._dispatch(self._next_request, wait=wait)

    def capture_file(
        self,
        file_output: io.BytesIO,
        name: str = "main",
        format: str | None = None,
        wait: bool | float | None = None,
        signal_function: Any = None,
        exif_data: dict[str, Any] | None = None,
    ) -> Any:
        """Write the next picture as JPEG, in the event thread."""

        def capture() -> tuple[bool, Any]:
            done, request = self._next_request()
            if not done:
                return False, None
            request.save(name, file_output, format=format, exif_data=exif_data)
            metadata = request.get_metadata()
            request.release()
            return True, metadata

        return self._dispatch(capture, wait=wait)

    def cancel_all_and_flush(self) -> None:
        """Cancel all waiting jobs."""
        with self.lock:
            for job in self._jobs:
                job.future.set_exception(CancelledError())
            self._jobs.clear()

    def take_back_buffer(self) -> None:
        """Return a buffer to the camera."""
        with self._buffers_lock:
            self._free_buffers += 1

    def _dispatch(
        self,
        function: Callable[[], tuple[bool, Any]],
        *,
        wait: bool | float | None,
        immediate: bool = False,
    ) -> Any:
        job = _Job(function)
        with self.lock:
            self._jobs.append(job)
            prod = immediate or bool(self.completed_requests)
        if prod:
            with self._wakeup:
                self._immediate = True
                self._wakeup.notify()
        if wait is False:
            return job
        return job.future.result(timeout=None if wait is None or wait is True else wait)

    def _next_request(self) -> tuple[bool, Any]:
        return (True, self.completed_requests.pop(0)) if self.completed_requests else (False, None)

    def _stop(self) -> tuple[bool, Any]:
        self.started = False
        self.stop_count += 1
        if self._scene is not None:
            self.sensor.stop(self._scene)
            self._scene = None
        for request in self.completed_requests:
            request.release()
        self.completed_requests = []
        return True, None

    def _event_loop(self) -> None:
        due = time.monotonic()
        try:
            while not self._abort:
                with self._wakeup:
                    self._wakeup.wait_for(lambda: self._abort or self._immediate, max(0.0, due - time.monotonic()))
                    self._immediate = False
                request = None
                if time.monotonic() >= due:
                    request = self._capture()
                    due = max(due + self.sensor.frame_us() / 1e6 / self.sensor.speed, time.monotonic())
                self._process(request)
        except Exception:  # noqa: BLE001  # any error ends this thread
            # Like picamera2's NullPreview: log it, and process no frames, jobs or stop() any more.
            _log.exception("Exception during process_requests()")

    def _capture(self) -> CompletedRequest | None:
        if not self.started or self._scene is None or self.sensor.stalled or self._free_buffers == 0:
            return None
        with self._buffers_lock:
            self._free_buffers -= 1
        captured_at = self.sensor.capture_time(self.sensor.frame_us() / 1e6)
        transform = self.camera_config["transform"]
        picture = self.sensor.picture(self._scene, captured_at, (bool(transform.hflip), bool(transform.vflip)))
        return CompletedRequest(picture, self, timestamp_ns(captured_at))

    def _process(self, request: CompletedRequest | None) -> None:
        with self.lock:
            if request is not None:
                request.acquire()
                self.completed_requests.append(request)
            finished = []
            while self._jobs:
                done, result = self._jobs[0].function()
                if not done:
                    break
                finished.append((self._jobs.pop(0), result))
            if request is not None:
                for encoder in self.encoders:
                    encoder.encode(encoder.name, request)
                request.release()
            while len(self.completed_requests) > (1 if self.camera_config["queue"] else 0):
                self.completed_requests.pop(0).release()
        for job, result in finished:
            if not job.future.done():
                job.future.set_result(result)


def camera_library(sensor: SimulatedSensor, board: Board, *others: SimulatedSensor) -> CameraLibrary:
    """Return the simulated package, with a camera for each sensor."""

    class ConnectedPicamera2(Picamera2):
        """The camera class with its sensors."""

        sensors = (sensor, *others)

        @classmethod
        def global_camera_info(cls) -> list[dict[str, Any]]:
            """Return an entry for each connected camera."""
            common = {"Model": "imx708", "Location": 2, "Rotation": 180}
            found = [each for each in cls.sensors if not each.absent]
            names = [f"/base/soc/i2c0mux/i2c@{1 - number}/imx708@1a" for number in range(len(found))]
            return [{**common, "Id": name, "Num": number} for number, name in enumerate(names)]

    return CameraLibrary(
        Picamera2=ConnectedPicamera2,
        H264Encoder=H264Encoder if board is Board.PI_4 else LibavH264Encoder,
        LibavH264Encoder=LibavH264Encoder,
        Encoder=Encoder,
        Output=Output,
        Transform=Transform,
        version=VERSION,
        imx500=functools.partial(SimulatedImx500, sensor),
    )
