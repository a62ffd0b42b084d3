"""The privacy switch: while it is engaged the camera is off, and nobody can switch it on from afar."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, Protocol

from robot_node.core.state import Device, RobotState, act_for
from robot_node.devices.pins import PinBoard
from robot_node.errors import DeviceError, NotReadyError

logger = logging.getLogger(__name__)

_BOUNCE_S = 0.05
_ENGAGED = "The privacy switch of the robot is engaged: the camera is off, and nobody can switch it on from afar."


class Privacy(Protocol):
    """What the camera asks before it sees anything."""

    @property
    def engaged(self) -> bool:
        """The camera must not see."""

    async def check(self) -> None:
        """Look at the switch now.

        Raises:
            NotReadyError: It is engaged, or cannot be read: the camera must not be switched on.
        """

    def on_engaged(self, hide: Callable[[], None]) -> None:
        """Call ``hide`` whenever the switch is engaged."""


class NoPrivacySwitch:
    """A robot without privacy switch."""

    engaged = False

    async def check(self) -> None:
        """Allow it."""

    def on_engaged(self, hide: Callable[[], None]) -> None:
        """Never call."""


class PrivacySwitch:
    """A switch or a push button between a pin and ground. Used from the event loop only.

    What cannot be read counts as engaged. So does a push button from the start until its first press: nobody knows
    what the last press before the restart was.

    Args:
        board: The pins.
        pin: Number of its GPIO; pulled up.
        state: Told whether it is engaged, and why it cannot be read.
        kind: A switch stays as it is put; each press of a button changes from engaged to not engaged, or back.
        engaged_when: Position of a switch. ``"open"``: a cut wire means privacy as well.
    """

    def __init__(
        self,
        board: PinBoard,
        pin: int,
        state: RobotState,
        *,
        kind: Literal["switch", "button"] = "switch",
        engaged_when: Literal["open", "closed"] = "open",
    ) -> None:
        self._board = board
        self._pin = pin
        self._state = state
        self._kind = kind
        self._engaged_when = engaged_when
        self._name = f"The privacy {kind} on GPIO{pin}"
        self._input: Any = None
        self._hide: list[Callable[[], None]] = []
        self._engaged = True
        self._loop = asyncio.get_running_loop()
        self._looking: asyncio.Task[None] | None = None
        self._moved_again = False

    @property
    def engaged(self) -> bool:
        """The camera must not see."""
        return self._engaged

    def on_engaged(self, hide: Callable[[], None]) -> None:
        """Call ``hide`` whenever the switch is engaged."""
        self._hide.append(hide)

    async def open(self) -> None:
        """Take the pin and look at the switch. What fails is told in the state: the robot goes on without seeing."""
        try:
            await self._open()
            if self._kind == "switch":
                await self._look()
            else:
                self._set(engaged=True)
        except DeviceError as error:
            self._cannot_be_read(error)

    async def close(self) -> None:
        """Look no more; from now on it counts as engaged."""
        self._engaged = True
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))
        if self._input is not None:
            await self._board.discard(self._input)
            self._input = None

    async def check(self) -> None:
        """Look at the switch now: the pin decides, whatever was heard of it before.

        Raises:
            NotReadyError: It is engaged, or cannot be read.
        """
        try:
            await self._open()
            if self._kind == "switch":
                await self._look()
        except DeviceError as error:
            self._cannot_be_read(error)
            raise NotReadyError(
                f"The camera stays off, because the privacy {self._kind} cannot be read: {error.message}",
                remedy=error.remedy,
            ) from error
        if self._engaged:
            raise NotReadyError(_ENGAGED, remedy=f"Only a person at the robot can disengage it: GPIO{self._pin}.")

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
            self._loop.call_soon_threadsafe(self._moved, closed)

    def _moved(self, closed: bool) -> None:
        if self._input is None:
            return
        if self._kind == "button":
            if closed:
                self._set(engaged=not self._engaged)
            return
        if self._means_engaged(closed=closed):
            self._set(engaged=True)
        # It may have been moved back already: the pin decides.
        self._look_soon()

    def _look_soon(self) -> None:
        self._moved_again = True
        if self._looking is None:
            self._looking = self._loop.create_task(self._look_again(), name="privacy switch")

    async def _look_again(self) -> None:
        try:
            while self._moved_again:
                self._moved_again = False
                await self._look()
        except DeviceError as error:
            self._cannot_be_read(error)
        finally:
            self._looking = None

    async def _look(self) -> None:
        closed = await self._board.call(self._name, lambda switch: bool(switch.is_pressed), self._input)
        self._set(engaged=self._means_engaged(closed=closed))

    def _means_engaged(self, *, closed: bool) -> bool:
        return closed == (self._engaged_when == "closed")

    def _cannot_be_read(self, error: DeviceError) -> None:
        logger.error("%s The camera stays off.", error)
        self._set(engaged=True, error=str(error))

    def _set(self, *, engaged: bool, error: str = "") -> None:
        before, self._engaged = self._engaged, engaged
        with act_for(""):  # a hand did it, whoever was asking at that moment
            if engaged and not before:
                for hide in self._hide:
                    hide()
            self._state.set_fault(Device.PRIVACY, error, privacy=engaged)
