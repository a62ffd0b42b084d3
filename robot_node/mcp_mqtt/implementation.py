"""What servers and clients say of themselves in CONNECT (``MCP-META``)."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("robot-node")
"""Version of this package."""

IMPLEMENTATION = f"robot-node {VERSION}"
"""The implementation of MCP over MQTT, with its version."""
