"""Feed systemd's watchdog while the robot works: its loop turns, its broker is reached or tried, no device call hangs.

systemd restarts a service that stops feeding (``WatchdogSec=`` in systemd.service(5)). A loop that turns no more feeds
nothing by itself; everything else is a :data:`Check`.
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
"""Given the monotonic time in seconds: why the robot does not work, the same text as long as it lasts; or nothing."""


def no_call_hangs(now: float) -> str:
    """Check the calls into the libraries of all devices, of which none can be interrupted but by a restart."""
    return hanging(running_calls(), now)


def hanging(calls: Iterable[RunningCall], now: float) -> str:
    """Name the first call that takes longer than it may; empty when there is none."""
    for call in calls:
        if now - call.since > call.limit_s:
            return f"A call into the {call.device} has not returned within {call.limit_s:g} s."
    return ""


class LinkCheck:
    """Whether a connection to the broker is up, or at least tried again and again.

    Args:
        name: What to call the connection, e.g. ``"MCP"``.
        limit_s: Longest time between two attempts, in seconds, an attempt included.
        clock: Monotonic time in seconds.
    """

    def __init__(self, name: str, limit_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._limit_s = limit_s
        self._clock = clock
        self._connected = False
        self._heard_at = clock()

    def report(self, status: LinkStatus) -> None:
        """Hear that it has come up, or that an attempt has failed."""
        self._connected = status.connected
        self._heard_at = self._clock()

    def __call__(self, now: float) -> str:
        """Say what is wrong with it, if anything is."""
        if self._connected or now - self._heard_at <= self._limit_s:
            return ""
        return f"The {self._name} connection is down, and nobody has tried to connect for {self._limit_s:g} s."


class Watchdog:
    """Decides what to tell systemd. No clock of its own.

    Args:
        checks: What must be well.
        period_s: After how many seconds without food systemd restarts the service.
    """

    def __init__(self, checks: Sequence[Check], period_s: float) -> None:
        self._checks = checks
        self._period_s = period_s
        self._reason = ""
        self._since = 0.0

    def tick(self, now: float) -> tuple[str, ...]:
        """What to send to systemd now (sd_notify(3)): food, or why there is none, once."""
        reason = next((reason for check in self._checks if (reason := _ask(check, now))), "")
        before, self._reason = self._reason, reason
        if not reason:
            if not before:
                return ("WATCHDOG=1",)
            logger.info("All is well again: systemd need not restart the robot")
            return ("WATCHDOG=1", "STATUS=All is well again.")
        if not before:
            self._since = now
        if reason != before:
            logger.error("%s If this lasts, systemd restarts the robot.", reason)
            return (f"STATUS={reason}",)
        # systemd counts from READY=1 on only, which may not come because of what hangs.
        return ("WATCHDOG=trigger",) if now - self._since >= self._period_s else ()


def _ask(check: Check, now: float) -> str:
    try:
        return check(now)
    except Exception as error:  # noqa: BLE001  # who cannot look cannot say that all is well
        return f"A check of the watchdog crashed: {type(error).__name__}: {str(error).rstrip('.')}."


@contextlib.asynccontextmanager
async def fed(checks: Sequence[Check], *, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[None]:
    """Feed the watchdog within this block; without systemd, or without ``WatchdogSec=``, do nothing.

    Args:
        checks: What must be well.
        clock: Monotonic time in seconds.
    """
    period_s = systemd.watchdog_period_s()
    if period_s is None:
        yield
        return
    feeding = asyncio.create_task(_feed(Watchdog(checks, period_s), period_s / 2, clock), name="watchdog")
    try:
        yield
    finally:
        await cancel_and_wait(feeding)


async def _feed(watchdog: Watchdog, interval_s: float, clock: Callable[[], float]) -> None:
    while True:
        if assignments := watchdog.tick(clock()):
            systemd.notify(*assignments)
        await asyncio.sleep(interval_s)
