"""systemd's watchdog: it is notified while the event loop runs, the broker is reached or retried, and no device hangs.

systemd restarts a service whose notifications stop (``WatchdogSec=`` in systemd.service(5)). A loop that is blocked
sends none by itself; everything else is a :data:`Check`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.devices.worker import RunningCall, running_calls
from robot_node.mqtt import LinkStatus
from robot_node.robot import systemd

logger = logging.getLogger(__name__)

Check = Callable[[float], str]
"""Returns why the robot does not work at a monotonic time in seconds, the same text while it lasts; or nothing."""


def check_device_calls(now: float) -> str:
    """Check the calls into the libraries of all devices; only a restart can interrupt one."""
    return find_hanging_call(running_calls(), now)


def find_hanging_call(calls: Iterable[RunningCall], now: float) -> str:
    """Return a text about the first call that has exceeded its limit; empty when there is none."""
    for call in calls:
        if now - call.since > call.limit_s:
            return f"A call into the {call.device} has not returned within {call.limit_s:g} s."
    return ""


class LinkCheck:
    """Checks that a connection to the broker is up or retried.

    Args:
        name: Name of the connection, e.g. ``"MCP"``.
        limit_s: Longest time between two attempts, in seconds, an attempt included.
        clock: Monotonic time in seconds.
    """

    def __init__(self, name: str, limit_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._limit_s = limit_s
        self._clock = clock
        self._connected = False
        self._reported_at = clock()

    def report(self, status: LinkStatus) -> None:
        """Record that it has come up, or that an attempt has failed."""
        self._connected = status.connected
        self._reported_at = self._clock()

    def __call__(self, now: float) -> str:
        """Return what is wrong with it; empty if nothing is."""
        if self._connected or now - self._reported_at <= self._limit_s:
            return ""
        return f"The {self._name} connection is down, and there was no attempt to connect for {self._limit_s:g} s."


class Watchdog:
    """Decides what to send to systemd. No clock of its own.

    Args:
        checks: What must be in order.
        period_s: Seconds without notification after which systemd restarts the service.
    """

    def __init__(self, checks: Sequence[Check], period_s: float) -> None:
        self._checks = checks
        self._period_s = period_s
        self._reason = ""
        self._since = 0.0

    def tick(self, now: float) -> tuple[str, ...]:
        """Return what to send to systemd now (sd_notify(3)): the notification, or once why there is none."""
        reason = next((reason for check in self._checks if (reason := _ask(check, now))), "")
        before, self._reason = self._reason, reason
        if not reason:
            if not before:
                return ("WATCHDOG=1",)
            logger.info("Health restored; watchdog notifications resumed.")
            return ("WATCHDOG=1", "STATUS=Health restored.")
        if not before:
            self._since = now
        if reason != before:
            logger.error("%s If this lasts, systemd restarts the robot.", reason)
            return (f"STATUS={reason}",)
        # systemd counts from READY=1 on, which may never be sent because of the call that hangs.
        return ("WATCHDOG=trigger",) if now - self._since >= self._period_s else ()


def _ask(check: Check, now: float) -> str:
    try:
        return check(now)
    except Exception as error:  # noqa: BLE001  # a check that fails has not passed
        return f"A check of the watchdog crashed: {type(error).__name__}: {str(error).rstrip('.')}."


@contextlib.asynccontextmanager
async def notifications(checks: Sequence[Check], *, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[None]:
    """Notify systemd's watchdog within this block; without systemd, or without ``WatchdogSec=``, do nothing.

    Args:
        checks: What must be in order.
        clock: Monotonic time in seconds.
    """
    period_s = systemd.watchdog_period_s()
    if period_s is None:
        yield
        return
    notifying = asyncio.create_task(_notify(Watchdog(checks, period_s), period_s / 2, clock), name="watchdog")
    try:
        yield
    finally:
        await cancel_and_wait(notifying)


async def _notify(watchdog: Watchdog, interval_s: float, clock: Callable[[], float]) -> None:
    while True:
        if assignments := watchdog.tick(clock()):
            systemd.notify(*assignments)
        await asyncio.sleep(interval_s)
