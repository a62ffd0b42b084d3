"""The tool that changes a camera's video. Offered where the settings permit it."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

from robot_node.devices.camera.cameras import Cameras
from robot_node.errors import ArgumentError
from robot_node.tools.camera_choice import choosing
from robot_node.tools.common import SETS, readable_errors


class VideoResult(BaseModel):
    """Result of set_video: the video from now on."""

    width: int
    height: int
    frame_rate: int
    bitrate: int = Field(description="The highest, in bit/s.")


def offer_video(server: MCPServer, cameras: Cameras) -> None:
    """Let agents change the video of the cameras whose settings permit it."""
    if not any(camera.controls.adjustable for camera in cameras.values()):
        return

    @server.tool(title="Set the video", annotations=SETS)
    @choosing(cameras)
    async def set_video(
        width: int | None = None,
        height: int | None = None,
        frame_rate: int | None = None,
        bitrate: Annotated[int | None, Field(description="Highest, in bit/s.")] = None,
        camera: str | None = None,
    ) -> VideoResult:
        """Change the video; viewers stay. What is left out stays as it is."""
        with readable_errors():
            chosen = cameras.choose(camera)
            if not chosen.controls.adjustable:
                raise ArgumentError(
                    "The video of this camera is fixed.", remedy="Its settings would permit it: adjustable."
                )
            mode = await chosen.video.set(width=width, height=height, frame_rate=frame_rate, bitrate=bitrate)
        return VideoResult(width=mode.width, height=mode.height, frame_rate=mode.frame_rate, bitrate=mode.bitrate)
