"""The robot's conversations with a model, as its settings ask for them; loaded when the robot is reachable."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from typing import Any

from mcp.server import MCPServer

from robot_node.mcp_mqtt.local import ask_tool
from robot_node.robot.robot import Robot
from robot_node.settings.realtime import RealtimeSettings


async def converse(robot: Robot, settings: RealtimeSettings, server: MCPServer, online: asyncio.Event) -> None:
    """Talk with the model of the settings until cancelled.

    Args:
        robot: Its parts.
        settings: Server, key, tools and limits.
        server: Has the robot's tools; they are called as the client of the settings, under the access rules.
        online: Is set when the robot is reachable.
    """
    await online.wait()
    backend = await asyncio.to_thread(importlib.import_module, "robot_node.robot.realtime.backend")
    state, allowed = robot.telemetry.state, set(settings.tools)
    offered = [
        (tool.name, tool.description or "", tool.input_schema)
        for tool in await server.list_tools()
        if tool.name in allowed
    ]
    if missing := sorted(allowed - {name for name, _, _ in offered}):
        state.set_fault("realtime tools", f"This robot has no such tool (realtime.tools): {', '.join(missing)}.")

    async def call_tool(tool: str, arguments: Mapping[str, Any]) -> str:
        answer = await ask_tool(server, settings.client_id, tool, arguments)
        return f"Error: {answer.text}" if answer.failed else answer.text

    await backend.RealtimeBackend(
        settings, state, robot.telemetry.events, robot.speech.speaker, tools=offered, call_tool=call_tool
    ).run()
