"""Time-lapse: photos at equal intervals into a folder, while the camera is on."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
from collections.abc import Callable

from robot_node.core.state import CameraState, RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.errors import NotReadyError, RobotNodeError
from robot_node.face.display_policy import Night
from robot_node.robot.recording.library import Library
from robot_node.settings.recording import TimelapseSettings

logger = logging.getLogger(__name__)

FAULT = "time-lapse"
"""Name of its fault in the robot's state."""

_QUALITY = 0.9


def _local_now() -> dt.datetime:
    return dt.datetime.now().astimezone()


class Timelapse:
    """Takes photos on a schedule. Used from the event loop only.

    Args:
        settings: How often, and between which times of day.
        camera: Takes the photos; one that is off stays off, unless ``camera.photo_switches_on``.
        library: Where they are stored.
        state: The camera's state is read from it; it gets a fault while photos cannot be stored.
        now: The local time, with time zone.
    """

    def __init__(
        self,
        settings: TimelapseSettings,
        camera: Camera,
        library: Library,
        state: RobotState,
        *,
        now: Callable[[], dt.datetime] = _local_now,
    ) -> None:
        self._every_s = settings.every_s
        self._between = Night.parse(settings.between) if settings.between else None
        self._camera = camera
        self._library = library
        self._state = state
        self._now = now

    async def run(self) -> None:
        """Take photos until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.take()
            due = max(due + self._every_s, loop.time())  # what was missed is not made up for
            await asyncio.sleep(due - loop.time())

    async def take(self) -> str:
        """Take one photo, if it is time and the camera may; returns its file's name, empty without one."""
        now = self._now()
        if self._between is not None and not self._between.contains(now.time()):
            return ""
        if self._state.snapshot.camera is not CameraState.ON and not self._camera.photo_switches_on:
            return ""
        name = self._library.name_for(now)
        try:
            photo = await self._camera.photo(_QUALITY)
            await asyncio.to_thread(self._store, name, photo.jpeg)
        except NotReadyError as error:  # privacy, or somebody switched it off
            logger.debug("No time-lapse photo: %s", error)
            return ""
        except (RobotNodeError, OSError) as error:
            if not self._state.snapshot.fault(FAULT):
                logger.error("No time-lapse photo: %s", error)
            self._state.set_fault(FAULT, f"No time-lapse photo: {error}")
            return ""
        self._state.set_fault(FAULT, "")
        return name

    def _store(self, name: str, jpeg: bytes) -> None:
        self._library.make_room()
        with os.fdopen(self._library.create(name), "wb") as file:
            file.write(jpeg)
