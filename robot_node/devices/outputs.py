"""Outputs on pins: LEDs, buzzers, servos and motors, each with a name."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from robot_node.core.state import RobotState
from robot_node.devices.leds import Led, RgbLed
from robot_node.devices.motion import Bounds, Mover
from robot_node.devices.pin_output import PinOutput
from robot_node.devices.pins import PinBoard
from robot_node.errors import DeviceError, NotReadyError, SettingsError
from robot_node.settings.pins import (
    BuzzerSettings,
    LedSettings,
    MotorSettings,
    PinsSettings,
    RgbLedSettings,
    ServoSettings,
)

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Buzzer(PinOutput):
    """A buzzer.

    Args:
        board: The pins.
        name: What it is called.
        settings: Its pin.
        state: Where its fault is reported.
        sleep: Waits for some seconds.
    """

    def __init__(
        self, board: PinBoard, name: str, settings: BuzzerSettings, state: RobotState, *, sleep: Sleep
    ) -> None:
        super().__init__(board, name, settings, state)
        self.settings = settings
        self._sleep = sleep
        self._sounding: asyncio.Task[None] | None = None
        self._owner: object = None

    @property
    def value(self) -> bool:
        """Whether it sounds."""
        return self._sounding is not None and not self._sounding.done()

    async def beep(self, duration_s: float, times: int = 1, *, owner: object = None) -> None:
        """Start a number of beeps, with pauses of the same length; replaces the current ones.

        Raises:
            DeviceError: The pin cannot be used.
        """
        await self.open()
        while self.stop():  # again if another beep has started meanwhile
            await self.finished()
        self._owner = owner
        self._sounding = asyncio.create_task(self._sound(duration_s, times), name=f"buzzer {self.name}")

    async def finished(self) -> None:
        """Return when these beeps have ended."""
        if self._sounding is not None:
            await asyncio.wait((self._sounding,))

    def stop(self, owner: object = None) -> bool:
        """Stop beeping at once; return whether it was beeping.

        Args:
            owner: Stop only beeps of this owner; None stops any.
        """
        task = self._sounding
        if task is None or task.done() or (owner is not None and self._owner is not owner):
            return False
        return task.cancel()

    async def close(self) -> None:
        """Stop beeping, and wait until it has stopped."""
        self.stop()
        await self.finished()

    async def _sound(self, duration_s: float, times: int) -> None:
        try:
            for number in range(times):
                if number:
                    await self._sleep(duration_s)
                await self._set("value", True)
                await self._sleep(min(duration_s, self.settings.max_duration_s))
                await self._set("value", False)
        except DeviceError as error:
            logger.error("%s", error)
        except asyncio.CancelledError:
            await self._set("value", False)
            raise

    def _build(self, gpiozero: Any, factory: Any) -> Any:
        return gpiozero.Buzzer(self.settings.pin, active_high=self.settings.active_high, pin_factory=factory)


class Servo(PinOutput):
    """A servo. It has no power until its first movement, which starts from ``start_angle``.

    Args:
        board: The pins.
        name: What it is called.
        settings: Its pin and limits.
        state: Where its fault is reported.
        clock: Monotonic time in seconds.
        sleep: Waits for some seconds.
    """

    def __init__(
        self, board: PinBoard, name: str, settings: ServoSettings, state: RobotState, *, clock: Clock, sleep: Sleep
    ) -> None:
        super().__init__(board, name, settings, state)
        self.settings = settings
        bounds = Bounds(*settings.range, rate=settings.max_speed)
        self.mover = Mover(name, self._turn, bounds, start=settings.start_angle, rest=None, clock=clock, sleep=sleep)

    @property
    def value(self) -> float:
        """Its angle in degrees; before its first movement the one that it starts from."""
        return round(self.mover.value, 1)

    async def turn(self, angle: float, duration_s: float | None = None, *, owner: object = None) -> bool:
        """Turn to an angle, no faster than the settings allow.

        Args:
            angle: In degrees, within the settings' limits.
            duration_s: How long it takes, if that is possible; by default as fast as allowed.
            owner: On whose behalf.

        Returns:
            Whether the angle was reached; False when another caller moved or stopped it.

        Raises:
            SettingsError: The angle is out of the limits.
            DeviceError: The pin cannot be used.
        """
        return await asyncio.shield(await self.begin(angle, duration_s, owner=owner))

    async def begin(
        self, angle: float, duration_s: float | None = None, *, owner: object = None
    ) -> asyncio.Future[bool]:
        """Start :meth:`turn`; return a future with its result."""
        self.check(angle)
        await self.open()
        way = abs(angle - self.mover.value)
        rate = way / duration_s if duration_s and way else None
        return self.mover.order(angle, owner=owner, rate=rate)

    def check(self, angle: float) -> None:
        """Check that an angle is within the limits.

        Raises:
            SettingsError: It is not.
        """
        low, high = self.settings.range
        if not low <= angle <= high:
            raise SettingsError(f"The servo {self.name!r} turns from {low:g} to {high:g} degrees, not to {angle:g}.")

    async def _turn(self, angle: float) -> None:
        await self._set("angle", angle)

    def _build(self, gpiozero: Any, factory: Any) -> Any:
        settings = self.settings
        return gpiozero.AngularServo(
            settings.pin,
            initial_angle=None,
            min_angle=settings.angles[0],
            max_angle=settings.angles[1],
            min_pulse_width=settings.pulses_ms[0] / 1000,
            max_pulse_width=settings.pulses_ms[1] / 1000,
            pin_factory=factory,
        )


class Motor(PinOutput):
    """A motor. It always stops by itself.

    Args:
        board: The pins.
        name: What it is called.
        settings: Its pins and limits.
        state: Where its fault is reported.
        clock: Monotonic time in seconds.
        sleep: Waits for some seconds.
    """

    def __init__(
        self, board: PinBoard, name: str, settings: MotorSettings, state: RobotState, *, clock: Clock, sleep: Sleep
    ) -> None:
        super().__init__(board, name, settings, state)
        self.settings = settings
        bounds = Bounds(-settings.max_speed, settings.max_speed, rate=settings.max_acceleration)
        self.mover = Mover(name, self._drive, bounds, start=0.0, rest=0.0, clock=clock, sleep=sleep)

    @property
    def value(self) -> float:
        """Its speed: -1 full speed back, 1 full speed ahead."""
        return round(self.mover.value, 2)

    async def drive(
        self, speed: float, duration_s: float, *, owner: object = None, renew: bool = False
    ) -> asyncio.Future[bool]:
        """Begin to drive; afterwards it slows down and stops.

        Args:
            speed: -1 full speed back, 1 full speed ahead, within the settings' limit.
            duration_s: For how many seconds, within the settings' limit.
            owner: On whose behalf.
            renew: Only go on with what this owner began: not after its time, a stop, or another owner's order.

        Returns:
            Whether it drove so long; False when somebody else drove or stopped it.

        Raises:
            SettingsError: A limit is exceeded.
            DeviceError: The pins cannot be used.
            NotReadyError: There is nothing to renew.
        """
        if abs(speed) > self.settings.max_speed:
            raise SettingsError(f"The motor {self.name!r} drives at {self.settings.max_speed:g} at most.")
        if not 0 < duration_s <= self.settings.max_duration_s:
            raise SettingsError(f"The motor {self.name!r} drives for {self.settings.max_duration_s:g} s at most.")
        await self.open()
        if renew and not self.mover.obeys(owner):
            raise NotReadyError(
                f"The motor {self.name!r} no longer drives for this caller: its time was over, or others have stopped"
                " or driven it.",
                remedy="Call without renew to drive it again.",
            )
        return self.mover.order(speed, owner=owner, hold_s=duration_s)

    async def _drive(self, speed: float) -> None:
        await self._set("value", speed)

    def _build(self, gpiozero: Any, factory: Any) -> Any:
        ahead, back = self.settings.pins
        return gpiozero.Motor(ahead, back, enable=self.settings.enable_pin, pwm=True, pin_factory=factory)


class Outputs:
    """All outputs of a robot. Used from the event loop only.

    Args:
        board: The pins.
        settings: What there is.
        state: Where faults are reported.
        clock: Monotonic time in seconds.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        board: PinBoard,
        settings: PinsSettings,
        state: RobotState,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.leds: dict[str, Led | RgbLed] = {}
        self.buzzers: dict[str, Buzzer] = {}
        self.servos: dict[str, Servo] = {}
        self.motors: dict[str, Motor] = {}
        for name, output in settings.outputs.items():
            match output:
                case LedSettings():
                    self.leds[name] = Led(board, name, output, state)
                case RgbLedSettings():
                    self.leds[name] = RgbLed(board, name, output, state)
                case BuzzerSettings():
                    self.buzzers[name] = Buzzer(board, name, output, state, sleep=sleep)
                case ServoSettings():
                    self.servos[name] = Servo(board, name, output, state, clock=clock, sleep=sleep)
                case MotorSettings():
                    self.motors[name] = Motor(board, name, output, state, clock=clock, sleep=sleep)
        self.pan_tilt = (self.servos[settings.pan], self.servos[settings.tilt]) if settings.pan else None

    async def open(self) -> tuple[DeviceError, ...]:
        """Open all outputs; return the errors. Failed ones are retried when they are used."""
        failed = []
        for output in itertools.chain(*self._all()):
            try:
                await output.open()
            except DeviceError as error:
                failed.append(error)
        return tuple(failed)

    def values(self) -> dict[str, bool | float | str]:
        """Return what each output does now, by name."""
        return {output.name: output.value for output in itertools.chain(*self._all())}

    @property
    def moving(self) -> bool:
        """Whether a servo or a motor is moving."""
        movers = (each.mover for kind in (self.servos, self.motors) for each in kind.values())
        return any(mover.moving for mover in movers)

    def stop_all(self, owner: object = None) -> tuple[str, ...]:
        """Stop everything that moves or makes sound at once; LEDs stay as they are.

        Args:
            owner: Stop only movements and beeps of this owner.

        Returns:
            The names of the stopped outputs.
        """
        moving: Iterable[tuple[str, Mover | Buzzer]] = (
            *((name, servo.mover) for name, servo in self.servos.items()),
            *((name, motor.mover) for name, motor in self.motors.items()),
            *self.buzzers.items(),
        )
        return tuple(name for name, mover in moving if mover.stop(owner))

    async def close(self) -> None:
        """Stop everything that moves or makes sound, and wait until it has stopped."""
        for servo in self.servos.values():
            await servo.mover.close()
        for motor in self.motors.values():
            await motor.mover.close()
        for buzzer in self.buzzers.values():
            await buzzer.close()

    def _all(self) -> Iterable[Iterable[PinOutput]]:
        kinds: tuple[Mapping[str, PinOutput], ...] = (self.leds, self.buzzers, self.servos, self.motors)
        return (kind.values() for kind in kinds)
