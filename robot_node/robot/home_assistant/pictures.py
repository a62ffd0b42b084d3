"""Pictures for Home Assistant's camera entities: photos at intervals while a camera is on, withdrawn as it goes off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.changes import Changes
from robot_node.core.state import CameraState, RobotState
from robot_node.core.threads import in_thread
from robot_node.devices.camera.capture import Photo
from robot_node.devices.camera.photo import PhotoLimits, fit
from robot_node.errors import BrokerError, RobotNodeError
from robot_node.mqtt import Connection
from robot_node.settings.home_assistant import HomeAssistantSettings

logger = logging.getLogger(__name__)

TakePhoto = Callable[[float], Awaitable[Photo]]
"""Takes a photo of a JPEG quality from 0 to 1, while the camera is on; raises DeviceError and NotReadyError."""

_QUALITY = 0.8
_MAX_BYTES = 250_000
_LEAST_BYTES = 10_000  # of PhotoLimits


async def publish_pictures(
    connection: Connection,
    topic: str,
    take_photo: TakePhoto,
    settings: HomeAssistantSettings,
    *,
    state: RobotState,
    camera: str = "",
) -> None:
    """Publish a camera's pictures until cancelled, while it is on; an empty message takes the last one away.

    Pictures are not retained: the broker keeps none of them.

    Args:
        connection: While it lasts.
        topic: Where to publish.
        take_photo: Takes a photo.
        settings: How often, and how large.
        state: Where the camera's state is read.
        camera: Its name there; empty for the first one.

    Raises:
        BrokerError: the connection is lost.
    """

    def is_on() -> bool:
        now = state.snapshot
        return now.view_of_camera(camera).state is CameraState.ON and not now.privacy

    clear = partial(connection.publish, topic, b"")
    with Changes(state.listen, value=is_on) as changes:
        try:
            await clear()  # what Home Assistant has may be of the last connection
            while True:
                if is_on():
                    await _publish_until(changes, _publish(connection, topic, take_photo, settings))
                    await clear()
                else:
                    await changes.wait()
        finally:
            with contextlib.suppress(BrokerError):
                await clear()


async def _publish_until(changes: Changes, publishing: Coroutine[Any, Any, None]) -> None:
    """Publish until a change, which no picture that is being taken holds up."""
    tasks = [
        asyncio.create_task(publishing, name="pictures for Home Assistant"),
        asyncio.create_task(changes.wait(), name="camera off"),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*tasks)
    if not tasks[0].cancelled():
        tasks[0].result()  # it has failed


async def _publish(connection: Connection, topic: str, take_photo: TakePhoto, settings: HomeAssistantSettings) -> None:
    """Publish a picture at each interval, until cancelled."""
    clock = asyncio.get_running_loop().time
    limit = connection.max_payload_bytes(topic) or _MAX_BYTES
    limits = PhotoLimits(max(_LEAST_BYTES, min(limit, _MAX_BYTES)), settings.picture_max_side)
    while True:
        began = clock()
        try:
            photo = await take_photo(_QUALITY)
            fitted = await in_thread(partial(fit, photo, _QUALITY, limits), "The picture cannot be made to fit")
            jpeg = fitted.photo.jpeg
            if len(jpeg) <= limit:  # else the broker would end the connection over it
                await connection.publish(topic, jpeg)
        except BrokerError:
            raise
        except RobotNodeError as error:  # the camera goes off, or reports its fault itself
            logger.debug("No picture for Home Assistant: %s", error)
        await asyncio.sleep(max(0.0, began + settings.picture_interval_s - clock()))
