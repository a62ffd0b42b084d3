"""The controls of a camera, on or off: what they are, and how they are changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from robot_node.devices.camera.capture import StalledError
from robot_node.devices.camera.controls import Ranges, changed
from robot_node.devices.camera.report import CameraReport
from robot_node.devices.camera.sensor import CameraSensor
from robot_node.devices.worker import HangingError
from robot_node.settings.camera_controls import CameraControls
from robot_node.settings.devices import CameraSettings

T = TypeVar("T")


class RunOperation(Protocol):
    """Runs an operation of the camera after those before it."""

    async def __call__(self, name: str, operation: Callable[[], Awaitable[T]], /) -> T:
        """Return what the operation returns, and raise what it raises."""


class CurrentControls:
    """The controls of one camera. They stay when it is off, and are then set when it is switched on.

    Args:
        sensor: The camera's sensor.
        report: Where the controls are reported.
        settings: The camera's settings.
        run: Runs an operation of the camera.
        fail: Stops the camera because of an error.
        reopen: Closes and opens the camera, which is on.

    Attributes:
        adjustable: The settings let agents change them.
    """

    def __init__(
        self,
        sensor: CameraSensor,
        report: CameraReport,
        settings: CameraSettings,
        *,
        run: RunOperation,
        fail: Callable[[Exception], Awaitable[None]],
        reopen: Callable[[], Awaitable[None]],
    ) -> None:
        self._sensor = sensor
        self._report = report
        self._initial = settings.initial_controls()
        self.adjustable = settings.adjustable
        self._run = run
        self._fail = fail
        self._reopen = reopen

    @property
    def now(self) -> CameraControls:
        """What the camera is set to, or will be when it is switched on."""
        return self._sensor.controls

    @property
    def ranges(self) -> Ranges | None:
        """What the camera can be set to; None before it was on for the first time."""
        return self._sensor.ranges

    def on_ranges(self, callback: Callable[[], None]) -> None:
        """Call back when :attr:`ranges` are known, and when they have changed."""
        self._sensor.on_ranges = callback

    def begin_with(self, saved: Mapping[str, Any]) -> None:
        """Set what was saved before a restart, before the camera is switched on.

        Raises:
            ArgumentError: It is damaged.
        """
        self._sensor.controls = changed(self._initial, saved, None)
        self._show()

    async def set(self, wishes: Mapping[str, Any], *, reset: bool = False) -> CameraControls:
        """Change some of the controls, by the names of :class:`CameraControls`; returns when pictures show it.

        To exchange left and right, or top and bottom, a camera that is on is closed and opened again: viewers stay, and
        see no new pictures for that time.

        Args:
            wishes: What to change; None: as the camera has it.
            reset: All others are set as the settings say.

        Returns:
            All controls.

        Raises:
            ArgumentError: There is no such control, this camera lacks it, or the value is out of its range.
            DeviceError: The camera refuses, or delivers no pictures.
            NotReadyError: The camera had to be opened again, and was switched off meanwhile.
        """

        async def change() -> CameraControls:
            controls = changed(self._initial if reset else self.now, wishes, self.ranges)
            try:
                applied = await self._sensor.set_controls(controls, refocus="focus" in wishes)
            except (StalledError, HangingError) as error:
                await self._fail(error)
                raise
            if not applied:
                await self._reopen()
            self._show()
            return self.now

        return await self._run("camera controls", change)

    def _show(self) -> None:
        initial, now = (each.model_dump(mode="json") for each in (self._initial, self.now))
        self._report.show_controls({name: now[name] for name in now if now[name] != initial[name]})
