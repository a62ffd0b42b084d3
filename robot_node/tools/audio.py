"""The tool of the loudspeaker: its volume."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from robot_node.devices.audio import Loudspeaker
from robot_node.tools.common import SETS


class VolumeResult(BaseModel):
    """Result of control_volume."""

    volume: int = Field(description="Volume of the loudspeaker, 0 to 100.")
    muted: bool = Field(description="Nothing is heard, whatever the volume.")


def offer_volume(server: MCPServer, loudspeaker: Loudspeaker) -> None:
    """Let agents set the volume."""

    @server.tool(title="Set the volume", annotations=SETS)
    async def control_volume(
        volume: Annotated[int | None, Field(ge=0, le=100, description="0 silent, 100 loudest.")] = None,
        muted: Annotated[bool | None, Field(description="true: nothing is heard, and the volume is kept.")] = None,
    ) -> VolumeResult:
        """Set the volume of the robot's loudspeaker, or mute it, or both. What is left out stays as it is."""
        if volume is None and muted is None:
            raise ToolError("Nothing to set. Give volume (0 to 100), or muted (true or false), or both.")
        await loudspeaker.set_volume(volume, muted=muted)
        return VolumeResult(volume=loudspeaker.volume, muted=loudspeaker.muted)
