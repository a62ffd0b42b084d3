"""The camera: the table of :mod:`robot_node.devices.camera.states` over a driver. Off means that the sensor is off."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from robot_node.core.state import CameraState, RobotState, act_for
from robot_node.devices.camera.adjusting import CurrentControls
from robot_node.devices.camera.capture import CameraLimits, Photo, StalledError
from robot_node.devices.camera.current_video import CurrentVideo
from robot_node.devices.camera.drivers import camera_driver
from robot_node.devices.camera.machine import CameraMachine
from robot_node.devices.camera.photographer import FullPhoto, Photographer, Steps
from robot_node.devices.camera.report import CameraReport
from robot_node.devices.camera.sensor import CameraSensor, fault_event
from robot_node.devices.camera.source import StreamSource
from robot_node.devices.camera.states import Action, CameraEvent, refusal
from robot_node.devices.camera.stream import CameraStream, StreamDemand
from robot_node.devices.idle import CallLater, IdleTimer
from robot_node.devices.indicator import Indicator, NoIndicator
from robot_node.devices.operation_queue import OperationQueue
from robot_node.devices.platform import Platform
from robot_node.devices.privacy import NoPrivacySwitch, Privacy
from robot_node.devices.worker import HangingError, as_device_error
from robot_node.errors import DeviceError, RobotNodeError
from robot_node.settings.devices import CameraSettings

__all__ = ["Camera", "CameraLimits", "Photo"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Camera(StreamSource):
    """The robot's camera. Used from the event loop only; every blocking call runs in the camera's own thread.

    It is also a :class:`robot_node.core.media.VideoSource` and a :class:`robot_node.core.media.RawVideoSource`.
    Operations run one at a time, and a caller's cancellation interrupts none of them. The privacy switch, a failed
    indicator and shutdown do not wait: the running operation ends at its next await. ``controls`` are focus, exposure,
    zoom and so on.

    Args:
        platform: Gives the camera library.
        settings: The camera's settings.
        state: Where the camera's state is reported.
        name: Its name there; empty for the first camera.
        indicator: On from just before the sensor starts until it has stopped; a failed one switches the camera off.
        privacy: While it is engaged the sensor is off.
        limits: How long the library may take.
        call_later: Schedules the end of the time after which an idle camera goes off; by default the event loop.
        small_stream: It can deliver small pictures, see :meth:`set_small_watched`.
    """

    def __init__(
        self,
        platform: Platform,
        settings: CameraSettings,
        state: RobotState,
        *,
        name: str = "",
        indicator: Indicator | None = None,
        privacy: Privacy | None = None,
        limits: CameraLimits | None = None,
        call_later: CallLater | None = None,
        small_stream: bool = False,
    ) -> None:
        self._settings = settings
        self._privacy = privacy or NoPrivacySwitch()
        self._privacy.on_engaged(self._on_privacy_engaged)
        indicator = indicator or NoIndicator()
        indicator.on_failure(self._on_indicator_failed)
        self._operations = OperationQueue()
        super().__init__(StreamDemand(settings.bitrate))
        limits = limits or CameraLimits()
        self._sensor = CameraSensor(
            camera_driver(platform, settings, limits, small_stream=small_stream),
            self._demand,
            indicator=indicator,
            limits=limits,
            operations=self._operations,
            controls=settings.initial_controls(),
        )
        call_later = call_later or asyncio.get_running_loop().call_later
        self._idle = IdleTimer(settings.off_when_unwatched_s, self._on_idle, call_later)
        report = CameraReport(state, name)
        self._machine = CameraMachine(report, self._privacy, self._sensor, self._idle)
        reopen = functools.partial(self._start_sensor, CameraState.ON)
        self.controls = CurrentControls(self._sensor, report, settings, run=self._run, fail=self._fail, reopen=reopen)
        self.video = CurrentVideo(
            self._sensor,
            settings,
            run=self._run,
            reopen=reopen,
            start=self._switch_on,
            adjust=self._adjust_soon,
        )
        steps = Steps(
            run=self._run,
            submit=self._submit,
            check_engaged=self._check_engaged,
            wait_until_released=self._wait_until_released,
            start=self._start_sensor,
            fail=self._fail,
            finish_stop=self._finish_stop,
            raise_if_interrupted=functools.partial(self._raise_if_interrupted, CameraState.ON),
        )
        self._photographer = Photographer(settings, self._sensor, self._machine, self._idle, steps)
        self._sensor.on_released = self._on_released
        self._interruption: RobotNodeError | None = None
        self._adjusting = False

    @property
    def state(self) -> CameraState:
        """Its state."""
        return self._machine.state

    async def start(self) -> None:
        """Switch the camera on; returns when there are pictures. Does nothing when it is on.

        Raises:
            DeviceError: There is no camera, it is busy, its library is missing, or it delivers no pictures.
            NotReadyError: The privacy switch is engaged, or was meanwhile, or the robot is shutting down.
        """
        await self._run("camera on", self._switch_on)

    async def stop(self) -> None:
        """Switch the camera off: the sensor captures no more. Does nothing when it is off.

        Raises:
            DeviceError: The camera could not be closed; it counts as failed then, and never as off.
        """

        async def switch_off() -> None:
            if self._sensor.unclosed:
                self._machine.apply(CameraEvent.SWITCH_OFF)  # the wish counts at once
                with contextlib.suppress(DeviceError):  # the table knows
                    await self._wait_until_released()
            self._machine.request(CameraEvent.SWITCH_OFF)
            await self._finish_stop()

        await self._run("camera off", switch_off)

    @property
    def photo_switches_on(self) -> bool:
        """A photo switches the camera on for itself, and off again."""
        return self._settings.photo_switches_on

    async def photo(self, quality: float = 0.9) -> Photo:
        """Take a photo: see :meth:`photo_series`."""
        async with self.photo_series() as take:
            return await take(quality)

    def photo_series(self) -> AbstractAsyncContextManager[Callable[[float], Awaitable[Photo]]]:
        """Take photos while the camera is on, one at each call with a JPEG quality from 0 to 1; the video goes on.

        With :attr:`photo_switches_on` the first one switches the camera on, and it goes off after the last series that
        is under way. Who switches it on or off meanwhile decides.

        Raises:
            NotReadyError: The camera is off, or is being restarted; privacy is engaged.
            DeviceError: The camera delivers no pictures; it is switched off then. Or it cannot be switched on.
            ValueError: The quality is out of range.
        """
        return self._photographer.series()

    async def background_photo(self, quality: float = 0.9) -> Photo:
        """Take a photo of a camera that is on, for nobody in particular.

        It neither switches the camera on, nor keeps it from going off when it is idle.

        Raises:
            NotReadyError: As for :meth:`photo_series`.
            DeviceError: As for :meth:`photo_series`.
            ValueError: The quality is out of range.
        """
        return await self._photographer.background_photo(quality)

    @property
    def stores_photos(self) -> bool:
        """Photos in full size can be stored: there is a folder for them."""
        return self._settings.photo_folder is not None

    async def full_photo(self, quality: float = 0.9, *, dng: bool = False) -> FullPhoto:
        """Take a photo in the sensor's full size. The video pauses meanwhile, and goes on with a keyframe.

        Args:
            quality: JPEG quality from 0 to 1.
            dng: Store it in the folder of the settings, as DNG and as JPEG.

        Raises:
            NotReadyError: As for :meth:`photo_series`.
            DeviceError: As for :meth:`photo_series`; or it cannot be taken, encoded or stored: the video goes on.
            ValueError: The quality is out of range.
            ArgumentError: There is no folder.
        """
        return await self._photographer.full_photo(quality, dng=dng)

    async def is_delivering_frames(self) -> bool | None:
        """Whether frames have come since the last call, or come now; None when none are expected.

        Raises:
            HangingError: The camera library does not answer.
        """
        if self._machine.state is CameraState.FAILED and self._machine.situation.resumes:
            return False
        return await self._run("camera check", self._check_frames)

    async def restart(self) -> None:
        """Restart a stalled or failed camera. Does nothing in other states.

        Raises:
            DeviceError: It could not be switched on; a retry is possible.
            NotReadyError: The privacy switch is engaged, or the robot is shutting down.
        """

        async def restart() -> None:
            if self._machine.state is CameraState.ON:
                await self._fail(StalledError("The camera delivers no pictures. It is restarted."))
            await self._check_engaged()
            if self._machine.situation.resumes:
                await self._wait_until_released()
            if self._machine.request(CameraEvent.RESTART) is Action.OPEN:
                await self._start_sensor()

        await self._run("camera restart", restart)

    async def close(self) -> None:
        """Switch the camera off for good, and end its thread. A pending start fails."""
        self._machine.closing = True
        self._interrupt(CameraEvent.CLOSE, refusal(Action.REFUSE_CLOSING))
        await self._run("camera off", self._finish_stop)
        if self._sensor.unclosed:
            logger.error("%s", refusal(Action.REFUSE_NOT_CLOSED))
        self._sensor.shut_down()
        await self._operations.close()

    # Events that do not wait for operations, and end the running one.

    def _on_privacy_engaged(self) -> None:
        self._interrupt(CameraEvent.PRIVACY, refusal(Action.REFUSE_PRIVACY))

    def _on_indicator_failed(self, error: DeviceError) -> None:
        with act_for(""):  # not for the agent that switched it on
            self._interrupt(CameraEvent.INDICATOR_FAILED, error)

    def _on_released(self) -> None:
        with act_for(""):  # not for the agent whose call was given up
            self._machine.request(CameraEvent.RELEASED)

    def _interrupt(self, event: CameraEvent, error: RobotNodeError | None) -> None:
        self._interruption = error
        self._sensor.interrupt()
        if self._machine.apply(event, error) is Action.STOP:
            self._submit("camera off", self._finish_stop)  # unless the running operation does it

    # What the table asks for. One operation at a time.

    async def _run(self, name: str, operation: Callable[[], Awaitable[T]]) -> T:
        return await self._operations.run(name, functools.partial(self._after_stop, operation))

    def _submit(self, name: str, operation: Callable[[], Awaitable[None]]) -> None:
        self._operations.submit(name, functools.partial(self._after_stop, operation))

    async def _after_stop(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation on a camera that is not stopping any more."""
        with contextlib.suppress(DeviceError), act_for(""):  # logged; and not for the agent that waits
            await self._finish_stop()
        return await operation()

    async def _start_sensor(self, state: CameraState = CameraState.STARTING) -> None:
        """Open the camera, or in state ON close and open it, and wait for its first picture; raise why that failed."""
        try:
            if state is CameraState.ON:
                await self._sensor.stop()
            for step in self._sensor.start(on_change=self._adjust_soon, on_error=self._machine.report_error):
                await self._privacy.check()  # the pin decides, not the last notification
                self._raise_if_interrupted(state)
                await step()
                self._raise_if_interrupted(state)
            if state is CameraState.STARTING:
                self._machine.request(CameraEvent.FIRST_PICTURE)
        except Exception as error:
            await self._fail(error)
            raise

    def _raise_if_interrupted(self, expected: CameraState) -> None:
        if self._machine.state is not expected:
            assert self._interruption is not None, "nothing else leaves a state during an operation"
            raise self._interruption

    async def _switch_on(self) -> None:
        await self._check_engaged()
        await self._wait_until_released()
        if self._machine.request(CameraEvent.SWITCH_ON) is Action.OPEN:
            await self._start_sensor()

    async def _wait_until_released(self) -> None:
        if not self._machine.closing:  # else the table refuses
            await self._sensor.wait_until_released()

    async def _check_engaged(self) -> None:
        """Refuse while the privacy switch is engaged; its pin is read again first.

        Raises:
            NotReadyError: It is engaged, or cannot be read.
        """
        if self._privacy.engaged:
            await self._privacy.check()

    async def _check_frames(self) -> bool | None:
        if self._sensor.stream is None:
            return None
        arrived = self._sensor.stream.frames_arrived()
        if arrived is not None:
            return arrived
        try:
            await self._sensor.wait_for_picture()
        except StalledError:
            return False
        return True

    async def _fail(self, error: Exception) -> None:
        """Stop the sensor because of an error or an interruption."""
        with act_for(""):  # not for the agent that was served
            self._machine.apply(fault_event(error), error)
            if isinstance(error, HangingError):
                self._sensor.abandon()
                self._machine.apply(CameraEvent.NOT_CLOSED, error)
            else:
                with contextlib.suppress(DeviceError):  # logged
                    await self._finish_stop()

    async def _finish_stop(self) -> None:
        """Do what is left of a stop.

        Raises:
            DeviceError: The camera could not be closed.
        """
        if self._machine.state is not CameraState.STOPPING:
            return
        try:
            await self._sensor.stop()
        except Exception as error:
            if self._machine.situation.failing:  # that is what is reported
                logger.error("%s", error)
            self._machine.apply(CameraEvent.NOT_CLOSED, error)
            raise as_device_error(error, "camera") from error
        self._machine.request(CameraEvent.CLOSED)

    @property
    def _stream(self) -> CameraStream | None:
        return self._sensor.stream

    def _demand_changed(self, *, retry: bool = False) -> None:
        self._idle.set_watched(self._demand.needed)
        if retry and self._sensor.stream is not None:
            self._sensor.stream.retry()
        self._adjust_soon()

    def _adjust_soon(self) -> None:
        if self._adjusting or self._sensor.stream is None:
            return
        self._adjusting = True

        async def adjust() -> None:
            self._adjusting = False
            if self._sensor.stream is not None:
                try:
                    await self._sensor.stream.adjust()
                except HangingError as error:
                    await self._fail(error)

        self._submit("adjust encoder", adjust)

    def _on_idle(self) -> None:
        async def switch_off() -> None:
            if self._idle.idle:  # not used while other operations ran
                logger.info("Camera idle for %g s; switching it off.", self._settings.off_when_unwatched_s)
                with act_for(""):  # not for the agent whose call started the timer
                    self._machine.request(CameraEvent.IDLE)
                    await self._finish_stop()

        self._submit("camera off when idle", switch_off)
