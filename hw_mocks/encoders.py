"""Encoders and output base class of a simulated picamera2: same names, same signatures, real H.264.

``Encoder`` outputs unencoded pictures; the others encode with libx264. ``LibavH264Encoder`` has picamera2's private
attributes too, since the camera driver uses them; ``H264Encoder`` behaves like the V4L2 hardware of a Pi 4: it reads
its settings only when it starts.
"""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import Any

import av
import av.codec.context

from hw_mocks.camera_requests import CompletedRequest

_MICROSECOND = Fraction(1, 1_000_000)


class Output:
    """Receives encoded frames."""

    def __init__(self, pts: Any = None) -> None:
        self.recording = False
        self.ptsoutput = pts
        self.needs_pacing = False
        self.needs_add_stream = False

    def start(self) -> None:
        """Start receiving."""
        self.recording = True

    def stop(self) -> None:
        """Stop receiving."""
        self.recording = False

    def outputframe(
        self,
        frame: bytes,
        keyframe: bool = True,
        timestamp: int | None = None,
        packet: Any = None,
        audio: bool = False,
    ) -> None:
        """Receive an encoded frame. An exception here ends the camera's event thread."""


class Encoder:
    """Base class of encoders; by itself it outputs the camera's buffers unencoded."""

    def __init__(self, framerate: float = 30) -> None:
        self.width = 0
        self.height = 0
        self.stride = 0
        self.format = ""
        self.name = ""
        self.framerate: float | None = framerate
        self.firsttimestamp: int | None = None
        self.frame_skip_count = 1
        self.frames_encoded = 0
        self._skip_count = 0
        self._outputs: list[Output] = []
        self._running = False
        self._lock = threading.Lock()
        self._stream: Any = None
        self._container: Any = None

    @property
    def running(self) -> bool:
        """Whether the encoder is running."""
        return self._running

    @property
    def output(self) -> Output | list[Output]:
        """Output or outputs of the frames."""
        return self._outputs[0] if len(self._outputs) == 1 else self._outputs

    @output.setter
    def output(self, value: Output | list[Output]) -> None:
        outputs = value if isinstance(value, list) else [value]
        if not all(isinstance(output, Output) for output in outputs):
            raise RuntimeError("Must pass Output")
        self._outputs = outputs

    def start(self, quality: Any = None) -> None:
        """Start encoding."""
        with self._lock:
            if self._running:
                raise RuntimeError("Encoder already running")
            self._running = True  # before _start, as in picamera2: an encoder that fails there stays "running"
            self.firsttimestamp = None
            for output in self._outputs:
                output.start()
            self._start()

    def stop(self) -> None:
        """Stop encoding, after flushing the remaining frames."""
        with self._lock:
            if not self._running:
                raise RuntimeError("Encoder already stopped")
            self._running = False
            self._stop()
            for output in self._outputs:
                output.stop()

    def encode(self, stream: str, request: CompletedRequest) -> None:
        """Encode the picture of a request."""
        if self._skip_count == 0:
            with self._lock:
                if not self._running:
                    return
                self._encode(stream, request)
        self._skip_count = (self._skip_count + 1) % self.frame_skip_count
        self.frames_encoded += 1

    def outputframe(
        self,
        frame: Any,
        keyframe: bool = True,
        timestamp: int | None = None,
        packet: Any = None,
        audio: bool = False,
    ) -> None:
        """Pass a frame to the outputs."""
        for output in self._outputs:
            output.outputframe(frame, keyframe, timestamp, packet, audio)

    def _start(self) -> None:
        """Do nothing: unencoded output needs no preparation."""

    def _stop(self) -> None:
        if self._stream is not None:
            for packet in self._stream.encode():
                self.outputframe(bytes(packet), packet.is_keyframe, packet.pts, packet)
            self._container.close()

    def _encode(self, stream: str, request: CompletedRequest) -> None:
        self.outputframe(request.make_array(stream).reshape(-1).data, keyframe=True, timestamp=self._timestamp(request))

    def _timestamp(self, request: CompletedRequest) -> int:
        sensor_us = request.sensor_timestamp_ns // 1000
        if self.firsttimestamp is None:
            self.firsttimestamp = sensor_us
        return sensor_us - self.firsttimestamp

    def _open(self, bitrate: int | None, iperiod: int | None, profile: str | None) -> None:
        self._container = av.open("/dev/null", "w", format="null")
        self._stream = self._container.add_stream("h264", rate=round(self.framerate or 30))
        self._stream.width, self._stream.height, self._stream.pix_fmt = self.width, self.height, "yuv420p"
        context = self._stream.codec_context
        if profile is not None:
            known = {name.lower(): name for name in self._stream.profiles}
            if profile.lower() not in known:
                raise RuntimeError(f"Profile {profile} not recognised")
            self._stream.profile = known[profile.lower()]
        if bitrate is not None:
            context.bit_rate = bitrate
        context.gop_size = iperiod or (1 << 31) - 1
        context.time_base = _MICROSECOND
        context.options["preset"] = "ultrafast"
        context.options["tune"] = "zerolatency"

    def _output_packets(self, frame: av.VideoFrame) -> None:
        for packet in self._stream.encode(frame):
            self.outputframe(bytes(packet), packet.is_keyframe, packet.pts, packet)


class LibavH264Encoder(Encoder):
    """libx264 with PyAV, as on a Pi 5."""

    def __init__(
        self,
        bitrate: int | None = None,
        repeat: bool = True,
        iperiod: int | None = 30,
        framerate: float = 30,
        qp: int | None = None,
        profile: str | None = None,
    ) -> None:
        super().__init__(framerate)
        self.bitrate = bitrate
        self.repeat = repeat
        self.iperiod = iperiod
        self.qp = qp
        self.profile = profile
        self.threads = 0
        self.drop_final_frames = False
        self._key_frames_requested = 0
        self._key_frames_generated = 0

    def force_key_frame(self) -> None:
        """Request one more keyframe."""
        self._key_frames_requested += 1

    def _start(self) -> None:
        self._open(self.bitrate, self.iperiod, self.profile)
        context = self._stream.codec_context
        context.thread_count = self.threads
        context.thread_type = av.codec.context.ThreadType.FRAME
        if not self.repeat:
            context.flags |= av.codec.context.Flags.global_header

    def _encode(self, stream: str, request: CompletedRequest) -> None:
        frame = av.VideoFrame.from_numpy_buffer(request.make_array(stream), format="yuv420p")
        frame.pts, frame.time_base = self._timestamp(request), _MICROSECOND
        if self._key_frames_requested > self._key_frames_generated:
            self._key_frames_generated += 1
            frame.pict_type = "I"  # type: ignore[assignment]  # as in picamera2: TypeError with PyAV >= 14
        self._output_packets(frame)


class H264Encoder(Encoder):
    """The V4L2 hardware encoder of a Pi 4 and earlier."""

    def __init__(
        self,
        bitrate: int | None = None,
        repeat: bool = True,
        iperiod: int | None = None,
        framerate: float | None = None,
        enable_sps_framerate: bool = False,
        qp: int | None = None,
        profile: str | None = None,
    ) -> None:
        super().__init__()
        self.framerate = framerate
        self.bitrate = bitrate
        self.repeat = repeat
        self.iperiod = iperiod
        self.qp = qp
        self.profile = profile
        self._key_frames_requested = 0
        self._key_frames_generated = 0

    def force_key_frame(self) -> None:
        """Request one more keyframe."""
        self._key_frames_requested += 1

    def _start(self) -> None:
        self._open(self.bitrate, self.iperiod or 60, self.profile)
        context = self._stream.codec_context
        context.thread_count = 1
        if self.bitrate is not None:
            context.options |= {"maxrate": str(self.bitrate), "bufsize": str(self.bitrate // 4)}

    def _encode(self, stream: str, request: CompletedRequest) -> None:
        frame = av.VideoFrame.from_numpy_buffer(request.make_array(stream), format="yuv420p")
        frame.pts, frame.time_base = self._timestamp(request), _MICROSECOND
        if self._key_frames_requested > self._key_frames_generated:
            self._key_frames_generated += 1
            frame.pict_type = av.video.frame.PictureType.I
        self._output_packets(frame)
