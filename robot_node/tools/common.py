"""Shared by all tools: annotations for clients, and errors as texts that a model can act upon.

Annotations name what differs from the defaults of the specification: a tool changes something, may destroy something,
does it again when it is repeated, and reaches others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from robot_node.errors import RobotNodeError

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
"""The tool changes nothing."""

SETS = ToolAnnotations(destructive_hint=False, idempotent_hint=True, open_world_hint=False)
"""Repeating the call changes nothing more."""

ACTS = ToolAnnotations(destructive_hint=False, open_world_hint=False)
"""Repeating the call does it again."""

CONNECTS = ToolAnnotations(destructive_hint=False, idempotent_hint=True)
"""The tool connects the robot to others, or disconnects it."""


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn a :class:`RobotNodeError` into a tool error: the reason, then what to call or check."""
    try:
        yield
    except RobotNodeError as error:
        raise ToolError(str(error)) from error
