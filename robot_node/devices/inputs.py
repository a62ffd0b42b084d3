"""Inputs on pins: buttons, switches and sensors, each with a name."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from robot_node.core.events import EventLog
from robot_node.core.state import InputState, RobotState, act_for, input_fault
from robot_node.devices.pins import PinBoard
from robot_node.errors import DeviceError
from robot_node.settings.pins import DistanceInputSettings, InputSettings, PinsSettings, SwitchInputSettings

_TEXTS = {
    "button": ("Button {} was pressed.", "Button {} was released."),
    "switch": ("Switch {} was closed.", "Switch {} was opened."),
    "motion_sensor": ("Motion sensor {} sees motion.", "Motion sensor {} no longer sees motion."),
    "line_sensor": ("Line sensor {} sees a line.", "Line sensor {} no longer sees a line."),
    "touch_sensor": ("Touch sensor {} is touched.", "Touch sensor {} is no longer touched."),
    "distance_sensor": ("Distance sensor {} sees something near.", "Distance sensor {} sees nothing near any more."),
}

_DISTANCE_EVERY_S = 0.25
_ECHOES = 5
"""Number of echoes whose median is the distance."""

_SMALLEST_CHANGE_M = 0.02
"""Smaller changes of a distance are not reported: they are below the sensor's accuracy."""


def _distance_sensor_class(gpiozero: Any) -> Any:
    """The class of gpiozero's distance sensors, which may be closed while they measure."""

    class DistanceSensor(gpiozero.DistanceSensor):  # type: ignore[misc]  # from a library that is handed in
        def close(self) -> None:
            # gpiozero 2.0 takes the trigger away before it stops the thread that uses it, which then dies of it.
            queue = getattr(self, "_queue", None)  # None: the constructor failed, or closed already
            if queue is not None:
                queue.stop()
            super().close()

    return DistanceSensor


class Inputs:
    """All inputs of a robot, reported to the state and as events. Used from the event loop only.

    Args:
        board: The pins.
        settings: The configured inputs.
        state: Gets each change.
        events: Gets each change between active and inactive.
    """

    def __init__(self, board: PinBoard, settings: PinsSettings, state: RobotState, events: EventLog) -> None:
        self._board = board
        self._settings = settings.inputs
        self._state = state
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._distances: dict[str, tuple[Any, float]] = {}
        if self._settings:
            state.update(inputs={name: InputState(entry.kind) for name, entry in self._settings.items()})

    @property
    def confirming(self) -> tuple[str, ...]:
        """Names of the inputs that say yes to a question when a person presses them."""
        return tuple(name for name, settings in self._switches() if settings.confirms)

    @property
    def talking(self) -> tuple[str, ...]:
        """Names of the inputs that a person presses to talk to the robot."""
        return tuple(name for name, settings in self._switches() if settings.talks)

    def _switches(self) -> Iterator[tuple[str, SwitchInputSettings]]:
        for name, settings in self._settings.items():
            if isinstance(settings, SwitchInputSettings):
                yield name, settings

    async def open(self) -> tuple[DeviceError, ...]:
        """Open and read all inputs; return the errors."""
        failed = []
        for name, settings in self._settings.items():
            what = f"The {settings.kind} {name!r} on {', '.join(f'GPIO{gpio}' for gpio in settings.gpios())}"
            try:
                made = await self._board.make(what, partial(self._build, name, settings))
                if isinstance(settings, DistanceInputSettings):
                    self._distances[name] = (made, settings.near_m)
                else:
                    self._changed(name, await self._board.call(what, lambda made=made: bool(made.is_active)))
            except DeviceError as error:
                failed.append(error)
                self._state.set_fault(input_fault(name), str(error))
        return tuple(failed)

    async def watch(self) -> None:
        """Measure distances until cancelled."""
        while self._distances:
            for name, (sensor, near_m) in self._distances.items():
                try:
                    metres = await self._board.call(f"The distance sensor {name!r}", lambda made=sensor: made.distance)
                except DeviceError as error:
                    self._state.set_fault(input_fault(name), str(error))
                else:
                    self._measured(name, metres, near_m)
            await asyncio.sleep(_DISTANCE_EVERY_S)

    def _measured(self, name: str, metres: float, near_m: float) -> None:
        if metres == 0:  # gpiozero: no echo yet
            return
        self._state.set_fault(input_fault(name), "")
        known = self._state.snapshot.inputs[name].distance_m
        if known is None or abs(metres - known) >= _SMALLEST_CHANGE_M:
            self._update(name, distance_m=round(metres, 2))
        self._changed(name, metres < near_m)

    def close(self) -> None:
        """Report no further changes."""
        self._closed = True

    def _build(self, name: str, settings: InputSettings, gpiozero: Any, factory: Any) -> Any:
        if isinstance(settings, SwitchInputSettings):
            pull = {"up": True, "down": False, "none": None}[settings.pull_in_use]
            made = gpiozero.DigitalInputDevice(
                settings.pin,
                pull_up=pull,
                active_state=settings.active_level if pull is None else None,
                bounce_time=settings.bounce_s or None,
                pin_factory=factory,
            )
            # gpiozero calls these in its own threads.
            made.when_activated = lambda: self._from_thread(name, active=True)
            made.when_deactivated = lambda: self._from_thread(name, active=False)
            return made
        # Warnings about a better pin library, and about each missed echo: nobody can act on them.
        for told in (gpiozero.PWMSoftwareFallback, gpiozero.DistanceSensorNoEcho):
            warnings.filterwarnings("ignore", category=told)
        # "partial": reading must not wait for echoes, as all other pins would wait too.
        return _distance_sensor_class(gpiozero)(
            echo=settings.echo_pin,
            trigger=settings.trigger_pin,
            max_distance=settings.max_distance_m,
            queue_len=_ECHOES,
            partial=True,
            pin_factory=factory,
        )

    def _from_thread(self, name: str, *, active: bool) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed, name, active)

    def _changed(self, name: str, active: bool) -> None:
        before = self._state.snapshot.inputs[name].active
        if self._closed or active == before:
            return
        with act_for(""):  # no caller
            self._update(name, active=active)
            if before is not None:
                kind = self._settings[name].kind
                self._events.add("input", _TEXTS[kind][not active].format(name), device=name)

    def _update(self, name: str, **changes: Any) -> None:
        inputs = dict(self._state.snapshot.inputs)
        inputs[name] = replace(inputs[name], **changes)
        self._state.set_fault(input_fault(name), "", inputs=inputs)
