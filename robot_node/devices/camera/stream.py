"""The camera's streams: which of its encoders run, and the way of their frames to the event loop."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import ParamSpec, Protocol, TypeVar

from robot_node.core.media import EncodedFrame, FrameSink, RawFrame, RawFrameSink
from robot_node.devices.camera.capture import CaptureSession, EncodedStream, EncoderMissingError, PictureStream
from robot_node.devices.worker import HangingError
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_MAX_IN_FLIGHT = 60
_ALL = math.inf


@dataclass(slots=True)
class StreamDemand:
    """What viewers need of the camera, whether it is on or off.

    Attributes:
        bitrate: Of the H.264 stream, in bit/s.
        watched: Encoded frames are needed.
        in_use: Those who need them keep the camera on.
        raw_watched: Unencoded pictures are needed.
        small_rate: So many small pictures a second are needed; None: no one.
        small_keeps_on: Who needs them keeps the camera on like a viewer.
        sink: Receives the encoded frames, on the event loop.
        raw_sink: Receives the unencoded pictures, in a thread of the camera library.
        small_sink: Receives the small pictures, in a thread of the camera library.
        software_encoder: The board's own encoder was found missing: libx264 encodes.
        rotation: Degrees clockwise by which viewers have to rotate the pictures.
    """

    bitrate: int
    watched: bool = False
    in_use: bool = False
    raw_watched: bool = False
    small_rate: float | None = None
    small_keeps_on: bool = False
    sink: FrameSink | None = None
    raw_sink: RawFrameSink | None = None
    small_sink: RawFrameSink | None = None
    software_encoder: bool = False
    rotation: int = 0

    @property
    def needed(self) -> bool:
        """Frames or pictures are needed by somebody for whom the camera stays on."""
        return self.in_use or self.raw_watched or (self.small_rate is not None and self.small_keeps_on)


class BlockingCall(Protocol):
    """Runs a blocking function in the camera's thread, within the time limit for encoders."""

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns, and raise what it raises.

        Raises:
            HangingError: It did not return in time.
        """


class FrameHandoff:
    """Passes encoded frames from the encoder thread to the event loop: bounded; an overflow is reported as a loss.

    Args:
        loop: The event loop.
        deliver: Called on the loop with each frame.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: FrameSink) -> None:
        self._loop = loop
        self._deliver = deliver
        # Each is written by one thread only: the first two by the encoder's, the last by the loop's.
        self._handed_over = 0
        self._lost = True  # a stream that begins does not go on where another ended
        self.taken = 0

    def receive(self, data: bytes, keyframe: bool, captured_us: int) -> None:
        """Take a frame in the encoder thread; it is lost when the loop is too far behind."""
        if self._handed_over - self.taken >= _MAX_IN_FLIGHT:
            self._lost = True
            return
        frame = EncodedFrame(data, keyframe, captured_us, after_loss=self._lost)
        try:
            self._loop.call_soon_threadsafe(self._take, frame)
        except RuntimeError:
            return  # the loop was closed: the process is ending
        self._handed_over += 1
        self._lost = False

    def _take(self, frame: EncodedFrame) -> None:
        self.taken += 1
        self._deliver(frame)


async def _stopped(call: BlockingCall, stream: PictureStream) -> None:
    """Stop a stream; one that cannot be stopped in order was discarded: it hands out nothing."""
    try:
        await call(stream.stop)
    except HangingError:
        raise
    except DeviceError as error:
        logger.warning("%s", error)


class _Pictures:
    """Unencoded pictures of one kind: started, stopped, and restarted at another rate.

    Attributes:
        stream: What runs, or is being started or stopped.
        failed: It could not be started or stopped: it is left alone until that is reset.
    """

    def __init__(self, call: BlockingCall, make: Callable[[float], PictureStream]) -> None:
        self._call = call
        self._make = make
        self._rate: float | None = None
        self.stream: PictureStream | None = None
        self.failed = False

    async def suspend(self) -> None:
        """Stop what runs; :meth:`adjust` starts it again."""
        if self.stream is not None:
            await _stopped(self._call, self.stream)
            self.stream = self._rate = None

    async def adjust(self, rate: float | None) -> bool:
        """Make one change towards that rate, None for no pictures; False when there is none to make."""
        wanted = None if self.failed else rate
        if wanted == self._rate:
            return False
        try:
            if self.stream is not None:
                await self._call(self.stream.stop)
                self.stream = self._rate = None
            elif wanted is not None:
                # Held from now on: should the camera be given up while this starts, stop() finds it.
                self.stream, self._rate = self._make(wanted), wanted
                await self._call(self.stream.start)
        except HangingError:
            raise
        except DeviceError as error:
            self.stream, self._rate, self.failed = None, None, True
            logger.error("%s", error)
        return True


class CameraStream:
    """The streams of one open camera: the only place that knows whether one runs. Used by the camera only.

    Args:
        session: The open camera; a restart makes another one.
        demand: What is needed; it may change at any time, and :meth:`adjust` follows.
        call: Runs what blocks.
        on_change: Called when :meth:`adjust` has something to do.
        on_error: Called when :attr:`error` has changed.

    Attributes:
        error: Why there are no encoded frames; empty while there are, or none are needed.
    """

    def __init__(
        self,
        session: CaptureSession,
        demand: StreamDemand,
        *,
        call: BlockingCall,
        on_change: Callable[[], None],
        on_error: Callable[[], None],
    ) -> None:
        self._session = session
        self._demand = demand
        self._call = call
        self._on_change = on_change
        self._on_error = on_error
        self._cut = False
        self._h264: EncodedStream | None = None
        self._h264_failed = False
        self._h264_restart = False
        self._handoff = FrameHandoff(asyncio.get_running_loop(), self._deliver)
        self._taken_before: int | None = None
        self._raw = _Pictures(call, lambda _: session.raw(self._deliver_raw))
        self._small = _Pictures(call, lambda rate: session.small(self._deliver_small, rate))
        self.error = ""

    def cut(self) -> None:
        """Deliver nothing any more, not even what is on its way, and start nothing."""
        self._cut = True

    def stop(self) -> None:
        """Stop what runs. Blocks: for the camera's thread."""
        for stream in (self._h264, self._raw.stream, self._small.stream):
            if stream is not None:
                try:
                    stream.stop()
                except DeviceError as error:
                    logger.warning("%s The camera is closed anyway.", error)

    def retry(self) -> None:
        """Try again what could not be started."""
        self._h264_failed = self._raw.failed = self._small.failed = False

    def request_keyframe(self) -> None:
        """Make one of the next frames a keyframe. A stream that is being started begins with one anyway."""
        if self._h264 is not None and not self._h264.request_keyframe():
            self._h264_restart = True
            self._on_change()

    def frames_arrived(self) -> bool | None:
        """Whether encoded frames have come since the last call; None while nothing is encoded."""
        if self._h264 is None:
            return None
        before, self._taken_before = self._taken_before, self._handoff.taken
        return before != self._taken_before

    async def adjust(self) -> None:
        """Start, stop and change encoders until they match the demand, however often that changes meanwhile.

        Raises:
            HangingError: The camera library does not answer.
        """
        demand = self._demand
        while not self._cut and (
            await self._raw.adjust(_ALL if demand.raw_watched else None)
            or await self._small.adjust(demand.small_rate)
            or await self._adjust_h264()
        ):
            pass

    async def suspend(self) -> None:
        """Stop all that runs, until :meth:`adjust` is called.

        Raises:
            HangingError: The camera library does not answer.
        """
        await self._raw.suspend()
        await self._small.suspend()
        if self._h264 is not None:
            await _stopped(self._call, self._h264)
            self._h264 = None

    async def _adjust_h264(self) -> bool:
        """Make one change; False when there is none to make."""
        change = self._h264_change()
        if change is None:
            return False
        try:
            await change()
        except HangingError:
            raise
        except DeviceError as error:
            self._h264 = None
            if isinstance(error, EncoderMissingError) and not self._demand.software_encoder:
                self._demand.software_encoder = True
                logger.warning("%s libx264 encodes instead, which needs most of a processor core.", error)
            else:
                self._h264_failed = True
                logger.error("%s", error)
                self._set_error(str(error))
        return True

    def _h264_change(self) -> Callable[[], Awaitable[None]] | None:
        stream, wanted = self._h264, self._demand.watched and not self._h264_failed
        if stream is None:
            return self._start_h264 if wanted else None
        if not wanted:
            return self._stop_h264
        if self._h264_restart:
            return lambda: self._restart_h264(stream)
        if stream.bitrate != self._demand.bitrate:
            return lambda: self._call(stream.set_bitrate, self._demand.bitrate)
        return None

    async def _start_h264(self) -> None:
        # Held from now on: should the camera be given up while this starts, stop() finds it.
        self._h264 = self._session.h264(
            self._handoff.receive, self._demand.bitrate, software=self._demand.software_encoder
        )
        self._h264_restart, self._taken_before = False, None
        await self._call(self._h264.start)
        self._set_error("")

    async def _stop_h264(self) -> None:
        if self._h264 is not None:
            await self._call(self._h264.stop)
            self._h264 = None

    async def _restart_h264(self, stream: EncodedStream) -> None:
        self._h264_restart = False
        await self._call(stream.restart)

    def _set_error(self, error: str) -> None:
        self.error = error
        self._on_error()

    def _deliver(self, frame: EncodedFrame) -> None:
        if self._cut or self._demand.sink is None:
            return
        if self._demand.rotation:
            frame = replace(frame, rotation=self._demand.rotation)
        try:
            self._demand.sink(frame)
        except Exception:
            logger.exception("A frame could not be delivered")

    def _deliver_raw(self, frame: RawFrame) -> None:
        """Deliver a picture, in a thread of the camera library."""
        sink = self._demand.raw_sink
        if sink is not None and not self._cut:
            sink(self._rotated(frame))

    def _deliver_small(self, frame: RawFrame) -> None:
        """Deliver a small picture, in a thread of the camera library."""
        sink = self._demand.small_sink
        if sink is not None and not self._cut:
            sink(self._rotated(frame))

    def _rotated(self, frame: RawFrame) -> RawFrame:
        return replace(frame, rotation=self._demand.rotation) if self._demand.rotation else frame
