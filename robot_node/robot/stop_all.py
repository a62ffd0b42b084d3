"""Stops whatever moves or sounds: on the pins, and in the devices that other packages bring."""

from __future__ import annotations

import asyncio
import logging

from robot_node.devices.plugin import Stoppable
from robot_node.errors import DeviceError
from robot_node.robot.robot import Body

logger = logging.getLogger(__name__)

_LIMIT_S = 5.0


async def stop_all(body: Body) -> tuple[str, ...]:
    """Stop at once whatever moves or sounds, whoever set it in motion; LEDs stay as they are.

    A caller that is cancelled stops waiting; the devices stop.

    Returns:
        The names of what was moving or sounding.

    Raises:
        DeviceError: a device of another package could not be stopped, or not within 5 s; all others are.
    """
    stopped = [] if body.outputs is None else list(body.outputs.stop_all())
    failed: list[str] = []

    async def stop(name: str, device: Stoppable) -> None:
        try:
            async with asyncio.timeout(_LIMIT_S):
                if await device.stop():
                    stopped.append(name)
        except (Exception, asyncio.CancelledError) as error:  # whatever a stranger's device raises
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # it is us who are to stop
                raise
            logger.exception("The device %s could not be stopped", name)
            failed.append(f"{name} ({str(error) or type(error).__name__})")

    tasks = [
        asyncio.create_task(stop(name, device), name=f"stop {name}")
        for name, device in body.plugins.items()
        if isinstance(device, Stoppable)
    ]
    if tasks:
        # No TaskGroup: whoever asked may leave meanwhile, and what is to stop stops all the same.
        await asyncio.wait(tasks)
    if failed:
        raise DeviceError(
            f"Could not be stopped: {', '.join(failed)}. Everything else that moves or sounds is.",
            remedy="Call stop_all again; if that does not help, a person must switch its power off.",
        )
    return tuple(stopped)
