"""The settings of the log. See docs/logs.md."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from robot_node.settings.section import Section

Level = Literal["debug", "info", "warning", "error"]


class LogSettings(Section):
    """Log levels, format and limits."""

    level: Level = "info"
    mqtt: Level | None = None
    mcp: Level | None = None
    webrtc: Level | None = None
    app: Level | None = None
    format: Literal["text", "json"] = "text"
    fold_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    lines_per_s: Annotated[float, Field(ge=0, le=10_000)] = 50.0
