"""The tool of the behaviours."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

from robot_node.robot.performer import Performer
from robot_node.tools.common import ACTS, readable_errors


class PerformResult(BaseModel):
    """Result of perform."""

    name: str = Field(description="Which behaviour.")
    finished: bool = Field(description="false: it was stopped.")


def offer_behaviours(server: MCPServer, performer: Performer) -> None:
    """Let agents perform behaviours; no tool for a robot on which none would do anything."""
    if not performer.names:
        return

    async def perform(name: Any) -> PerformResult:
        """Act with face and body."""
        with readable_errors():
            return PerformResult(name=name, finished=await performer.perform(name))

    perform.__annotations__["name"] = Annotated[Literal[performer.names], Field()]
    server.tool(title="Perform", annotations=ACTS)(perform)
