"""Slew-rate limited values: a servo's angle, a motor's speed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

STEP_S = 0.02
"""Time between steps: the period of a servo's pulses."""

_LONGEST_STEP_S = 2 * STEP_S
"""Longest time that counts for a step: after a delay the motion takes longer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Range and slew rate of a value.

    Attributes:
        low: Lowest value.
        high: Highest value.
        rate: Highest change per second.
    """

    low: float
    high: float
    rate: float

    def clamp(self, value: float) -> float:
        """Return the nearest allowed value."""
        return min(max(value, self.low), self.high)


def advance(value: float, target: float, rate: float, elapsed_s: float) -> float:
    """Return the value after a step towards its target."""
    reach = rate * min(max(elapsed_s, 0.0), _LONGEST_STEP_S)
    return target if abs(target - value) <= reach else value + (reach if target > value else -reach)


@dataclass(eq=False, slots=True)
class _Order:
    """The latest order."""

    target: float
    rate: float
    until: float | None
    owner: object
    done: asyncio.Future[bool]


class Mover:
    """Moves a value to its target in steps. Used from the event loop only.

    A new order replaces the current one. An order ends when its target is reached, when it is replaced, or by
    :meth:`stop`.

    Args:
        name: What moves, for errors.
        write: Sets the value; raises DeviceError.
        bounds: Range and slew rate.
        start: The first value.
        rest: Value that :meth:`stop` and the end of an order's time set at once; None keeps the current one.
        clock: Monotonic time in seconds.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[float], Awaitable[None]],
        bounds: Bounds,
        *,
        start: float,
        rest: float | None,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.name = name
        self.bounds = bounds
        self._write = write
        self._value = bounds.clamp(start)
        self._written = False
        self._stepped_at = -math.inf
        self._rest = rest
        self._clock = clock
        self._sleep = sleep
        self._order: _Order | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def value(self) -> float:
        """The current value."""
        return self._value

    @property
    def moving(self) -> bool:
        """Whether an order is running or ending."""
        return self._task is not None

    def obeys(self, owner: object) -> bool:
        """Whether the current order is that of an owner."""
        return self._order is not None and self._order.owner is owner

    def order(
        self, target: float, *, owner: object = None, rate: float | None = None, hold_s: float | None = None
    ) -> asyncio.Future[bool]:
        """Start moving the value to a target; replaces the current order.

        Args:
            target: The target, clamped to the bounds.
            owner: Owner of the order: :meth:`stop` can be limited to one owner.
            rate: A lower rate than that of the bounds, in units per second.
            hold_s: Seconds after which the value returns to rest; by default it stays.

        Returns:
            Whether the target was reached, or held for its time; False when the order was replaced or stopped.
            DeviceError when the value could not be set.
        """
        self._finish(reached=False)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        allowed = self.bounds.rate if rate is None else min(rate, self.bounds.rate)
        until = None if hold_s is None else self._clock() + hold_s
        self._order = _Order(self.bounds.clamp(target), allowed, until, owner, done)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"motion of {self.name}")
        return done

    def stop(self, owner: object = None) -> bool:
        """Stop at once; the value goes to rest regardless of its rate.

        Args:
            owner: Stop only an order of this owner; None stops any.

        Returns:
            Whether there was anything to stop.
        """
        if self._order is None or (owner is not None and self._order.owner is not owner):
            return False
        self._finish(reached=False)
        return True

    async def close(self) -> None:
        """Stop, and wait until it has stopped."""
        self.stop()
        if self._task is not None:
            await asyncio.wait((self._task,))

    def _finish(self, *, reached: bool, error: DeviceError | None = None) -> None:
        order, self._order = self._order, None
        if order is None or order.done.done():
            return
        if error is None:
            order.done.set_result(reached)
        else:
            order.done.set_exception(error)
            order.done.exception()  # raised for a waiting caller, and logged: there may be none

    async def _run(self) -> None:
        try:
            while True:
                if (order := self._order) is None:
                    if self._rest is not None:
                        await self._set(self._rest)
                    if self._order is None:  # and there is no new order
                        return
                    continue
                now = self._clock()
                over = order.until is not None and now >= order.until
                target = self._rest if over and self._rest is not None else order.target
                # Since the last step of any order: many short orders are not faster than a long one.
                elapsed_s, self._stepped_at = now - self._stepped_at, now
                await self._set(advance(self._value, target, order.rate, elapsed_s))
                if order is not self._order:
                    continue
                if self._value == target and (over or order.until is None):
                    self._finish(reached=True)
                else:
                    await self._sleep(STEP_S)
        except DeviceError as error:
            logger.error("%s", error)
            self._finish(reached=False, error=error)
            if self._rest is not None:
                with contextlib.suppress(DeviceError):
                    await self._write(self._rest)
        finally:
            self._finish(reached=False)
            self._task = None

    async def _set(self, value: float) -> None:
        if value != self._value or not self._written:
            await self._write(value)
            self._value, self._written = value, True
