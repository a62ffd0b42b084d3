"""The tool that sets log levels. For people only, and only where the settings give it to a role by name."""

from __future__ import annotations

import logging
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

from robot_node.core.state import acting_for
from robot_node.logs.categories import Category, levels, set_level
from robot_node.mcp_mqtt.access import HUMAN_ONLY
from robot_node.settings.logs import Level
from robot_node.tools.common import SETS

logger = logging.getLogger(__name__)

SET_LOG_LEVEL = "set_log_level"


class LogLevels(BaseModel):
    """Result of set_log_level."""

    levels: dict[Category, str] = Field(description="The present level of each category.")


def offer_log_levels(server: MCPServer) -> None:
    """Let people set log levels."""

    @server.tool(
        name=SET_LOG_LEVEL,
        title="Set a log level",
        annotations=SETS,
        meta=HUMAN_ONLY,
    )
    async def set_log_level(
        category: Annotated[Category, Field(description="mqtt, mcp, webrtc or app.")],
        level: Annotated[Level, Field(description="debug says most, error least.")],
    ) -> LogLevels:
        """Set how much the robot logs of a category, until it restarts or reads its log settings again."""
        set_level(category, level)
        # A warning, so that it is in the log whatever its level.
        logger.warning("The log level of %s is now %s, as %r asked", category, level, acting_for())
        return LogLevels(levels=levels())
