"""The camera: a state machine over picamera2. Off means that the sensor is off; the encoder runs only while watched."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from robot_node.config import CameraSettings
from robot_node.devices.capture import CameraLimits, CaptureSession, Photo, StalledError
from robot_node.devices.frames import FrameHandoff
from robot_node.devices.idle import IdleTimer
from robot_node.devices.indicator import Indicator, NoIndicator
from robot_node.devices.platform import Platform
from robot_node.devices.privacy import NoPrivacySwitch, Privacy
from robot_node.devices.worker import DeviceWorker, HangingError
from robot_node.errors import DeviceError, NotReadyError, RobotNodeError
from robot_node.media import EncodedFrame, FrameSink, RawFrame, RawFrameSink
from robot_node.state import CameraState, RobotState, act_for

__all__ = ["Camera", "CameraLimits", "Photo"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_LOWEST_BITRATE = 100_000


class Camera:
    """The robot's camera. Used from the event loop only; every blocking call runs in the camera's own thread.

    It is also a :class:`robot_node.media.VideoSource` and a :class:`robot_node.media.RawVideoSource`. Calls that change
    its state are served one after the other, and each runs to its end even when its caller is cancelled, so that no
    half-opened camera is left behind.

    Args:
        platform: Gives the camera library.
        settings: The camera's settings.
        state: Where the camera's state is reported.
        indicator: Lit just before the sensor starts to capture, dark when it has stopped; if it fails, no start. One
            that goes dark by itself switches the camera off.
        privacy: While it is engaged the sensor is off.
        limits: How long the library may take.
    """

    def __init__(
        self,
        platform: Platform,
        settings: CameraSettings,
        state: RobotState,
        *,
        indicator: Indicator | None = None,
        privacy: Privacy | None = None,
        limits: CameraLimits | None = None,
    ) -> None:
        self._platform = platform
        self._settings = settings
        self._state = state
        self._indicator = indicator or NoIndicator()
        self._indicator.on_dark(self._went_dark)
        self._privacy = privacy or NoPrivacySwitch()
        self._privacy.on_engaged(self._hide)
        self._limits = limits or CameraLimits()
        self._worker = DeviceWorker("camera")
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._session: CaptureSession | None = None
        self._unclosed_sessions = 0
        self._lit = False
        self._failed_while_on = False
        self._counted = (0, 0)

        self._sink: FrameSink | None = None
        self._watched = False
        self._wanted_bitrate = settings.bitrate
        self._frames: FrameHandoff | None = None
        self._restart_wanted = False
        self._encoder_broken = False
        self._adjusting = False
        self._last_timestamp_us = 0

        self._raw_sink: RawFrameSink | None = None
        self._raw_watched = False
        self._raw_broken = False

        loop = asyncio.get_running_loop()
        self._idle = IdleTimer(settings.off_when_unwatched_s, self._nobody_looks, loop.call_later)

    async def start(self) -> None:
        """Switch the camera on; returns when pictures come. Does nothing when it is on.

        Raises:
            DeviceError: There is no camera, it is busy, its library is missing, or it delivers no pictures.
            NotReadyError: :meth:`close` was called, or the privacy switch is engaged.
        """
        if self._closed:
            raise NotReadyError("The camera was closed because the robot is leaving.")
        await self._in_turn("camera on", self._switch_on)

    async def stop(self) -> None:
        """Switch the camera off: the sensor captures no more. Does nothing when it is off.

        Raises:
            DeviceError: The camera could not be closed; it counts as failed then, and never as off.
        """
        await self._in_turn("camera off", self._switch_off)

    async def photo(self, quality: float = 0.9) -> Photo:
        """Take a photo while the camera is on; the video goes on meanwhile.

        Args:
            quality: JPEG quality: 0 (smallest) to 1 (best).

        Raises:
            NotReadyError: The camera is off.
            DeviceError: The camera delivers no pictures; it is switched off then.
            ValueError: ``quality`` is out of range.
        """
        if not 0 <= quality <= 1:
            raise ValueError(f"The quality of a photo is between 0 and 1, not {quality}.")
        self._idle.looked()
        return await self._in_turn("photo", lambda: self._take_photo(quality))

    async def delivers(self) -> bool | None:
        """Whether pictures have come since the last call, or come now; None when nobody expects them.

        Raises:
            HangingError: The camera library does not answer.
        """
        if self._state.snapshot.camera is CameraState.FAILED and self._failed_while_on:
            return False
        return await self._in_turn("camera check", self._look)

    async def restart(self) -> None:
        """Restart a camera that was on and delivers no pictures, or has failed since. Does nothing to others.

        Raises:
            DeviceError: It could not be switched on again; it may be tried again.
            NotReadyError: The privacy switch is engaged.
        """
        await self._in_turn("camera restart", self._restart)

    async def close(self) -> None:
        """Switch the camera off for good, and end its thread."""
        self._closed = True
        self._idle.stop()
        try:
            await self._in_turn("camera off", self._turn_off)
        except RobotNodeError as error:
            logger.error("%s", error)  # noqa: TRY400  # the text says it all
        self._worker.close()
        remaining = tuple(self._tasks)
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)

    def set_sink(self, sink: FrameSink | None) -> None:
        """Choose who receives the frames."""
        self._sink = sink

    def set_watched(self, watched: bool) -> None:  # noqa: FBT001  # VideoSource's signature
        """Say whether anybody watches: the encoder runs only while the camera is on and watched."""
        if watched and not self._watched:
            self._encoder_broken = False
        self._watched = watched
        self._idle.set_watched(self._watched or self._raw_watched)
        self._adjust_soon()

    def request_keyframe(self) -> None:
        """Make one of the next frames a keyframe; further requests before it comes are the same request."""
        if self._frames is None or not self._frames.expect_keyframe():
            return
        if self._frames.stream is not None and self._frames.stream.can_force_keyframes:
            self._frames.stream.request_keyframe()
        else:
            self._restart_wanted = True
            self._adjust_soon()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate while running, in bit/s; at least 100 000. How: see :class:`H264Stream`."""
        self._wanted_bitrate = max(_LOWEST_BITRATE, bits_per_second)
        self._adjust_soon()

    def set_raw_sink(self, sink: RawFrameSink | None) -> None:
        """Choose who receives the pictures as they are, in a thread of the camera library."""
        self._raw_sink = sink

    def set_raw_watched(self, watched: bool) -> None:  # noqa: FBT001  # RawVideoSource's signature
        """Say whether anybody needs the pictures as they are; they come while the camera is on."""
        if watched and not self._raw_watched:
            self._raw_broken = False
        self._raw_watched = watched
        self._idle.set_watched(self._watched or self._raw_watched)
        self._adjust_soon()

    def _hide(self) -> None:
        """The privacy switch was engaged: nobody gets another picture, and the sensor goes off in its turn."""
        self._drop_frames()
        self._failed_while_on = False
        if self._session is None and not self._lock.locked():
            return
        self._state.update(camera_wanted=False)

        async def turn_off() -> None:
            async with self._lock:
                if self._privacy.engaged:
                    with contextlib.suppress(DeviceError):  # reported and logged already
                        await self._turn_off()

        self._in_background("camera off for privacy", turn_off())

    def _went_dark(self, error: DeviceError) -> None:
        """Nobody can see any more that the sensor captures: it goes off in its turn."""
        session = self._session

        async def turn_off() -> None:
            async with self._lock:
                if session is not None and session is self._session:
                    with act_for(""):  # not for the agent that switched it on
                        await self._give_up(session, error)
                    self._failed_while_on = False  # it is not for us to switch it on again

        self._in_background("camera off without indicator", turn_off())

    def _nobody_looks(self) -> None:
        async def turn_off() -> None:
            async with self._lock:
                if self._idle.idle:  # nobody came while others had their turn
                    logger.info("Nobody has looked for %g s: camera off", self._settings.off_when_unwatched_s)
                    self._state.update(camera_wanted=None)
                    # reported and logged already; and not for the agent whose call started the timer
                    with contextlib.suppress(DeviceError), act_for(""):
                        await self._turn_off()

        self._in_background("camera off when unwatched", turn_off())

    async def _in_turn(self, name: str, operation: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def wait_and_run() -> T:
            async with self._lock:
                return await operation()

        task = self._task(name, wait_and_run())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_nobody_asks_any_more)
            raise

    def _task(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _in_background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._task(name, work).add_done_callback(_nobody_asks_any_more)

    async def _call(self, limit_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._worker.run_within(limit_s, function, *args, **kwargs)

    async def _switch_on(self) -> None:
        await self._turn_on()
        self._state.update(camera_wanted=True)

    async def _switch_off(self) -> None:
        self._state.update(camera_wanted=False)  # whatever becomes of it
        await self._turn_off()

    async def _turn_on(self) -> None:
        await self._privacy.check()
        if self._session is not None:
            return
        self._report(CameraState.STARTING)
        session = CaptureSession(self._platform.camera_library, self._settings, picture_limit_s=self._limits.picture)
        self._session = session
        self._encoder_broken = self._raw_broken = False
        try:
            await self._call(self._limits.load, session.load)
            await self._indicate(capturing=True)
            await self._call(self._limits.open, session.open)
            await self._privacy.check()  # it may have been engaged while the camera was being opened
            await self._adjust_encoder()
            await self._call(self._limits.picture + self._limits.encoder, session.wait_for_picture)
        except Exception as error:
            await self._give_up(session, error)
            raise
        self._failed_while_on = False
        self._report(CameraState.ON, self._state.snapshot.camera_error)

    async def _turn_off(self) -> None:
        session, self._failed_while_on = self._session, False
        if session is not None:
            self._report(CameraState.STOPPING)
            self._drop_frames()
            try:
                await self._call(self._limits.close, session.close)
            except Exception as error:
                await self._give_up(session, error)
                raise
            self._session = None
            await self._indicate(capturing=False)
        if self._unclosed_sessions:
            raise DeviceError(
                "The camera could not be closed and may still be capturing.",
                remedy="Restart the robot: the kernel then closes it.",
            )
        self._report(CameraState.OFF)

    async def _take_photo(self, quality: float) -> Photo:
        session = self._session
        if self._privacy.engaged:
            await self._privacy.check()
        if session is None:
            raise NotReadyError("The camera is off.", remedy="Call control_camera with enabled=true first.")
        try:
            photo = await self._call(self._limits.picture + self._limits.encoder, session.photo, quality)
        except (StalledError, HangingError) as error:
            await self._give_up(session, error)
            raise
        if self._privacy.engaged:  # meanwhile
            await self._privacy.check()
        self._idle.looked()
        return photo

    async def _look(self) -> bool | None:
        session, frames = self._session, self._frames
        if session is None:
            return None
        before, self._counted = self._counted, (0, 0) if frames is None else (id(frames), frames.received)
        if frames is not None:
            return self._counted != before
        try:
            await self._call(self._limits.picture + self._limits.encoder, session.wait_for_picture)
        except StalledError:
            return False
        return True

    async def _restart(self) -> None:
        if (session := self._session) is not None:
            await self._give_up(session, StalledError("The camera delivers no pictures. It is restarted."))
        if self._failed_while_on and not self._closed:
            await self._turn_on()

    async def _give_up(self, session: CaptureSession, error: Exception) -> None:
        """Close what can be closed; the indicator goes dark when the sensor is known to capture no more."""
        if self._state.snapshot.camera is CameraState.ON:  # for any other reason it must not come back by itself
            self._failed_while_on = isinstance(error, StalledError | HangingError)
        self._session = None
        self._drop_frames()
        if isinstance(error, HangingError):
            hanging, self._worker = self._worker, DeviceWorker("camera")
            self._unclosed_sessions += 1
            self._in_background("close hanging camera", self._close_hanging(hanging, session))
        else:
            try:
                await self._call(self._limits.close, session.close)
            except RobotNodeError as close_error:
                logger.error("%s", close_error)  # noqa: TRY400  # the text says it all
                if isinstance(close_error, HangingError):
                    await self._give_up(session, close_error)
                else:
                    self._unclosed_sessions += 1
            else:
                await self._indicate(capturing=False)
        if isinstance(error, NotReadyError) and not self._unclosed_sessions:
            self._report(CameraState.OFF)
            return
        logger.error("Camera failed: %s", error)
        self._report(CameraState.FAILED, str(error))

    async def _close_hanging(self, worker: DeviceWorker, session: CaptureSession) -> None:
        try:
            await worker.run(session.close)  # its turn comes when the call that hangs returns, if ever
            self._unclosed_sessions -= 1
            await self._indicate(capturing=self._session is not None)
        except DeviceError as error:
            logger.error("%s", error)  # noqa: TRY400  # the text says it all
        finally:
            worker.close()

    def _adjust_soon(self) -> None:
        if self._session is None or self._adjusting or self._closed:
            return
        self._adjusting = True

        async def adjust() -> None:
            async with self._lock:
                self._adjusting = False
                session = self._session
                try:
                    await self._adjust_encoder()
                except DeviceError as error:
                    if session is not None:
                        await self._give_up(session, error)

        self._in_background("adjust encoder", adjust())

    async def _adjust_encoder(self) -> None:
        """Bring the encoder to what is wanted, however often that changes meanwhile. The lock is held."""
        while (session := self._session) is not None:
            await self._adjust_raw(session)
            frames, wanted = self._frames, self._watched and not self._encoder_broken
            try:
                if wanted and frames is None:
                    await self._start_encoder(session)
                elif frames is not None and not wanted:
                    self._drop_frames()
                    await self._call(self._limits.encoder, session.stop_stream)
                elif frames is not None and frames.stream is not None and self._restart_wanted:
                    self._restart_wanted = False
                    await self._call(self._limits.encoder, frames.stream.restart)
                elif frames is not None and frames.stream is not None and frames.stream.bitrate != self._wanted_bitrate:
                    await self._call(self._limits.encoder, frames.stream.set_bitrate, self._wanted_bitrate)
                else:
                    return
            except HangingError:
                raise
            except DeviceError as error:
                self._drop_frames()
                self._encoder_broken = True
                logger.error("%s", error)  # noqa: TRY400  # the text says it all
                self._report(self._state.snapshot.camera, str(error))

    async def _adjust_raw(self, session: CaptureSession) -> None:
        wanted = self._raw_watched and not self._raw_broken
        try:
            if wanted and not session.gives_raw:
                take = functools.partial(self._take_raw, session)
                await self._call(self._limits.encoder, session.start_raw, take)
            elif session.gives_raw and not wanted:
                await self._call(self._limits.encoder, session.stop_raw)
        except HangingError:
            raise
        except DeviceError as error:
            self._raw_broken = True
            logger.error("%s", error)  # noqa: TRY400  # the text says it all

    def _take_raw(self, session: CaptureSession, frame: RawFrame) -> None:
        """Hand a picture on, in the camera library's thread, but not one of a camera that was given up."""
        sink = self._raw_sink
        if sink is not None and session is self._session and not self._privacy.engaged:
            sink(frame)

    async def _start_encoder(self, session: CaptureSession) -> None:
        frames = FrameHandoff(asyncio.get_running_loop(), self._deliver, self.request_keyframe)
        self._frames, self._restart_wanted = frames, False
        frames.stream = await self._call(
            self._limits.encoder, session.start_stream, frames.receive, self._wanted_bitrate
        )
        if self._state.snapshot.camera is CameraState.ON:
            self._report(CameraState.ON)

    def _drop_frames(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def _deliver(self, data: bytes, keyframe: bool, captured_us: int) -> None:  # noqa: FBT001  # as the encoder says it
        self._last_timestamp_us = max(captured_us, self._last_timestamp_us + 1)
        if self._sink is None or self._privacy.engaged:
            return
        try:
            self._sink(EncodedFrame(data, keyframe, self._last_timestamp_us))
        except Exception:
            logger.exception("A frame could not be sent on")

    async def _indicate(self, *, capturing: bool) -> None:
        lit = capturing or self._unclosed_sessions > 0
        if lit == self._lit:
            return
        self._lit = lit
        try:
            await self._indicator.light(lit=lit)
        except DeviceError as error:
            if lit:
                self._failed_while_on = False  # nobody would see that it is on: not again by itself
                raise
            logger.error("%s", error)  # noqa: TRY400  # the text says it all

    def _report(self, camera: CameraState, error: str = "") -> None:
        if camera is not CameraState.ON:
            self._idle.stop()
        elif self._state.snapshot.camera is not CameraState.ON:
            self._idle.start()
        self._state.update(camera=camera, camera_error=error)


def _nobody_asks_any_more(task: asyncio.Task[Any]) -> None:
    """Whoever asked was cancelled. That the camera failed has been reported and logged; anything else is a mistake."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, RobotNodeError):
        logger.error("%s went wrong", task.get_name(), exc_info=error)
