"""The tools of microphone and loudspeaker: a switch, and the volume."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from robot_node.core.state import RobotState
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.tools.common import SETS, readable_errors


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


class MicrophoneResult(BaseModel):
    """Result of control_microphone."""

    microphone_enabled: bool = Field(description="The microphone may be opened when somebody listens.")
    microphone_on: bool = Field(description="The microphone is open now.")


def offer_microphone(server: MCPServer, microphone: Microphone, state: RobotState) -> None:
    """Let agents switch the microphone."""

    @server.tool(title="Switch the microphone", annotations=SETS)
    async def control_microphone(
        enabled: Annotated[
            bool, Field(description="true: it is opened when somebody listens; false: it stays closed.")
        ],
    ) -> MicrophoneResult:
        """Switch the robot's microphone on or off.

        While it is off, nothing that is said near the robot is heard, recorded or recognised. A person at the robot can
        switch it off by hand, where it has such a switch; then only a hand can switch it on again.
        """
        with readable_errors():
            await microphone.switch(enabled=enabled)
        return MicrophoneResult(microphone_enabled=microphone.enabled, microphone_on=state.snapshot.microphone_on)
