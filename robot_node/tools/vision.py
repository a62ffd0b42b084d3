"""The tool and the resources of motion and object detection; only a robot that looks for them has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.mcpserver.utilities.types import Image
from pydantic import BaseModel, Field

from robot_node.errors import NotReadyError
from robot_node.tools.common import READS, readable_errors
from robot_node.tools.resources import DETECTIONS, JSON, MOTION_PICTURE
from robot_node.vision.detection_watch import DetectionWatch
from robot_node.vision.motion_watch import MotionPicture, MotionWatch

_NONE_YET = "Nothing has moved since the robot started, or since the privacy switch was engaged."


class DetectedObject(BaseModel):
    """An object in the camera's picture."""

    label: str = Field(description="What it is.")
    score: float = Field(description="How sure that is, 0 to 1.")
    box: tuple[float, float, float, float] = Field(description="Left, top, right and bottom, 0 to 1 of the picture.")


class Detections(BaseModel):
    """Content of ``robot://detections``."""

    objects: tuple[DetectedObject, ...] = Field(description="In the last picture, the surest first.")


def offer_motion(server: MCPServer, motion: MotionWatch, announce: Callable[[str], object]) -> None:
    """Let agents see the last motion, and follow it.

    Args:
        server: Gets the tool and the resource.
        motion: Has the picture.
        announce: Called with the URI of the resource when there is another picture.
    """
    motion.on_picture(lambda: announce(MOTION_PICTURE))

    async def latest() -> tuple[MotionPicture, bytes]:
        picture = motion.picture
        jpeg = b"" if picture is None else await picture.jpeg()
        if picture is None or motion.picture is None:  # privacy may have been engaged meanwhile
            raise NotReadyError(_NONE_YET, remedy="Wait for it: wait_for_event with kinds motion.")
        return picture, jpeg

    @server.tool(title="See the last motion", annotations=READS, structured_output=False)
    async def see_motion() -> list[Any]:
        """Return a picture of the last motion that the camera saw, 320 pixels wide."""
        with readable_errors():
            picture, jpeg = await latest()
        zones, taken = ", ".join(picture.zones), picture.taken.isoformat(timespec="seconds")
        return [Image(data=jpeg, format="jpeg"), f"Motion in {zones}, {taken}."]

    @server.resource(
        MOTION_PICTURE, name="motion_picture", title="A picture of the last motion", mime_type="image/jpeg"
    )
    async def motion_picture() -> bytes:
        """The last motion, 320 pixels wide: the picture in which most has moved. In memory only."""
        try:
            _, jpeg = await latest()
        except NotReadyError as error:
            raise ResourceError(error.message) from error
        return jpeg


def offer_detections(server: MCPServer, detection: DetectionWatch) -> None:
    """Let agents read what the detector sees. An update is announced when a label is new or gone."""

    @server.resource(DETECTIONS, name="detections", title="Detected objects", mime_type=JSON)
    async def detections() -> str:
        """Objects in the last picture, with scores and boxes. An update is announced when a label is new or gone."""
        found = (DetectedObject.model_validate(dataclasses.asdict(each)) for each in detection.latest.objects)
        return Detections(objects=tuple(found)).model_dump_json()
