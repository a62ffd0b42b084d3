"""The tools of publishing: begin and end the robot's stream to a server that passes it on to many."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

from robot_node.core.state import PublishState, RobotState
from robot_node.robot.publish_control import FAULT, PublishControl
from robot_node.tools.common import CONNECTS


class PublishStatus(BaseModel):
    """Result of publish_stream and unpublish_stream."""

    publishing: PublishState = Field(description="off, connecting, live or waiting (to try again).")
    error: str = Field(description="Why the last attempt failed; empty otherwise.")


def offer_publishing(server: MCPServer, control: PublishControl, state: RobotState) -> None:
    """Let agents publish the robot's stream, and end it."""

    def status() -> PublishStatus:
        return PublishStatus(publishing=control.state, error=state.snapshot.fault(FAULT))

    @server.tool(title="Publish the stream", annotations=CONNECTS)
    async def publish_stream() -> PublishStatus:
        """Publish the camera's video to the owner's server, where many may watch. Returns at once; see get_status."""
        control.request(wanted=True)
        return status()

    @server.tool(title="End the published stream", annotations=CONNECTS)
    async def unpublish_stream() -> PublishStatus:
        """End the published stream. Afterwards nothing is sent to the server."""
        control.request(wanted=False)
        await control.ended()
        return status()
