"""The camera: a state machine over picamera2. Off means that the sensor is off."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from robot_node.core.media import FrameSink, RawFrameSink
from robot_node.core.state import CameraState, Device, RobotState, act_for
from robot_node.devices.capture import CameraLimits, CaptureSession, Photo, StalledError
from robot_node.devices.idle import IdleTimer
from robot_node.devices.indicator import Indicator, NoIndicator
from robot_node.devices.platform import Platform
from robot_node.devices.privacy import NoPrivacySwitch, Privacy
from robot_node.devices.turns import Turns
from robot_node.devices.video import CameraVideo
from robot_node.devices.worker import DeviceWorker, HangingError
from robot_node.errors import DeviceError, NotReadyError, RobotNodeError
from robot_node.settings.devices import CameraSettings

__all__ = ["Camera", "CameraLimits", "Photo"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Camera:
    """The robot's camera. Used from the event loop only; every blocking call runs in the camera's own thread.

    It is also a :class:`robot_node.core.media.VideoSource` and a :class:`robot_node.core.media.RawVideoSource`.
    Calls that change its state are served one after the other, and each runs to its end even when its caller is
    cancelled, so that no half-opened camera is left behind.

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
        self._turns = Turns()
        self._closed = False
        self._session: CaptureSession | None = None
        self._unclosed_sessions = 0
        self._lit = False
        self._failed_while_on = False
        self._adjusting = False
        self._video = CameraVideo(
            settings.bitrate,
            call=functools.partial(self._call, self._limits.encoder),
            may_show=self._may_show,
            on_change=self._adjust_soon,
            report=self._report_video,
        )
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
        await self._turns.take("camera on", self._switch_on)

    async def stop(self) -> None:
        """Switch the camera off: the sensor captures no more. Does nothing when it is off.

        Raises:
            DeviceError: The camera could not be closed; it counts as failed then, and never as off.
        """
        await self._turns.take("camera off", self._switch_off)

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
        return await self._turns.take("photo", lambda: self._take_photo(quality))

    async def delivers(self) -> bool | None:
        """Whether pictures have come since the last call, or come now; None when nobody expects them.

        Raises:
            HangingError: The camera library does not answer.
        """
        if self._state.snapshot.camera is CameraState.FAILED and self._failed_while_on:
            return False
        return await self._turns.take("camera check", self._look)

    async def restart(self) -> None:
        """Restart a camera that was on and delivers no pictures, or has failed since. Does nothing to others.

        Raises:
            DeviceError: It could not be switched on again; it may be tried again.
            NotReadyError: The privacy switch is engaged.
        """
        await self._turns.take("camera restart", self._restart)

    async def close(self) -> None:
        """Switch the camera off for good, and end its thread."""
        self._closed = True
        self._idle.stop()
        try:
            await self._turns.take("camera off", self._turn_off)
        except RobotNodeError as error:
            logger.error("%s", error)
        self._worker.close()
        await self._turns.close()

    def set_sink(self, sink: FrameSink | None) -> None:
        """Choose who receives the frames."""
        self._video.sink = sink

    def set_watched(self, watched: bool) -> None:
        """Say whether anybody watches: the encoder runs only while the camera is on and watched."""
        self._video.set_watched(watched=watched)
        self._idle.set_watched(self._video.needed)

    def request_keyframe(self) -> None:
        """Make one of the next frames a keyframe; further requests before it comes are the same request."""
        self._video.request_keyframe()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Change the target bitrate while running, in bit/s; at least 100 000. How: see :class:`H264Stream`."""
        self._video.set_bitrate(bits_per_second)

    def set_raw_sink(self, sink: RawFrameSink | None) -> None:
        """Choose who receives the pictures as they are, in a thread of the camera library."""
        self._video.raw_sink = sink

    def set_raw_watched(self, watched: bool) -> None:
        """Say whether anybody needs the pictures as they are; they come while the camera is on."""
        self._video.set_raw_watched(watched=watched)
        self._idle.set_watched(self._video.needed)

    def _hide(self) -> None:
        """The privacy switch was engaged: nobody gets another picture, and the sensor goes off in its turn."""
        self._video.drop_frames()
        self._failed_while_on = False
        off = self._session is None and not self._turns.busy
        # One that has failed is off, too, but may be waited for: see switch_on_at_start.
        if not off or self._state.snapshot.camera is CameraState.FAILED:
            self._state.update(camera_wanted=False)
        if off:
            return

        async def turn_off() -> None:
            if self._privacy.engaged:
                with contextlib.suppress(DeviceError):  # reported and logged already
                    await self._turn_off()

        self._turns.take_later("camera off for privacy", turn_off)

    def _went_dark(self, error: DeviceError) -> None:
        """Nobody can see any more that the sensor captures: it goes off in its turn."""
        session = self._session

        async def turn_off() -> None:
            if session is not None and session is self._session:
                with act_for(""):  # not for the agent that switched it on
                    await self._give_up(session, error)
                self._failed_while_on = False  # it is not for us to switch it on again

        self._turns.take_later("camera off without indicator", turn_off)

    def _nobody_looks(self) -> None:
        async def turn_off() -> None:
            if self._idle.idle:  # nobody came while others had their turn
                logger.info("Nobody has looked for %g s: camera off", self._settings.off_when_unwatched_s)
                self._state.update(camera_wanted=None)
                # reported and logged already; and not for the agent whose call started the timer
                with contextlib.suppress(DeviceError), act_for(""):
                    await self._turn_off()

        self._turns.take_later("camera off when unwatched", turn_off)

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
        self._video.forget_failures()
        try:
            await self._call(self._limits.load, session.load)
            await self._indicate(capturing=True)
            await self._call(self._limits.open, session.open)
            await self._privacy.check()  # it may have been engaged while the camera was being opened
            await self._video.adjust(session)
            await self._call(self._limits.picture + self._limits.encoder, session.wait_for_picture)
        except Exception as error:
            await self._give_up(session, error)
            raise
        self._failed_while_on = False
        self._report(CameraState.ON, self._state.snapshot.fault(Device.CAMERA))

    async def _turn_off(self) -> None:
        session, self._failed_while_on = self._session, False
        if session is not None:
            self._report(CameraState.STOPPING)
            self._video.drop_frames()
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
        session, frames_came = self._session, self._video.frames_came()
        if session is None:
            return None
        if frames_came is not None:
            return frames_came
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
        self._video.drop_frames()
        if isinstance(error, HangingError):
            hanging, self._worker = self._worker, DeviceWorker("camera")
            self._unclosed_sessions += 1
            self._turns.beside("close hanging camera", self._close_hanging(hanging, session))
        else:
            try:
                await self._call(self._limits.close, session.close)
            except RobotNodeError as close_error:
                logger.error("%s", close_error)
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
            logger.error("%s", error)
        finally:
            worker.close()

    def _adjust_soon(self) -> None:
        if self._session is None or self._adjusting or self._closed:
            return
        self._adjusting = True

        async def adjust() -> None:
            self._adjusting = False
            if (session := self._session) is not None:
                try:
                    await self._video.adjust(session)
                except DeviceError as error:
                    await self._give_up(session, error)

        self._turns.take_later("adjust encoder", adjust)

    def _may_show(self, session: CaptureSession) -> bool:
        return session is self._session and not self._privacy.engaged

    def _report_video(self, error: str) -> None:
        """The encoder failed, or (empty) works; while the camera starts it is its own state that counts."""
        camera = self._state.snapshot.camera
        if error or camera is CameraState.ON:
            self._report(camera, error)

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
            logger.error("%s", error)

    def _report(self, camera: CameraState, error: str = "") -> None:
        if camera is not CameraState.ON:
            self._idle.stop()
        elif self._state.snapshot.camera is not CameraState.ON:
            self._idle.start()
        self._state.set_fault(Device.CAMERA, error, camera=camera)
