"""The camera's H.264 encoder: picamera2's, configured for live streaming and with the repairs that it needs."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from robot_node.devices.camera.capture import EncoderMissingError, FrameReceiver
from robot_node.devices.camera.sensor_clock import monotonic_us
from robot_node.devices.platform import CameraLibrary
from robot_node.errors import DeviceError
from robot_node.settings.devices import CameraSettings

logger = logging.getLogger(__name__)

PROFILE = "constrained baseline"
"""What every browser decodes: WebRTC's profile-level-id 42001f or 42e01f (RFC 7742, section 6.2)."""

_SHORTEST_BUFFER_S = 1 / 8
_FRAMES_PER_BUFFER = 2


class H264Stream:
    """One H.264 stream of a camera. Its methods block, except :meth:`request_keyframe`: call them in the worker.

    On a Pi 4 and earlier the V4L2 hardware encodes; on a Pi 5, which has none, libx264. Each keyframe begins with SPS
    and PPS, and each start with a keyframe.

    Args:
        library: The camera library.
        picam2: The camera, configured.
        settings: Frame rate, keyframe interval, and the highest bitrate that needs no restart.
        receive: Called with each frame, in a thread of the library.
        bitrate: In bit/s.
        software: libx264 encodes, on every board.
    """

    def __init__(
        self,
        library: CameraLibrary,
        picam2: Any,
        settings: CameraSettings,
        receive: FrameReceiver,
        bitrate: int,
        *,
        software: bool = False,
    ) -> None:
        self._library = library
        self._picam2 = picam2
        self._settings = settings
        self._receive = receive
        self._encoder_class = library.LibavH264Encoder if software else library.H264Encoder
        self._encoder: Any = None
        self.bitrate = bitrate

    def start(self) -> None:
        """Start encoding; the first frame is a keyframe.

        Raises:
            EncoderMissingError: The hardware encoder is missing; libx264 would do.
            DeviceError: The encoder refuses.
        """
        encoder = self._make_encoder()
        try:
            self._picam2.start_encoder(
                encoder, _frame_output(self._library.Output)(encoder, self._receive), name="main"
            )
        except Exception as error:
            discard_encoder(encoder)
            raise _explain(error) from error
        self._encoder = encoder

    def stop(self) -> None:
        """Stop encoding. Does nothing when stopped.

        Raises:
            DeviceError: It could not be stopped.
        """
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            stop_encoder(self._picam2, encoder, "The video encoder")

    def restart(self) -> None:
        """Restart the encoder, which makes a keyframe. Measured at 0.4 ms for libx264.

        Raises:
            DeviceError: It could not be stopped, or not be started.
        """
        self.stop()
        self.start()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate.

        libx264 follows at once, without a keyframe, up to the bitrate of the settings. Beyond that, and with the V4L2
        hardware always, the encoder is restarted: picamera2 tells the hardware its bitrate only at the start.

        Raises:
            DeviceError: The encoder could not be restarted.
        """
        self.bitrate = bits_per_second
        if self._encoder is None:
            return
        context = getattr(self._encoder, "rate_controlled_context", None)
        if context is not None and bits_per_second <= self._encoder.ceiling:
            context.bit_rate = bits_per_second
        else:
            self.restart()

    def request_keyframe(self) -> bool:
        """Make one of the next frames a keyframe; returns at once, and False when only a restart can make one.

        That is so for V4L2 before picamera2 0.3.32.
        """
        encoder = self._encoder
        if encoder is None:
            return True  # it starts with a keyframe
        if not callable(getattr(encoder, "force_key_frame", None)):
            return False
        encoder.force_key_frame()
        return True

    def _make_encoder(self) -> Any:
        settings, encoder_class = self._settings, self._encoder_class
        common = {
            "bitrate": self.bitrate,
            "repeat": True,
            "iperiod": max(1, round(settings.keyframe_interval_s * settings.frame_rate)),
            "framerate": settings.frame_rate,
            "profile": PROFILE,
        }
        try:
            if not issubclass(encoder_class, self._library.LibavH264Encoder):
                return encoder_class(**common)
            encoder = _live_libav_encoder(encoder_class)(**common)
            encoder.ceiling = max(self.bitrate, settings.bitrate)
            encoder.threads = 1  # frame threading, picamera2's choice, holds back one frame per further thread
            encoder.drop_final_frames = True
        except Exception as error:
            raise _explain(error) from error
        else:
            return encoder


@functools.cache
def _live_libav_encoder(base: Any) -> Any:
    """Derive an encoder with bounded keyframes, a bitrate that can change, and keyframes on request."""

    class LiveLibavH264Encoder(base):  # type: ignore[misc]  # the base comes with the library, untyped
        """picamera2's libx264 encoder for live use."""

        ceiling = 0
        _container: Any
        _stream: Any
        rate_controlled_context: Any = None

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self._keyframe_requested = False

        def force_key_frame(self) -> None:
            # picamera2's own sets pict_type = "I", which PyAV 14 and later refuse with a TypeError in the event thread.
            self._keyframe_requested = True

        def take_keyframe_request(self) -> bool:
            requested, self._keyframe_requested = self._keyframe_requested, False
            return requested

        def _start(self) -> None:
            super()._start()
            context = self._stream.codec_context
            buffer_s = max(_SHORTEST_BUFFER_S, _FRAMES_PER_BUFFER / self.framerate)
            # x264 takes a new bitrate while it runs only when a rate buffer was set from the start.
            context.options["maxrate"] = str(self.ceiling)
            context.options["bufsize"] = str(int(self.ceiling * buffer_s))
            self.rate_controlled_context = context
            self._stream = _StreamWithKeyframes(self._stream, self.take_keyframe_request)

        def _stop(self) -> None:
            super()._stop()
            # They hold 13 MB of libx264's in cycles of references, until a full collection.
            self._stream = self._container = self.rate_controlled_context = None

    return LiveLibavH264Encoder


class _StreamWithKeyframes:
    """A PyAV stream that makes a frame a keyframe when asked to; otherwise the stream itself."""

    def __init__(self, stream: Any, take_request: Callable[[], bool]) -> None:
        self._stream = stream
        self._take_request = take_request

    def encode(self, frame: Any = None) -> Any:
        if frame is not None and self._take_request():
            from av.video.frame import PictureType

            frame.pict_type = PictureType.I
        return self._stream.encode(frame)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@functools.cache
def _frame_output(base: Any) -> Any:
    class FrameOutput(base):  # type: ignore[misc]  # the base comes with the library, untyped
        """Hands each frame on, and never raises: an exception here ends the camera's event thread."""

        def __init__(self, encoder: Any, receive: FrameReceiver) -> None:
            super().__init__()
            self._encoder = encoder
            self._receive = receive
            self._failed = False

        def outputframe(
            self,
            frame: bytes,
            keyframe: bool = True,  # noqa: FBT002  # picamera2's signature
            timestamp: int | None = None,
            packet: Any = None,  # noqa: ARG002  # picamera2's signature
            audio: bool = False,  # noqa: ARG002, FBT002  # picamera2's signature
        ) -> None:
            try:
                self._receive(bytes(frame), bool(keyframe), capture_time_us(self._encoder, timestamp))
            except Exception:
                if not self._failed:
                    logger.exception("Encoded frames cannot be handed on")
                self._failed = True

    return FrameOutput


def capture_time_us(encoder: Any, timestamp_us: int | None) -> int:
    """When a picture was taken, in microseconds of the monotonic clock; an encoder counts from its first picture."""
    first_us = getattr(encoder, "firsttimestamp", None)
    if first_us is None or timestamp_us is None:
        return time.monotonic_ns() // 1000
    return monotonic_us((int(first_us) + timestamp_us) * 1000)


def stop_encoder(picam2: Any, encoder: Any, name: str) -> None:
    """Stop an encoder that runs.

    Args:
        picam2: Its camera.
        encoder: The encoder.
        name: What it is called in the error.

    Raises:
        DeviceError: It could not be stopped.
    """
    try:
        picam2.stop_encoder(encoder)
    except Exception as error:
        discard_encoder(encoder)
        raise DeviceError(f"{name} could not be stopped: {error}.") from error
    _release_encoder(encoder)


def _release_encoder(encoder: Any) -> None:
    """Break the cycle of references between a stopped encoder and its output, which keeps both in memory."""
    encoder.output = []


def discard_encoder(encoder: Any) -> None:
    """Stop an encoder that has failed, if it can be stopped."""
    try:
        encoder.stop()  # one that failed to start still believes that it runs, and may have left a thread behind
    except Exception:  # it is broken already, and the reason is being reported
        logger.debug("A broken encoder could not be stopped", exc_info=True)
    _release_encoder(encoder)


def _explain(error: Exception) -> DeviceError:
    if isinstance(error, DeviceError):
        return error
    if isinstance(error, FileNotFoundError):
        return EncoderMissingError(
            f"The video encoder is missing: there is no {error.filename}.",
            remedy="Check that the kernel module bcm2835_codec is loaded: lsmod | grep bcm2835_codec.",
        )
    if isinstance(error, PermissionError):
        return DeviceError(
            f"The video encoder {error.filename} may not be opened.",
            remedy="Put the user into the group video: sudo usermod -aG video $USER; and log in again.",
        )
    return DeviceError(
        f"The video encoder cannot be started: {error}.",
        remedy="Check the camera's width, height, frame rate and bitrate in the settings.",
    )
