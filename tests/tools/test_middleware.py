"""Calls of tools as agents make them, and what is counted of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mcp import Client, MCPError
from mcp.server.mcpserver import MCPServer

from robot_node.core.counters import OTHER_TOOLS, Outcome
from robot_node.robot.robot import Robot
from robot_node.settings.access import AccessSettings
from robot_node.tools.access import guarded
from robot_node.tools.server import build_server
from tests.tools.test_volume import pi, silent_robot

__all__ = ["pi", "silent_robot"]  # fixtures


@asynccontextmanager
async def measured(robot: Robot, access: AccessSettings | None = None) -> AsyncIterator[tuple[MCPServer, Client]]:
    """The robot's server, as the robot itself sets it up, and a client of it."""
    server = build_server(robot, name="test/robot", description="A robot.")
    await guarded(server, access or AccessSettings())
    robot.telemetry.counters.register_tools(tool.name for tool in await server.list_tools())
    async with Client(server) as client:
        yield server, client


def counted(robot: Robot) -> dict[str, dict[Outcome, int]]:
    return {
        name: {outcome: count for outcome, count in calls.outcomes.items() if count}
        for name, calls in robot.telemetry.counters.tools.items()
    }


async def test_outcomes_of_calls(silent_robot: Robot) -> None:
    async with measured(silent_robot) as (_, client):
        await client.call_tool("get_status")
        await client.call_tool("change_emotion", {"emotion": "happy"})
        assert (await client.call_tool("take_photo")).is_error  # the camera is off
    assert counted(silent_robot) == {
        "get_status": {Outcome.OK: 1},
        "change_emotion": {Outcome.OK: 1},
        "take_photo": {Outcome.ERROR: 1},
    }
    assert silent_robot.telemetry.counters.tools["take_photo"].seconds.count == 1


async def test_only_tool_calls_are_counted(silent_robot: Robot) -> None:
    async with measured(silent_robot) as (_, client):
        await client.list_tools()
        await client.read_resource("robot://status")
    assert not counted(silent_robot)


async def test_unknown_tools_are_counted_under_one_name(silent_robot: Robot) -> None:
    async with measured(silent_robot) as (_, client):
        for number in range(3):
            assert (await client.call_tool(f"fly_{number}")).is_error
    assert counted(silent_robot) == {OTHER_TOOLS: {Outcome.ERROR: 3}}


async def test_a_refused_call_is_counted(silent_robot: Robot) -> None:
    async with measured(silent_robot, AccessSettings(default_role="viewer")) as (_, client):
        with pytest.raises(MCPError):
            await client.call_tool("control_camera", {"enabled": True})
    assert counted(silent_robot) == {"control_camera": {Outcome.REFUSED: 1}}


async def test_a_cancelled_call_is_counted(silent_robot: Robot) -> None:
    started = asyncio.Event()
    server = build_server(silent_robot, name="test/robot", description="A robot.")

    @server.tool()
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    silent_robot.telemetry.counters.register_tools(["wait"])
    async with Client(server) as client:
        call = asyncio.create_task(client.call_tool("wait"))
        await started.wait()
        call.cancel()
        await asyncio.wait([call])
        await client.list_tools()  # answered after the cancellation was heard
    assert counted(silent_robot) == {"wait": {Outcome.CANCELLED: 1}}
