"""The camera's watchdog: restarts a camera that stalls, and retries one that is to be on from the robot's start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from robot_node.core.backoff import Backoff, Crashes, RestartPolicy
from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.devices.camera.capture import AbsentError
from robot_node.devices.camera.unclosed import HeldError
from robot_node.errors import DeviceError, NotReadyError, ServiceError

logger = logging.getLogger(__name__)

ATTEMPTS = 10
"""Attempts to restart a camera that has stalled. If all of them fail, the robot ends."""

RESTARTS = RestartPolicy(initial_s=1.0, maximum_s=10.0, stable_after_s=60.0, most_crashes=20, window_s=300.0)
"""Restarts of a camera that stalls again and again: at the twentieth stall within five minutes the robot ends."""

_CHECKS_PER_LIMIT = 3
"""A single check may come too early, e.g. after the machine slept."""


class Startable(Protocol):
    """A camera that can be switched on, see :class:`robot_node.devices.camera.Camera`."""

    async def start(self) -> None:
        """Switch it on."""


class Restartable(Protocol):
    """A camera that can be checked and restarted, see :class:`robot_node.devices.camera.Camera`."""

    async def is_delivering_frames(self) -> bool | None:
        """Whether frames have come since the last call."""

    async def restart(self) -> None:
        """Restart it."""


class StallDetector:
    """Detects a stall of the camera from the results of checks.

    Args:
        limit_s: Seconds without a frame that make a stall.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._last_frame: float | None = None
        self._missed = 0

    def update(self, now: float, *, frame_arrived: bool | None) -> bool:
        """Add the result of a check; return whether the camera has stalled.

        Args:
            now: In seconds of a monotonic clock.
            frame_arrived: Whether frames have come since the last check; None when none were expected.
        """
        if frame_arrived is not False or self._last_frame is None:
            self._last_frame, self._missed = now, 0
            return False
        self._missed += 1
        return self._missed >= 2 and now - self._last_frame >= self._limit_s


async def restart_when_stalled(
    camera: Restartable,
    limit_s: float,
    *,
    attempts: int = ATTEMPTS,
    policy: RestartPolicy = RESTARTS,
    clock: Callable[[], float] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Restart a stalled camera, until cancelled.

    Args:
        camera: The camera.
        limit_s: Seconds without a frame after which it is restarted.
        attempts: Attempts of one restart.
        policy: How often it may stall, and the delays after a failed attempt.
        clock: Monotonic time in seconds; the event loop's by default.
        sleep: Waits for some seconds.

    Raises:
        ServiceError: It stalls again and again, or cannot be switched on again.
    """
    clock = clock or asyncio.get_running_loop().time
    crashes = Crashes(policy)
    while True:
        began = clock()
        reason = await _stall(camera, limit_s, clock, sleep)
        for attempt in range(1, attempts + 1):
            delay = crashes.next_delay(began=began, now=clock())
            if delay is None:
                raise _given_up(f"It stalled {policy.most_crashes} times within {policy.window_s:g} s.", reason)
            logger.warning("Restarting the camera: %s", reason)
            try:
                await camera.restart()
                break
            except NotReadyError as error:
                logger.info("The camera is not restarted: %s", error)
                break
            except AbsentError as error:
                logger.warning("The camera is restarted when it is there again: %s", error)
                await _restart_when_there(
                    camera, Backoff(initial_s=policy.initial_s, maximum_s=policy.maximum_s), sleep
                )
                break
            except DeviceError as error:  # the camera has logged and reported it
                reason = str(error)
                if attempt == attempts:
                    raise _given_up(f"{attempts} attempts to restart it failed.", reason) from error
                if not isinstance(error, HeldError):  # that has waited: it is free as soon as the call returns
                    await sleep(delay)


async def _restart_when_there(camera: Restartable, backoff: Backoff, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Restart an unplugged camera once it is plugged in, however long that takes: to end the robot would not help."""
    while True:
        await sleep(backoff.next_delay())
        try:
            await camera.restart()
        except AbsentError:
            continue
        except (NotReadyError, DeviceError) as error:  # as with any other restart
            logger.info("The camera is not restarted yet: %s", error)
        return


async def switch_on_at_start(
    camera: Startable,
    state: RobotState,
    *,
    name: str = "",
    backoff: Backoff | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Switch the camera on at the robot's start, and retry until it is on or was switched on or off by others.

    After a power cut the camera's driver may be later than the robot, and a cable may be fixed at any time.

    Args:
        camera: The camera, not switched on yet.
        state: The robot's state, with the camera's.
        name: The camera's name there; empty for the first.
        backoff: Delays between the attempts.
        sleep: Waits for some seconds.
    """
    backoff = backoff or Backoff(initial_s=5.0, maximum_s=600.0)
    last, decided = "", False

    def note(snapshot: RobotSnapshot) -> None:
        nonlocal decided
        # Not the camera's state: a photo between two attempts leaves it off, and has decided nothing.
        decided = decided or snapshot.view_of_camera(name).wanted is not None

    with contextlib.ExitStack() as listening:
        listening.callback(state.listen(note))
        while not decided:
            try:
                await camera.start()
            except NotReadyError as error:  # the privacy switch: a person decides
                logger.warning("The camera stays off at start: %s", error)
                return
            except DeviceError as error:  # it is in the state, too
                if last != (last := str(error)):
                    logger.error("The camera cannot be switched on at start; retrying: %s", error)
                if isinstance(error, HeldError):
                    continue  # it has waited already, and the camera may be free at any moment
            else:
                return
            await sleep(backoff.next_delay())


async def _stall(
    camera: Restartable, limit_s: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
) -> str:
    """Wait until the camera stalls, and return the reason for a restart."""
    detector = StallDetector(limit_s)
    while True:
        await sleep(limit_s / _CHECKS_PER_LIMIT)
        try:
            if detector.update(clock(), frame_arrived=await camera.is_delivering_frames()):
                return f"It has delivered no picture for {limit_s:g} s."
        except DeviceError as error:  # its library hangs
            return str(error)


def _given_up(history: str, reason: str) -> ServiceError:
    return ServiceError(
        f"The camera does not work any more. {history} {reason}",
        remedy="The robot ends, so that its service manager restarts it. If that does not help: check the ribbon "
        "cable, with the power off.",
    )
