"""Emergency stop: stops everything that moves or makes sound."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from robot_node.devices.outputs import Outputs
from robot_node.devices.plugin import DevicePlugin, Stoppable
from robot_node.errors import DeviceError
from robot_node.robot.performer import BEHAVIOUR, Performer
from robot_node.speech.factory import Speech

logger = logging.getLogger(__name__)

STOPPED = "stopped"
"""Kind of the event: somebody has stopped what moved or sounded."""
SPEECH = "speech"
"""What speech is called among that which was stopped; a peer's sound is called as its source in the mixer."""

_LIMIT_S = 5.0


async def stop_all(
    outputs: Outputs, speech: Speech, plugins: Mapping[str, DevicePlugin], performer: Performer
) -> tuple[str, ...]:
    """Stop everything that moves or makes sound at once, for every caller.

    That is: a behaviour; servos, motors and buzzers; speech, the texts that wait included; the sound of the call or
    viewer that is heard, until it reconnects; devices of other packages. LEDs, camera, streams and recordings stay as
    they are. When the caller is cancelled, it stops waiting; the devices stop.

    Args:
        outputs: Outputs on the pins.
        speech: The robot's sound.
        plugins: Devices of other packages, by name.
        performer: Performs behaviours.

    Returns:
        What was moving or sounding: ``behaviour``, the names of outputs and devices, ``speech``, ``call``, ``viewer``.

    Raises:
        DeviceError: a device of another package could not be stopped, or not within 5 s; all others are.
    """
    stopped = [BEHAVIOUR] if performer.stop() else []
    stopped += outputs.stop_all()
    if speech.speaker is not None and speech.speaker.stop():
        stopped.append(SPEECH)
    if (peer := speech.mixer.stop_peer()) is not None:
        stopped.append(peer.source)
    failed: list[str] = []

    async def stop(name: str, device: Stoppable) -> None:
        try:
            async with asyncio.timeout(_LIMIT_S):
                if await device.stop():
                    stopped.append(name)
        except (Exception, asyncio.CancelledError) as error:  # whatever another package's device raises
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # this task itself is cancelled
                raise
            logger.exception("The device %s could not be stopped", name)
            failed.append(f"{name} ({str(error) or type(error).__name__})")

    tasks = [
        asyncio.create_task(stop(name, device), name=f"stop {name}")
        for name, device in plugins.items()
        if isinstance(device, Stoppable)
    ]
    if tasks:
        # No TaskGroup: the caller may be cancelled meanwhile, and the devices stop anyway.
        await asyncio.wait(tasks)
    if failed:
        raise DeviceError(
            f"Could not be stopped: {', '.join(failed)}. Everything else that moves or sounds is.",
            remedy="Call stop_all again; if that does not help, a person must switch its power off.",
        )
    return tuple(stopped)
