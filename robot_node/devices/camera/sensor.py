"""The camera's sensor, as long as it may be capturing: opened and closed in the worker, with the indicator lit."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from robot_node.core.media import VideoMode
from robot_node.devices.camera.capture import (
    CameraDriver,
    CameraLimits,
    CaptureSession,
    FullPicture,
    Photo,
    StalledError,
)
from robot_node.devices.camera.controls import Ranges, supported
from robot_node.devices.camera.photo import rotated
from robot_node.devices.camera.states import CameraEvent
from robot_node.devices.camera.stream import CameraStream, StreamDemand
from robot_node.devices.camera.unclosed import UnclosedCamera
from robot_node.devices.indicator import Indicator
from robot_node.devices.operation_queue import OperationQueue
from robot_node.devices.worker import DeviceWorker, HangingError
from robot_node.errors import DeviceError
from robot_node.settings.camera_controls import CameraControls

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

Step = Callable[[], Awaitable[None]]


class IndicatorError(DeviceError):
    """The indicator cannot be lit: nobody near the camera would see that it captures."""


def fault_event(error: Exception) -> CameraEvent:
    """Return the event that an error of the sensor is in the camera's table."""
    match error:
        case IndicatorError():
            return CameraEvent.INDICATOR_FAILED
        case StalledError() | HangingError():
            return CameraEvent.STALL
        case _:
            return CameraEvent.FAULT


@dataclass(frozen=True, slots=True)
class _Run:
    """The sensor from a start to its stop."""

    session: CaptureSession
    stream: CameraStream

    def close(self) -> None:
        """Stop all that runs. Blocks."""
        self.stream.stop()
        self.session.close()


class CameraSensor:
    """Opens and closes the sensor; knows no states. Used by the camera only, for one operation at a time.

    Args:
        driver: Talks to the camera's library.
        demand: What viewers need.
        indicator: Lit while the sensor may be capturing.
        limits: How long the library may take.
        operations: Where the closing of a camera that hangs goes on.
        controls: What the camera is to be set to.

    Attributes:
        controls: What the camera is set to, or will be when it is opened.
        ranges: What it can be set to; None before it was opened for the first time.
        on_ranges: Called when they are known, and when they have changed.
        on_released: Called when a sensor that could not be closed in time is closed at last.
    """

    def __init__(
        self,
        driver: CameraDriver,
        demand: StreamDemand,
        *,
        indicator: Indicator,
        limits: CameraLimits,
        operations: OperationQueue,
        controls: CameraControls,
    ) -> None:
        self._driver = driver
        self._demand = demand
        self._indicator = indicator
        self._limits = limits
        self._worker = DeviceWorker("camera")
        self._run: _Run | None = None
        self._unclosed = UnclosedCamera(operations, limits.release, self._released)
        self._indicator_on = False
        self.controls = controls
        self.ranges: Ranges | None = None
        self.on_ranges: Callable[[], None] = lambda: None
        self.on_released: Callable[[], None] = lambda: None

    @property
    def stream(self) -> CameraStream | None:
        """The streams of the open camera; None when it is not open."""
        return None if self._run is None else self._run.stream

    @property
    def unclosed(self) -> bool:
        """A sensor that was open earlier could not be closed, and may still be capturing."""
        return self._unclosed.exists

    async def wait_until_released(self) -> None:
        """Wait until a sensor that was open earlier is closed, for a limited time; then it can be opened again.

        Raises:
            HeldError: A call that was given up has not returned.
            DeviceError: It cannot be closed.
        """
        await self._unclosed.wait_until_closed()

    def interrupt(self) -> None:
        """End :meth:`wait_until_released`."""
        self._unclosed.interrupt()

    def start(self, *, on_change: Callable[[], None], on_error: Callable[[], None]) -> Sequence[Step]:
        """Begin a run; returns the steps that lead to the first picture, each raising DeviceError.

        Args:
            on_change: As :class:`CameraStream` calls it.
            on_error: As :class:`CameraStream` calls it.
        """
        limits = self._limits
        session = self._driver.session()
        session.apply(self.controls)  # before it is opened: kept for that
        call = functools.partial(self._call, limits.encoder)
        stream = CameraStream(session, self._demand, call=call, on_change=on_change, on_error=on_error)
        self._run = _Run(session, stream)
        return (
            lambda: self._call(limits.load, session.load),
            self._update_indicator,
            lambda: self._open(session),
            stream.adjust,
            self.wait_for_picture,
        )

    def set_mode(self, mode: VideoMode) -> None:
        """Set what the video is like from the next start on.

        Raises:
            ArgumentError: The camera cannot do it.
        """
        self._driver.set_mode(mode)
        self._demand.bitrate = mode.bitrate

    async def _open(self, session: CaptureSession) -> None:
        await self._call(self._limits.open, session.open)
        ranges = await self._call(self._limits.encoder, session.control_ranges)
        known, self.ranges = self.ranges, ranges
        self.controls, _ = supported(self.controls, ranges)
        if ranges != known:
            self.on_ranges()
        self._demand.rotation = session.rotation

    async def set_controls(self, controls: CameraControls, *, refocus: bool) -> bool:
        """Set the controls: those of the open camera now, else when it is opened.

        Args:
            controls: All that is wished.
            refocus: A single focus is made again.

        Returns:
            False: the camera has to be closed and opened for them.

        Raises:
            DeviceError: See :meth:`CaptureSession.apply`.
        """
        applied = True
        if self._run is not None:
            session = self._run.session
            applied = await self._call_for_picture(session.apply, controls, refocus=refocus)
            self._demand.rotation = session.rotation
        self.controls = controls
        return applied

    async def photo(self, quality: float) -> Photo:
        """Take a photo.

        Raises:
            DeviceError: See :meth:`CaptureSession.photo`.
        """
        photo = await self._call_for_picture(self._opened().session.photo, quality)
        if not self.rotation:
            return photo
        return await self._call(self._limits.encoder, rotated, photo, self.rotation, quality)

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which the camera's pictures have to be rotated."""
        return self._demand.rotation

    async def full_size(self) -> tuple[int, int]:
        """Return width and height of the largest picture."""
        return await self._call(self._limits.picture, self._opened().session.full_size)

    async def capture_full(self, *, raw: bool) -> FullPicture:
        """Take a picture in full size, while no stream runs.

        Raises:
            DeviceError: See :meth:`CaptureSession.capture_full`.
        """
        limits = self._limits
        return await self._call(2 * limits.open + limits.picture, self._opened().session.capture_full, raw=raw)

    async def wait_for_picture(self) -> None:
        """Return when the sensor has delivered a picture.

        Raises:
            DeviceError: It delivers none.
        """
        await self._call_for_picture(self._opened().session.wait_for_picture)

    async def stop(self) -> None:
        """Close the camera, at the second attempt if need be, then darken the indicator.

        Raises:
            DeviceError: The camera could not be closed; from now on it is :attr:`unclosed`.
        """
        if self._run is not None:
            try:
                await self._close(self._run)
            except HangingError:
                self.abandon()
                raise
            except Exception:
                self._leave(hangs=False)
                raise
            self._run = None
        await self._update_indicator()

    def abandon(self) -> None:
        """Leave the sensor to the thread in which a call hangs: it closes it when the call returns, if ever.

        Does nothing when that was done.
        """
        if self._run is not None:
            self._run.session.give_up()
            self._leave(hangs=True)

    def shut_down(self) -> None:
        """End the thread."""
        self._unclosed.shut_down()
        self._worker.close()

    async def _close(self, run: _Run) -> None:
        try:
            await self._call(self._limits.close, run.close)
        except HangingError:
            raise
        except DeviceError as error:
            logger.warning("%s Trying once more.", error.message)
            await self._call(self._limits.close, run.close)

    def _leave(self, *, hangs: bool) -> None:
        self._unclosed.take_over(self._worker, self._opened().close, hangs=hangs)
        self._run, self._worker = None, DeviceWorker("camera")

    async def _released(self) -> None:
        await self._update_indicator()
        self.on_released()

    async def _update_indicator(self) -> None:
        on = self._run is not None or self._unclosed.exists
        if on == self._indicator_on:
            return
        self._indicator_on = on
        try:
            await self._indicator.light(lit=on)
        except DeviceError as error:
            if on:
                raise IndicatorError(error.message, remedy=error.remedy) from error
            logger.error("%s", error)

    def _opened(self) -> _Run:
        assert self._run is not None, "the camera is not open"
        return self._run

    async def _call_for_picture(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # What a viewer needs may be changed first, in the same thread.
        return await self._call(self._limits.picture + self._limits.encoder, function, *args, **kwargs)

    async def _call(self, limit_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._worker.run_within(limit_s, function, *args, **kwargs)
