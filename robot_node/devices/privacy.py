"""Privacy switches: while one is engaged its device is off, and nobody can switch it on from afar."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, Protocol

from robot_node.core.state import RobotState, act_for
from robot_node.devices.pins import PinBoard
from robot_node.devices.protected import CAMERA, Protected
from robot_node.errors import DeviceError, NotReadyError

logger = logging.getLogger(__name__)

_BOUNCE_S = 0.05


class Privacy(Protocol):
    """A privacy switch, as the camera or the microphone needs it."""

    @property
    def engaged(self) -> bool:
        """The device must be off."""

    async def check(self) -> None:
        """Read the switch now.

        Raises:
            NotReadyError: It is engaged, or cannot be read: the device must not be switched on.
        """

    def on_engaged(self, callback: Callable[[], None]) -> None:
        """Call back whenever the switch is engaged."""

    def on_disengaged(self, callback: Callable[[], None]) -> None:
        """Call back whenever the switch is disengaged."""


class NoPrivacySwitch:
    """A robot without privacy switch."""

    engaged = False

    async def check(self) -> None:
        """Allow it."""

    def on_engaged(self, callback: Callable[[], None]) -> None:
        """Never call back."""

    def on_disengaged(self, callback: Callable[[], None]) -> None:
        """Never call back."""


class PrivacySwitch:
    """A switch or a push button between a pin and ground. Used from the event loop only.

    A pin that cannot be read counts as engaged. So does a push button from the start until its first press: what the
    last press before the restart was is not known.

    Args:
        board: The pins.
        pin: Number of its GPIO; pulled up.
        state: Gets whether it is engaged, and the fault of a switch that cannot be read.
        kind: A switch stays as it is put; each press of a button changes from engaged to not engaged, or back.
        engaged_when: Position of a switch. ``"open"``: a cut wire means privacy as well.
        protects: What is off while it is engaged.
    """

    def __init__(
        self,
        board: PinBoard,
        pin: int,
        state: RobotState,
        *,
        kind: Literal["switch", "button"] = "switch",
        engaged_when: Literal["open", "closed"] = "open",
        protects: Protected = CAMERA,
    ) -> None:
        self._board = board
        self._pin = pin
        self._state = state
        self._kind = kind
        self._engaged_when = engaged_when
        self._protects = protects
        self._name = f"The {protects.switch} {kind} on GPIO{pin}"
        self._input: Any = None
        self._callbacks: dict[bool, list[Callable[[], None]]] = {True: [], False: []}
        self._engaged = True
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Task[None] | None = None
        self._changed_again = False

    @property
    def engaged(self) -> bool:
        """The device must be off."""
        return self._engaged

    def on_engaged(self, callback: Callable[[], None]) -> None:
        """Call back whenever the switch is engaged."""
        self._callbacks[True].append(callback)

    def on_disengaged(self, callback: Callable[[], None]) -> None:
        """Call back whenever the switch is disengaged."""
        self._callbacks[False].append(callback)

    async def open(self) -> None:
        """Open the pin and read the switch. A failure is reported in the state: the robot runs with the device off."""
        try:
            await self._open()
            if self._kind == "switch":
                await self._read()
            else:
                self._set(engaged=True)
        except DeviceError as error:
            self._cannot_be_read(error)

    async def close(self) -> None:
        """Close the pin; from now on the switch counts as engaged."""
        self._engaged = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
        if self._input is not None:
            await self._board.discard(self._input)
            self._input = None

    async def check(self) -> None:
        """Read the switch now: the pin decides, not the last event.

        Raises:
            NotReadyError: It is engaged, or cannot be read.
        """
        try:
            await self._open()
            if self._kind == "switch":
                await self._read()
        except DeviceError as error:
            self._cannot_be_read(error)
            raise NotReadyError(
                f"The {self._protects.device} stays off, because the {self._protects.switch} {self._kind} cannot be "
                f"read: {error.message}",
                remedy=error.remedy,
            ) from error
        if self._engaged:
            raise NotReadyError(
                f"The {self._protects.switch} switch of the robot is engaged: the {self._protects.device} is off, and "
                "nobody can switch it on from afar.",
                remedy=f"Only a person at the robot can disengage it: GPIO{self._pin}.",
            )

    async def _open(self) -> None:
        if self._input is None:
            self._input = await self._board.make(self._name, self._build)

    def _build(self, gpiozero: Any, factory: Any) -> Any:
        made = gpiozero.Button(self._pin, pull_up=True, bounce_time=_BOUNCE_S, pin_factory=factory)
        # gpiozero calls these in a thread of its own.
        made.when_pressed = lambda: self._from_thread(closed=True)
        made.when_released = lambda: self._from_thread(closed=False)
        return made

    def _from_thread(self, *, closed: bool) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_change, closed)

    def _on_change(self, closed: bool) -> None:
        if self._input is None:
            return
        if self._kind == "button":
            if closed:
                self._set(engaged=not self._engaged)
            return
        if self._means_engaged(closed=closed):
            self._set(engaged=True)
        # It may be back in its old position already: the pin decides.
        self._read_soon()

    def _read_soon(self) -> None:
        self._changed_again = True
        if self._reading is None:
            self._reading = self._loop.create_task(self._read_again(), name=f"{self._protects.switch} switch")

    async def _read_again(self) -> None:
        try:
            while self._changed_again:
                self._changed_again = False
                await self._read()
        except DeviceError as error:
            self._cannot_be_read(error)
        finally:
            self._reading = None

    async def _read(self) -> None:
        closed = await self._board.call(self._name, lambda switch: bool(switch.is_pressed), self._input)
        self._set(engaged=self._means_engaged(closed=closed))

    def _means_engaged(self, *, closed: bool) -> bool:
        return closed == (self._engaged_when == "closed")

    def _cannot_be_read(self, error: DeviceError) -> None:
        logger.error("%s The %s stays off.", error, self._protects.device)
        self._set(engaged=True, error=str(error))

    def _set(self, *, engaged: bool, error: str = "") -> None:
        before, self._engaged = self._engaged, engaged
        with act_for(""):  # a person at the robot did it, not the agent served at that moment
            if engaged is not before:
                for callback in self._callbacks[engaged]:
                    callback()
            self._state.set_fault(self._protects.switch_fault, error, **{self._protects.engaged: engaged})
