"""Keeps the robot's services running: one that crashes is reported and started again, and the others don't notice.

A service that keeps crashing ends them all with an error, and so the process with a status other than 0: a service
manager then starts it anew (``Restart=`` in systemd.service(5)). That is the last resort. A service that something
outside stands in the way of, such as a port that is taken, is tried for as long as it takes.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from robot_node.core.backoff import Crashes, RestartPolicy
from robot_node.core.state import RobotState
from robot_node.errors import RobotNodeError, ServiceError, SettingsError

logger = logging.getLogger(__name__)

Service = Callable[[], Coroutine[Any, Any, None]]
"""Begins to run a service; called again after each crash. A service that returns has done its work."""

_LONGEST_REASON = 300


class Supervisor:
    """Runs services until it is cancelled or all have done their work: ``async with Supervisor(state) as services:``.

    Whatever crash of a service is ours to mend: every ``Exception``, and a cancellation that nobody asked for. Wrong
    settings are not: a :class:`SettingsError` ends all services at once. So does a :class:`ServiceError`, by which a
    service says that it has tried by itself in vain. Any other :class:`RobotNodeError` names what stands in the way:
    a new process would find it there as well, so that it never is one crash too many.

    Args:
        state: Told of what crashed, in ``faults``, until it has run for ``policy.stable_after_s``.
        policy: When a crashed service is started again.
        random: Where the jitter of the delays comes from.
        clock: Monotonic time in seconds; the event loop's by default.
        sleep: Waits for some seconds.

    Raises:
        ServiceError: at the end of the block: a service crashed too often, or raised it.
        SettingsError: at the end of the block: a service cannot run with these settings.
    """

    def __init__(
        self,
        state: RobotState,
        *,
        policy: RestartPolicy = RestartPolicy(),
        random: random.Random | None = None,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = state
        self._policy = policy
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._sleep = sleep
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            cause = _leaf(group)
            if isinstance(cause, RobotNodeError):  # its text says it all
                raise cause from cause.__cause__
            raise

    def run(self, name: str, service: Service) -> None:
        """Run a service in a task of its own.

        Args:
            name: Its name in the log and in the faults of the state, e.g. ``"reactions"``; no device has the same.
            service: Begins to run it.
        """
        self._group.create_task(self._supervise(name, service), name=name)

    async def _supervise(self, name: str, service: Service) -> None:
        crashes = Crashes(self._policy, self._random or random.Random())  # noqa: S311  # jitter
        last = ""
        while True:
            began = self._clock()
            recovered = self._loop.call_later(self._policy.stable_after_s, self._works, name)
            try:
                await service()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # whatever it is: see the class
                crash = _crash(name, error)
            else:
                self._works(name)
                return
            finally:
                recovered.cancel()
            reason, hindered = _reason(crash), _is_hindrance(crash)
            delay = crashes.next_delay(began=began, now=self._clock(), counted=not hindered)
            if delay is None:
                raise _too_often(name, reason, self._policy) from crash
            is_news, last = reason != last, reason
            if hindered:
                self._tell_hindered(name, str(_leaf(crash)), is_news=is_news)
            else:
                # The same crash again says nothing new: its traceback is in the log already.
                trace = crash if is_news else None
                logger.error("The service %s crashed: %s. Next start in %.1f s.", name, reason, delay, exc_info=trace)
                self._state.set_fault(name, f"The service {name} crashed: {reason}.")
            await self._sleep(delay)

    def _tell_hindered(self, name: str, why: str, *, is_news: bool) -> None:
        fault = f"The service {name} does not work: {why}"
        if is_news:
            logger.error("%s It is tried again.", fault)
        self._state.set_fault(name, fault)

    def _works(self, name: str) -> None:
        self._state.set_fault(name, "")


def _is_hindrance(crash: BaseException) -> bool:
    """Nothing but errors that name what stands in the way; no mistake of ours is among them."""
    if isinstance(crash, BaseExceptionGroup):
        return crash.split(RobotNodeError)[1] is None
    return isinstance(crash, RobotNodeError)


def _crash(name: str, error: BaseException) -> BaseException:
    """Return what a service ended with, if it is a crash; else raise it.

    Raises:
        CancelledError: we are to stop, whatever the service said to that.
        SettingsError: another start would change nothing.
        ServiceError: the service has tried by itself, and only a new process may help.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        if not isinstance(error, asyncio.CancelledError):
            logger.error("The service %s failed while it was stopped", name, exc_info=error)
        raise asyncio.CancelledError
    cause = _leaf(error)
    if isinstance(cause, SettingsError | ServiceError):
        raise cause
    return error


def _leaf(error: BaseException) -> BaseException:
    """The first error in a group of groups: the others are mostly its consequences."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _reason(error: BaseException) -> str:
    cause = _leaf(error)
    return f"{type(cause).__name__}: {cause}".rstrip(" .:")[:_LONGEST_REASON]


def _too_often(name: str, reason: str, policy: RestartPolicy) -> ServiceError:
    return ServiceError(
        f"The service {name} crashed {policy.most_crashes} times within {policy.window_s:g} s, the last time by "
        f"{reason}.",
        remedy="Its tracebacks are in the log. The robot ends, so that its service manager starts it anew.",
    )
