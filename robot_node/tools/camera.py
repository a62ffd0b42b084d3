"""The tools of the camera: switch it, and take a photo."""

from __future__ import annotations

from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.utilities.types import Image
from pydantic import BaseModel, Field

from robot_node.core.state import CameraState, RobotState
from robot_node.devices.camera import Camera
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

    @server.tool(title="Take a photo", annotations=READS, structured_output=False)
    async def take_photo(
        quality: Annotated[float, Field(ge=0, le=1, description="JPEG quality: 0 smallest, 1 best.")] = 0.9,
        source: Annotated[  # noqa: ARG001  # part of the protocol
            Literal["local", "remote"],
            Field(description="Without effect: there is one camera.", json_schema_extra={UNLISTED: True}),
        ] = "local",
    ) -> Image:
        """Take a photo with the robot's camera and return it as a JPEG image. The camera must be on."""
        with readable_errors():
            photo = await camera.photo(quality)
        return Image(data=photo.jpeg, format="jpeg")
