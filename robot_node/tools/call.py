"""The tools of the robot's calls to its media backend: call, and hang up."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

from robot_node.core.state import CallState, RobotState
from robot_node.tools.common import CONNECTS
from robot_node.webrtc.call_control import CallControl


class CallStatus(BaseModel):
    """Result of call_backend and hang_up."""

    call: CallState = Field(description="disconnected, connecting, connected, failed or closed.")
    call_error: str = Field(description="Why the last attempt failed, or who ended the call; empty otherwise.")


def offer_calls(server: MCPServer, calls: CallControl, state: RobotState) -> None:
    """Let agents make the robot call its backend, and hang up."""

    def status() -> CallStatus:
        return CallStatus(call=state.snapshot.call, call_error=state.snapshot.call_error)

    @server.tool(title="Call the media backend", annotations=CONNECTS)
    async def call_backend() -> CallStatus:
        """Call the robot's media backend, which then sees and hears what camera and microphone do.

        Returns at once; get_status tells what becomes of the call. A call that fails is made again until hang_up.
        """
        calls.call()
        return status()

    @server.tool(title="Hang up", annotations=CONNECTS)
    async def hang_up() -> CallStatus:
        """End the robot's call to its media backend, or the attempts to make one. Afterwards nothing is sent to it."""
        await calls.hang_up()
        return status()
