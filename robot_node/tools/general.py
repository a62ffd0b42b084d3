"""The tools that every robot has, whatever its devices: its status, and the emergency stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

from robot_node.devices.outputs import Outputs
from robot_node.robot.status import brief, status_of
from robot_node.robot.telemetry import Telemetry
from robot_node.tools.common import READS, SETS, readable_errors


class StopResult(BaseModel):
    """Result of stop_all."""

    stopped: tuple[str, ...] = Field(
        description="What was moving or sounding: the names of outputs and devices, speech, call, viewer."
    )


def offer_status(server: MCPServer, telemetry: Telemetry, outputs: Outputs) -> None:
    """Let agents read the robot's status."""

    @server.tool(title="Get the robot's status", annotations=READS)
    async def get_status(
        details: Annotated[bool, Field(description="with statistics and versions")] = False,  # noqa: FBT002  # an argument of a tool has a name
    ) -> dict[str, Any]:
        """Return what is true now: camera, face, viewers, inputs, outputs, sound, faults; without what is empty."""
        status = status_of(telemetry, outputs.values())
        return status.model_dump(mode="json") if details else brief(status)


def offer_stop(server: MCPServer, stop: Callable[[], Awaitable[tuple[str, ...]]]) -> None:
    """Let agents stop everything, also on a robot that cannot move: callers need not check first."""

    @server.tool(title="Stop everything", annotations=SETS)
    async def stop_all() -> StopResult:
        """Stop at once, for every caller: servos, motors, buzzers, devices of other packages, all speech and sound.

        That includes the sound of a call or a viewer; LEDs, the camera and the streams stay as they are.
        """
        with readable_errors():
            return StopResult(stopped=await stop())
