"""A camera that is to be on and delivers no pictures is tried again; if that does not help, the robot has to be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from robot_node.core.backoff import Backoff, Crashes, RestartPolicy
from robot_node.core.state import CameraState, RobotState
from robot_node.errors import DeviceError, NotReadyError, ServiceError

logger = logging.getLogger(__name__)

ATTEMPTS = 10
"""To switch a camera on again that has stalled. If all of them fail, it is given up."""

RESTARTS = RestartPolicy(initial_s=1.0, maximum_s=10.0, stable_after_s=60.0, most_crashes=20, window_s=300.0)
"""Of a camera that stalls again after it was restarted: at the twentieth time within five minutes it is given up."""

_LOOKS = 3
"""Within the time without a picture: one look alone may have come too early, e.g. after the machine slept."""


class Startable(Protocol):
    """A camera that can be switched on, see :class:`robot_node.devices.camera.Camera`."""

    async def start(self) -> None:
        """Switch it on."""


class Restartable(Protocol):
    """What is asked of a camera that is on, see :class:`robot_node.devices.camera.Camera`."""

    async def delivers(self) -> bool | None:
        """Whether pictures have come since the last call."""

    async def restart(self) -> None:
        """Restart it."""


class Pictures:
    """Whether the camera has stalled, from what was seen at each look.

    Args:
        limit_s: For how long no picture must have come, in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since: float | None = None
        self._missed = 0

    def looked(self, now: float, *, came: bool | None) -> bool:
        """Return whether the camera has stalled.

        Args:
            now: In seconds of a monotonic clock.
            came: Whether pictures came; None when none were expected.
        """
        if came is not False or self._since is None:
            self._since, self._missed = now, 0
            return False
        self._missed += 1
        return self._missed >= 2 and now - self._since >= self._limit_s


async def restart_when_stalled(
    camera: Restartable,
    limit_s: float,
    *,
    attempts: int = ATTEMPTS,
    policy: RestartPolicy = RESTARTS,
    clock: Callable[[], float] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Look after a camera until cancelled.

    Args:
        camera: The camera.
        limit_s: After how many seconds without a picture it is restarted.
        attempts: How often it is tried to bring it back.
        policy: How often it may stall, and the delays after a restart that failed.
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
            logger.warning("The camera is restarted: %s", reason)
            try:
                await camera.restart()
                break
            except NotReadyError as error:
                logger.info("The camera is not restarted: %s", error)
                break
            except DeviceError as error:  # the camera has logged and reported it
                reason = str(error)
                if attempt == attempts:
                    raise _given_up(f"It was restarted {attempts} times in vain.", reason) from error
                await sleep(delay)


async def switch_on_at_start(
    camera: Startable,
    state: RobotState,
    *,
    backoff: Backoff | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Switch a camera on that is to be on from the robot's start.

    After a power cut its driver may be later than we are, and a cable be put right while nobody looks: it is tried
    again until it is on, or somebody has switched it on or off.

    Args:
        camera: The camera, which nobody has switched on yet.
        state: What became of it.
        backoff: Delays between the attempts.
        sleep: Waits for some seconds.
    """
    backoff = backoff or Backoff(initial_s=5.0, maximum_s=600.0)
    last = ""
    while True:
        try:
            await camera.start()
        except NotReadyError as error:  # privacy: a hand decides
            logger.warning("The camera stays off at start: %s", error)
            return
        except DeviceError as error:  # it is in the state, too
            if last != (last := str(error)):
                logger.error("The camera cannot be switched on at start, and is tried again: %s", error)
        else:
            return
        await sleep(backoff.next_delay())
        if state.snapshot.camera is not CameraState.FAILED or state.snapshot.camera_wanted is False:
            return


async def _stall(
    camera: Restartable, limit_s: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
) -> str:
    """Return why the camera has to be restarted, when it has to."""
    pictures = Pictures(limit_s)
    while True:
        await sleep(limit_s / _LOOKS)
        try:
            if pictures.looked(clock(), came=await camera.delivers()):
                return f"It has delivered no picture for {limit_s:g} s."
        except DeviceError as error:  # its library hangs
            return str(error)


def _given_up(history: str, reason: str) -> ServiceError:
    return ServiceError(
        f"The camera does not work any more. {history} {reason}",
        remedy="The robot ends, so that its service manager starts it anew. If that does not help: check the ribbon "
        "cable, with the power off.",
    )
