"""The camera's H.264 encoder: picamera2's, set up for live streaming and with the repairs that it needs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from robot_node.devices.platform import CameraLibrary
from robot_node.errors import DeviceError
from robot_node.settings.devices import CameraSettings

logger = logging.getLogger(__name__)

PROFILE = "constrained baseline"
"""What every browser decodes: WebRTC's profile-level-id 42001f or 42e01f (RFC 7742, section 6.2)."""

_SHORTEST_BUFFER_S = 1 / 8
_FRAMES_PER_BUFFER = 2

FrameReceiver = Callable[[bytes, bool, int], None]
"""Takes an access unit, whether it is a keyframe, and its capture time in microseconds of the monotonic clock."""


class H264Stream:
    """One camera's H.264 stream. Its methods block, except for :meth:`request_keyframe`: call them in the worker.

    On a Pi 4 and earlier the V4L2 hardware encodes; on a Pi 5, which has none, libx264. SPS and PPS stand before every
    keyframe, and every start begins with a keyframe.

    Args:
        library: The camera library.
        picam2: The camera, configured.
        settings: Frame rate, keyframe interval, and the bitrate that is the ceiling of what costs no restart.
        receive: Called with each frame, in a thread of the library.
    """

    def __init__(self, library: CameraLibrary, picam2: Any, settings: CameraSettings, receive: FrameReceiver) -> None:
        self._library = library
        self._picam2 = picam2
        self._settings = settings
        self._receive = receive
        self._encoder: Any = None
        self.bitrate = settings.bitrate

    @property
    def can_force_keyframes(self) -> bool:
        """:meth:`request_keyframe` works; without it (V4L2 before picamera2 0.3.32) a restart makes a keyframe."""
        return callable(getattr(self._encoder, "force_key_frame", None))

    def start(self) -> None:
        """Start encoding; the first frame is a keyframe.

        Raises:
            DeviceError: The encoder is missing or refuses.
        """
        encoder = _make_encoder(self._library, self._settings, self.bitrate)
        try:
            self._picam2.start_encoder(encoder, _make_output(self._library, encoder, self._receive), name="main")
        except Exception as error:
            throw_away(encoder)
            raise _explain(error) from error
        self._encoder = encoder

    def stop(self) -> None:
        """Stop encoding. Does nothing when stopped."""
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        try:
            self._picam2.stop_encoder(encoder)
        except Exception as error:
            throw_away(encoder)
            raise DeviceError(f"The video encoder could not be stopped: {error}.") from error

    def restart(self) -> None:
        """Begin anew, with a keyframe. Measured at 0.4 ms for libx264."""
        self.stop()
        self.start()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate.

        libx264 follows at once, without a keyframe, up to the bitrate of the settings. Beyond that, and with the V4L2
        hardware always, the encoder is restarted: picamera2 tells the hardware its bitrate only at the start.
        """
        self.bitrate = bits_per_second
        if self._encoder is None:
            return
        context = getattr(self._encoder, "rate_controlled_context", None)
        if context is not None and bits_per_second <= self._encoder.ceiling:
            context.bit_rate = bits_per_second
        else:
            self.restart()

    def request_keyframe(self) -> None:
        """Make one of the next frames a keyframe. Returns at once; each call costs a keyframe."""
        if self.can_force_keyframes:
            self._encoder.force_key_frame()


def _make_encoder(library: CameraLibrary, settings: CameraSettings, bitrate: int) -> Any:
    common = {
        "bitrate": bitrate,
        "repeat": True,
        "iperiod": max(1, round(settings.keyframe_interval_s * settings.frame_rate)),
        "framerate": settings.frame_rate,
        "profile": PROFILE,
    }
    try:
        if issubclass(library.H264Encoder, library.LibavH264Encoder):
            encoder = _live_libav_encoder(library.H264Encoder)(**common)
            encoder.ceiling = max(bitrate, settings.bitrate)
            encoder.threads = 1  # frame threading, picamera2's choice, holds back one frame per further thread
            encoder.drop_final_frames = True
            return encoder
        return library.H264Encoder(**common)
    except Exception as error:
        raise _explain(error) from error


def _live_libav_encoder(base: Any) -> Any:
    """Derive an encoder with bounded keyframes, a bitrate that can change, and keyframes on request."""

    class LiveLibavH264Encoder(base):  # type: ignore[misc]  # the base comes with the library, untyped
        """picamera2's libx264 encoder for live use."""

        ceiling = 0
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

    return LiveLibavH264Encoder


class _StreamWithKeyframes:
    """A PyAV stream that makes a frame a keyframe when asked to; otherwise the stream itself."""

    def __init__(self, stream: Any, take_request: Callable[[], bool]) -> None:
        self._stream = stream
        self._take_request = take_request

    def encode(self, frame: Any = None) -> Any:
        if frame is not None and self._take_request():
            from av.video.frame import PictureType  # loaded by the encoder, not before

            frame.pict_type = PictureType.I
        return self._stream.encode(frame)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _make_output(library: CameraLibrary, encoder: Any, receive: FrameReceiver) -> Any:
    base: Any = library.Output

    class FrameOutput(base):  # type: ignore[misc]  # the base comes with the library, untyped
        """Hands each frame on, and never raises: an exception here ends the camera's event thread."""

        failed = False

        def outputframe(
            self,
            frame: bytes,
            keyframe: bool = True,  # noqa: FBT002  # picamera2's signature
            timestamp: int | None = None,
            packet: Any = None,  # noqa: ARG002  # picamera2's signature
            audio: bool = False,  # noqa: ARG002, FBT002  # picamera2's signature
        ) -> None:
            try:
                receive(bytes(frame), bool(keyframe), capture_time_us(encoder, timestamp))
            except Exception:
                if not self.failed:
                    logger.exception("Encoded frames cannot be handed on")
                self.failed = True

    return FrameOutput()


def capture_time_us(encoder: Any, timestamp_us: int | None) -> int:
    """When a picture was taken, in microseconds of the monotonic clock; an encoder counts from its first picture."""
    first_us = getattr(encoder, "firsttimestamp", None)
    if first_us is None or timestamp_us is None:
        return time.monotonic_ns() // 1000
    # libcamera: SensorTimestamp counts CLOCK_BOOTTIME, which differs from the monotonic clock after a suspend.
    suspended_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return int(first_us) + timestamp_us - suspended_ns // 1000


def throw_away(encoder: Any) -> None:
    """Stop an encoder that has failed, if it can be stopped."""
    try:
        encoder.stop()  # one that failed to start still believes that it runs, and may have left a thread behind
    except Exception:  # it is broken already, and the reason is being reported
        logger.debug("A broken encoder could not be stopped", exc_info=True)


def _explain(error: Exception) -> DeviceError:
    if isinstance(error, DeviceError):
        return error
    if isinstance(error, FileNotFoundError):
        return DeviceError(
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
