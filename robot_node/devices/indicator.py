"""Indicator LEDs: they show everybody near the robot that its camera or microphone is in use. No tool reaches them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from robot_node.core.state import RobotState
from robot_node.devices.pins import PinBoard
from robot_node.devices.protected import CAMERA, Protected
from robot_node.errors import DeviceError

_CHECK_LED = "Check the LED, its resistor and its wiring."


class Indicator(Protocol):
    """An indicator of use, as the camera or the microphone needs it."""

    async def light(self, *, lit: bool) -> None:
        """Switch it on or off.

        Raises:
            DeviceError: It cannot be lit: the device must not be started.
        """

    def on_failure(self, callback: Callable[[DeviceError], None]) -> None:
        """Call back when it is dark, or cannot be read any more, while it should be lit."""


class NoIndicator:
    """A robot without indicator LED."""

    async def light(self, *, lit: bool) -> None:
        """Show nothing."""

    def on_failure(self, callback: Callable[[DeviceError], None]) -> None:
        """Never call back."""


class IndicatorLed:
    """An LED on a pin. While it is lit, the pin is read periodically.

    That detects a pin held at the other level (a short circuit, another program), or one that cannot be read; not an
    LED that burnt out.

    Args:
        board: The pins.
        pin: Number of its GPIO.
        state: Where a pin that cannot be used is reported.
        active_high: A high level lights it.
        check_s: How often it is read while it is lit, in seconds.
        shows: What is in use while it is lit.
    """

    def __init__(
        self,
        board: PinBoard,
        pin: int,
        state: RobotState,
        *,
        active_high: bool = True,
        check_s: float = 1.0,
        shows: Protected = CAMERA,
    ) -> None:
        self._board = board
        self._pin = pin
        self._state = state
        self._active_high = active_high
        self._check_s = check_s
        self._led: Any = None
        self._callbacks: list[Callable[[DeviceError], None]] = []
        self._watching: asyncio.Task[None] | None = None
        self._shows = shows
        self._name = f"The {shows.led} on GPIO{pin}"

    async def open(self) -> None:
        """Open the pin; the LED is dark. Does nothing when it is open.

        Raises:
            DeviceError: The pin cannot be used.
        """
        if self._led is None:
            try:
                self._led = await self._board.make(
                    self._name,
                    lambda gpio, factory: gpio.LED(self._pin, active_high=self._active_high, pin_factory=factory),
                )
            except DeviceError as error:
                self._state.set_fault(self._shows.led, str(error))
                raise
            self._state.set_fault(self._shows.led, "")

    async def close(self) -> None:
        """Stop reading the pin; it is closed with the board."""
        self._stop_watching()

    def on_failure(self, callback: Callable[[DeviceError], None]) -> None:
        """Call back when it is dark, or cannot be read any more, while it should be lit."""
        self._callbacks.append(callback)

    async def light(self, *, lit: bool) -> None:
        """Switch it on or off, and read the pin back. One that stays lit is tried again periodically.

        Raises:
            DeviceError: The pin cannot be used, or does not follow.
        """
        self._stop_watching()
        await self.open()
        try:
            await self._switch(lit=lit)
        except DeviceError:
            if not lit:
                self._watching = asyncio.create_task(self._darken(), name=self._shows.led)
            raise
        if lit:
            self._watching = asyncio.create_task(self._watch(), name=self._shows.led)

    async def _switch(self, *, lit: bool) -> None:
        def follows() -> bool:
            self._led.value = lit
            return bool(self._led.value) == lit

        if not await self._board.call(self._name, follows):
            raise DeviceError(
                f"{self._name} cannot be {'lit' if lit else 'switched off'}: the pin does not follow.",
                remedy=_CHECK_LED,
            )

    async def _darken(self) -> None:
        """Try until it is dark: an LED that is always lit tells nobody anything."""
        while True:
            await asyncio.sleep(self._check_s)
            with contextlib.suppress(DeviceError):
                return await self._switch(lit=False)

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _watch(self) -> None:
        try:
            while await self._board.call(self._name, lambda led: bool(led.value), self._led):  # noqa: ASYNC110  # a pin sends no event
                await asyncio.sleep(self._check_s)
            fault = DeviceError(f"{self._name} went off while the {self._shows.device} is on.", remedy=_CHECK_LED)
        except DeviceError as error:
            fault = DeviceError(
                f"The state of the {self._shows.led} is not known: {error.message}", remedy=error.remedy
            )
        for callback in self._callbacks:
            callback(fault)


class SharedIndicator:
    """One indicator for several cameras: on while any of them needs it.

    Args:
        indicator: The one there is.
    """

    def __init__(self, indicator: Indicator) -> None:
        self._indicator = indicator
        self._lock = asyncio.Lock()
        self._lit: set[_Share] = set()

    def share(self) -> Indicator:
        """Return the indicator for one camera."""
        return _Share(self)

    def on_failure(self, callback: Callable[[DeviceError], None]) -> None:
        """Call back when it is dark, or cannot be read any more, while it should be lit."""
        self._indicator.on_failure(callback)

    async def light(self, share: _Share, *, lit: bool) -> None:
        """Switch it on; or off, unless another camera needs it. It is read back each time that a camera needs it.

        Raises:
            DeviceError: It cannot be used, or does not follow. If it cannot be lit, no camera may capture any more.
        """
        async with self._lock:
            if not lit:
                self._lit.discard(share)
                if not self._lit:
                    await self._indicator.light(lit=False)
                return
            try:
                await self._indicator.light(lit=True)
            except DeviceError as error:
                for other in self._lit - {share}:
                    other.fail(error)
                raise
            self._lit.add(share)


class _Share:
    """A shared indicator, as one camera needs it."""

    def __init__(self, shared: SharedIndicator) -> None:
        self._shared = shared
        self._callbacks: list[Callable[[DeviceError], None]] = []

    async def light(self, *, lit: bool) -> None:
        await self._shared.light(self, lit=lit)

    def on_failure(self, callback: Callable[[DeviceError], None]) -> None:
        self._callbacks.append(callback)
        self._shared.on_failure(callback)

    def fail(self, error: DeviceError) -> None:
        for callback in self._callbacks:
            callback(error)
