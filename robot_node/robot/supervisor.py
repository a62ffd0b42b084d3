"""Supervision of the robot's services: one that crashes is reported and restarted, and the others go on.

A service that keeps crashing ends them all with an error, and so the process with a status other than 0: a service
manager then restarts it (``Restart=`` in systemd.service(5)). That is the last resort. A service that is blocked from
outside, for example by a port in use, is retried for as long as it takes.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from robot_node.core.asyncio_tools import first_error
from robot_node.core.backoff import Crashes, RestartPolicy
from robot_node.core.state import RobotState
from robot_node.errors import RobotNodeError, ServiceError, SettingsError

logger = logging.getLogger(__name__)

Service = Callable[[], Coroutine[Any, Any, None]]
"""Runs a service; called again after each crash. A service that returns is finished."""

_LONGEST_REASON = 300


class Supervisor:
    """Runs services until it is cancelled or all are finished: ``async with Supervisor(state) as services:``.

    A service is restarted after any ``Exception``, and after a cancellation that nobody requested. Wrong settings are
    an exception: a :class:`SettingsError` ends all services at once. So does a :class:`ServiceError`, by which a
    service gives up. Any other :class:`RobotNodeError` names what blocks the service: a new process would find it as
    well, so that it does not count as a crash.

    Args:
        state: A crash is a fault in it until the service has run for ``policy.stable_after_s``.
        policy: When a crashed service is restarted.
        random: Source of the jitter of the delays.
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
            cause = first_error(group)
            if isinstance(cause, RobotNodeError):  # its text says it all
                raise cause from cause.__cause__
            raise

    def run(self, name: str, service: Service) -> None:
        """Run a service in a task of its own.

        Args:
            name: Its name in the log and in the faults of the state, e.g. ``"reactions"``; no device has the same.
            service: Runs it.
        """
        self._group.create_task(self._supervise(name, service), name=name)

    async def _supervise(self, name: str, service: Service) -> None:
        crashes = Crashes(self._policy, self._random or random.Random())  # noqa: S311  # jitter
        last = ""
        while True:
            began = self._clock()
            recovered = self._loop.call_later(self._policy.stable_after_s, self._clear_fault, name)
            try:
                await service()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # any error: see the class
                crash = _crash(name, error)
            else:
                self._clear_fault(name)
                return
            finally:
                recovered.cancel()
            reason, blocked = _reason(crash), _is_blocked(crash)
            delay = crashes.next_delay(began=began, now=self._clock(), counted=not blocked)
            if delay is None:
                raise _too_often(name, reason, self._policy) from crash
            is_news, last = reason != last, reason
            if blocked:
                self._report_blocked(name, str(first_error(crash)), is_news=is_news)
            else:
                # The traceback of the same crash is in the log already.
                trace = crash if is_news else None
                logger.error("The service %s crashed: %s. Next start in %.1f s.", name, reason, delay, exc_info=trace)
                self._state.set_fault(name, f"The service {name} crashed: {reason}.")
            await self._sleep(delay)

    def _report_blocked(self, name: str, why: str, *, is_news: bool) -> None:
        fault = f"The service {name} does not work: {why}"
        if is_news:
            logger.error("%s It is tried again.", fault)
        self._state.set_fault(name, fault)

    def _clear_fault(self, name: str) -> None:
        self._state.set_fault(name, "")


def _is_blocked(crash: BaseException) -> bool:
    """Return whether all errors name what blocks the service; none is a bug."""
    if isinstance(crash, BaseExceptionGroup):
        return crash.split(RobotNodeError)[1] is None
    return isinstance(crash, RobotNodeError)


def _crash(name: str, error: BaseException) -> BaseException:
    """Return the error that a service ended with, if it is a crash; else raise it.

    Raises:
        CancelledError: the supervisor is being stopped, however the service reacted.
        SettingsError: a restart would change nothing.
        ServiceError: the service has given up, and only a new process may help.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        if not isinstance(error, asyncio.CancelledError):
            logger.error("The service %s failed while it was stopped", name, exc_info=error)
        raise asyncio.CancelledError
    cause = first_error(error)
    if isinstance(cause, SettingsError | ServiceError):
        raise cause
    return error


def _reason(error: BaseException) -> str:
    cause = first_error(error)
    return f"{type(cause).__name__}: {cause}".rstrip(" .:")[:_LONGEST_REASON]


def _too_often(name: str, reason: str, policy: RestartPolicy) -> ServiceError:
    return ServiceError(
        f"The service {name} crashed {policy.most_crashes} times within {policy.window_s:g} s, the last time by "
        f"{reason}.",
        remedy="Its tracebacks are in the log. The robot ends, so that its service manager restarts it.",
    )
