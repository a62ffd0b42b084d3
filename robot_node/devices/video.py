"""What a camera that is on gives out: encoded frames and pictures as they are, each only while somebody needs them."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

from robot_node.core.media import EncodedFrame, FrameSink, RawFrame, RawFrameSink
from robot_node.devices.capture import CaptureSession
from robot_node.devices.frames import FrameHandoff
from robot_node.devices.worker import HangingError
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_LOWEST_BITRATE = 100_000


class BlockingCall(Protocol):
    """Runs a blocking function in the camera's thread, within the time that an encoder may take."""

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns, and raise what it raises.

        Raises:
            HangingError: it did not return in time.
        """


class CameraVideo:
    """Decides which of the camera's encoder and picture taps run, and hands on what comes. Used by the camera only.

    What is wanted may change at any time, from the event loop; only :meth:`adjust` brings the camera there.

    Args:
        bitrate: The target bitrate to begin with, in bit/s.
        call: Runs what blocks.
        may_show: Whether what this session captures may be handed on. Also asked in threads of the camera library.
        on_change: Called when :meth:`adjust` has something to do.
        report: Told why there are no encoded frames, as text; empty when they come (again).

    Attributes:
        sink: Who receives the encoded frames, on the event loop.
        raw_sink: Who receives the pictures as they are, in a thread of the camera library.
    """

    def __init__(
        self,
        bitrate: int,
        *,
        call: BlockingCall,
        may_show: Callable[[CaptureSession], bool],
        on_change: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        self._call = call
        self._may_show = may_show
        self._on_change = on_change
        self._report = report

        self.sink: FrameSink | None = None
        self._watched = False
        self._wanted_bitrate = bitrate
        self._frames: FrameHandoff | None = None
        self._restart_wanted = False
        self._encoder_broken = False
        self._last_timestamp_us = 0
        self._seen = (0, 0)

        self.raw_sink: RawFrameSink | None = None
        self._raw_watched = False
        self._raw_broken = False

    @property
    def needed(self) -> bool:
        """Somebody needs frames or pictures."""
        return self._watched or self._raw_watched

    def set_watched(self, *, watched: bool) -> None:
        """Say whether anybody needs encoded frames."""
        if watched and not self._watched:
            self._encoder_broken = False
        self._watched = watched
        self._on_change()

    def set_raw_watched(self, *, watched: bool) -> None:
        """Say whether anybody needs the pictures as they are."""
        if watched and not self._raw_watched:
            self._raw_broken = False
        self._raw_watched = watched
        self._on_change()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate, in bit/s; at least 100 000."""
        self._wanted_bitrate = max(_LOWEST_BITRATE, bits_per_second)
        self._on_change()

    def request_keyframe(self) -> None:
        """Make one of the next frames a keyframe; further requests before it comes are the same request."""
        if self._frames is None or not self._frames.expect_keyframe():
            return
        if self._frames.stream is not None and self._frames.stream.can_force_keyframes:
            self._frames.stream.request_keyframe()
        else:
            self._restart_wanted = True
            self._on_change()

    def frames_came(self) -> bool | None:
        """Whether encoded frames have come since the last call; None while nothing is encoded."""
        frames = self._frames
        before, self._seen = self._seen, (0, 0) if frames is None else (id(frames), frames.received)
        return None if frames is None else self._seen != before

    def forget_failures(self) -> None:
        """Try anew what could not be started: the camera is being switched on."""
        self._encoder_broken = self._raw_broken = False

    def drop_frames(self) -> None:
        """Deliver none of the frames that are on their way."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    async def adjust(self, session: CaptureSession) -> None:
        """Bring encoder and pictures of an open camera to what is wanted, however often that changes meanwhile.

        Raises:
            HangingError: the camera library does not answer.
        """
        while True:
            await self._adjust_raw(session)
            frames, wanted = self._frames, self._watched and not self._encoder_broken
            try:
                if wanted and frames is None:
                    await self._start_encoder(session)
                elif frames is not None and not wanted:
                    self.drop_frames()
                    await self._call(session.stop_stream)
                elif frames is not None and frames.stream is not None and self._restart_wanted:
                    self._restart_wanted = False
                    await self._call(frames.stream.restart)
                elif frames is not None and frames.stream is not None and frames.stream.bitrate != self._wanted_bitrate:
                    await self._call(frames.stream.set_bitrate, self._wanted_bitrate)
                else:
                    return
            except HangingError:
                raise
            except DeviceError as error:
                self.drop_frames()
                self._encoder_broken = True
                logger.error("%s", error)
                self._report(str(error))

    async def _start_encoder(self, session: CaptureSession) -> None:
        deliver = functools.partial(self._deliver, session)
        frames = FrameHandoff(asyncio.get_running_loop(), deliver, self.request_keyframe)
        self._frames, self._restart_wanted = frames, False
        frames.stream = await self._call(session.start_stream, frames.receive, self._wanted_bitrate)
        self._report("")

    async def _adjust_raw(self, session: CaptureSession) -> None:
        wanted = self._raw_watched and not self._raw_broken
        try:
            if wanted and not session.gives_raw:
                await self._call(session.start_raw, functools.partial(self._take_raw, session))
            elif session.gives_raw and not wanted:
                await self._call(session.stop_raw)
        except HangingError:
            raise
        except DeviceError as error:
            self._raw_broken = True
            logger.error("%s", error)

    def _take_raw(self, session: CaptureSession, frame: RawFrame) -> None:
        """Hand a picture on, in the camera library's thread, but not one of a camera that was given up."""
        sink = self.raw_sink
        if sink is not None and self._may_show(session):
            sink(frame)

    def _deliver(
        self,
        session: CaptureSession,
        data: bytes,
        keyframe: bool,
        captured_us: int,
    ) -> None:
        self._last_timestamp_us = max(captured_us, self._last_timestamp_us + 1)
        if self.sink is None or not self._may_show(session):
            return
        try:
            self.sink(EncodedFrame(data, keyframe, self._last_timestamp_us))
        except Exception:
            logger.exception("A frame could not be sent on")
