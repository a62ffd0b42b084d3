"""Errors of tools, as texts that a model can act upon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mcp.server.mcpserver.exceptions import ToolError

from robot_node.errors import RobotNodeError


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn our own errors into tool errors: the reason, then what to call or check."""
    try:
        yield
    except RobotNodeError as error:
        raise ToolError(str(error)) from error
