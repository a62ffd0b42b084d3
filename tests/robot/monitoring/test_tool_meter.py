"""Calls of tools as agents make them, and what is counted of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mcp import Client, MCPError
from mcp.server.mcpserver import MCPServer

from robot_node.core.counters import OTHER_TOOLS, Outcome
from robot_node.settings.access import AccessSettings
from robot_node.tools.access import guarded
from robot_node.tools.server import Body, build_server
from tests.tools.test_volume import pi, silent_body

__all__ = ["pi", "silent_body"]  # fixtures


@asynccontextmanager
async def measured(body: Body, access: AccessSettings | None = None) -> AsyncIterator[tuple[MCPServer, Client]]:
    """The robot's server, as the robot itself sets it up, and a client of it."""
    server = build_server(body, name="test/robot", description="A robot.")
    await guarded(server, access or AccessSettings())
    body.counters.register_tools(tool.name for tool in await server.list_tools())
    async with Client(server) as client:
        yield server, client


def counted(body: Body) -> dict[str, dict[Outcome, int]]:
    return {
        name: {outcome: count for outcome, count in calls.outcomes.items() if count}
        for name, calls in body.counters.tools.items()
    }


async def test_what_works_and_what_does_not(silent_body: Body) -> None:
    async with measured(silent_body) as (_, client):
        await client.call_tool("get_status")
        await client.call_tool("change_emotion", {"emotion": "happy"})
        assert (await client.call_tool("take_photo")).is_error  # the camera is off
    assert counted(silent_body) == {
        "get_status": {Outcome.OK: 1},
        "change_emotion": {Outcome.OK: 1},
        "take_photo": {Outcome.ERROR: 1},
    }
    assert silent_body.counters.tools["take_photo"].seconds.count == 1


async def test_nothing_but_calls_of_tools_is_counted(silent_body: Body) -> None:
    async with measured(silent_body) as (_, client):
        await client.list_tools()
        await client.read_resource("robot://status")
    assert not counted(silent_body)


async def test_a_tool_that_does_not_exist_gets_no_name_of_its_own(silent_body: Body) -> None:
    async with measured(silent_body) as (_, client):
        for number in range(3):
            assert (await client.call_tool(f"fly_{number}")).is_error
    assert counted(silent_body) == {OTHER_TOOLS: {Outcome.ERROR: 3}}


async def test_what_the_rules_refuse_is_seen(silent_body: Body) -> None:
    async with measured(silent_body, AccessSettings(default_role="viewer")) as (_, client):
        with pytest.raises(MCPError):
            await client.call_tool("control_camera", {"enabled": True})
    assert counted(silent_body) == {"control_camera": {Outcome.REFUSED: 1}}


async def test_a_call_that_is_given_up_is_counted_as_such(silent_body: Body) -> None:
    started = asyncio.Event()
    server = build_server(silent_body, name="test/robot", description="A robot.")

    @server.tool()
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    silent_body.counters.register_tools(["wait"])
    async with Client(server) as client:
        call = asyncio.create_task(client.call_tool("wait"))
        await started.wait()
        call.cancel()
        await asyncio.wait([call])
        await client.list_tools()  # answered after the cancellation was heard
    assert counted(silent_body) == {"wait": {Outcome.CANCELLED: 1}}
