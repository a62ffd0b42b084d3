"""Tools that are called from the server's own process: the same rules as for a client on the broker."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from robot_node.core.questions import Answer, Questions, Way
from robot_node.mcp_mqtt.access import ADMIN, AccessPolicy, Role
from robot_node.mcp_mqtt.guard import Confirmation, Guard
from robot_node.mcp_mqtt.local import call_tool
from robot_node.mcp_mqtt.rate_limit import CallLimits
from tests.waiting import eventually

VIEWER = Role(name="viewer", allowed_tools=frozenset({"look"}))


def toy(moved: list[str], **guard: Any) -> MCPServer:
    policy = AccessPolicy((ADMIN, VIEWER), [("kid", "viewer")], "admin")
    server = MCPServer("toy", middleware=[Guard(policy, clock=lambda: 0.0, **guard)])

    @server.tool()
    def move(ctx: Context[Any, Any], steps: int) -> str:
        if steps > 10:
            raise ToolError("Too far.")
        identity = ctx.request_context.request
        assert identity is not None
        moved.append(f"{identity.client_id} {steps} {identity.topic_verified}")
        return "moved"

    return server


async def test_a_call_is_carried_out_as_the_client() -> None:
    moved: list[str] = []
    server = toy(moved)
    assert await call_tool(server, "anna", "move", {"steps": 3}) == ""
    assert await call_tool(server, "bob", "move", {"steps": 4}) == ""
    assert moved == ["anna 3 True", "bob 4 True"]


async def test_what_fails_or_is_refused_says_why() -> None:
    moved: list[str] = []
    server = toy(moved, limits=CallLimits(6))
    assert await call_tool(server, "kid", "move", {"steps": 3}) == "The role viewer may not call move."
    assert await call_tool(server, "bob", "move", {"steps": 11}) == "Error executing tool move: Too far."
    assert "calls too often" in await call_tool(server, "bob", "move", {"steps": 1})
    assert "steps" in await call_tool(server, "anna", "move", {"steps": "many"})
    assert not moved


async def test_a_call_that_must_be_confirmed_waits_for_a_person() -> None:
    moved: list[str] = []
    questions = Questions()
    confirmation = Confirmation(tools=frozenset({"move"}), ways=frozenset({Way.CONSOLE, Way.ELICITATION}))
    server = toy(moved, confirmation=confirmation, questions=questions)

    async def answer(text: str) -> None:
        await eventually(lambda: questions.open, "the question")
        questions.answer(questions.open[0].id, Answer(text, Way.CONSOLE, by="mum"))

    for text in ("no", "yes"):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer(text))
            call = tasks.create_task(call_tool(server, "anna", "move", {"steps": 3}))
        assert bool(call.result()) is (text == "no")
    assert moved == ["anna 3 True"]
