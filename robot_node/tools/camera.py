"""The tools of the camera: switch it, and take a photo."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.utilities.types import Image
from pydantic import BaseModel, Field

from robot_node.core.state import CameraState, RobotState
from robot_node.core.threads import NO_THREAD_REMEDY, is_no_thread
from robot_node.devices import photo as photos
from robot_node.devices.camera import Camera
from robot_node.devices.photo import FittedPhoto, PhotoLimits
from robot_node.errors import DeviceError
from robot_node.tools.common import READS, SETS, readable_errors
from robot_node.tools.listing import UNLISTED


class CameraResult(BaseModel):
    """Result of control_camera."""

    camera: CameraState = Field(description="State of the camera after the call.")


def offer_camera(server: MCPServer, camera: Camera, state: RobotState) -> None:
    """Let agents switch the camera and take photos."""

    @server.tool(title="Switch the camera", annotations=SETS)
    async def control_camera(
        enabled: Annotated[bool, Field(description="true switches the camera on, false off.")],
    ) -> CameraResult:
        """Switch the robot's camera on or off. While it is off nothing is captured."""
        with readable_errors():
            await (camera.start() if enabled else camera.stop())
        return CameraResult(camera=state.snapshot.camera)

    switches_on = camera.photo_switches_on
    needs = "The camera goes on for it, and off again." if switches_on else "The camera must be on."
    hints = SETS if switches_on else READS

    @server.tool(
        title="Take a photo",
        description=f"Take a photo, at most max_side pixels wide or high. {needs}",
        annotations=hints,
        structured_output=False,
    )
    async def take_photo(
        quality: Annotated[float, Field(ge=0, le=1)] = 0.9,
        max_side: Annotated[int | None, Field(ge=16)] = None,
        max_bytes: Annotated[int, Field(ge=10_000)] = photos.MAX_BYTES,
        source: Annotated[  # noqa: ARG001  # part of the protocol
            Literal["local", "remote"],
            Field(description="Without effect: there is one camera.", json_schema_extra={UNLISTED: True}),
        ] = "local",
    ) -> list[Any]:
        with readable_errors():
            photo = await camera.photo(quality)
            taken = _now()
            fitted = await _in_thread(lambda: photos.fit(photo, quality, PhotoLimits(max_bytes, max_side)))
        return [Image(data=fitted.photo.jpeg, format="jpeg"), f"Taken {taken}: {fitted}"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


async def _in_thread(work: Callable[[], FittedPhoto]) -> FittedPhoto:
    try:
        return await asyncio.to_thread(work)
    except RuntimeError as error:
        if not is_no_thread(error):
            raise
        raise DeviceError(
            "The photo cannot be made to fit: the system permits no further thread.", remedy=NO_THREAD_REMEDY
        ) from error
