"""Agents' programs of others with a real ``robot-node bridge``: tests/agent_programs has them from npm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver import Context
from mcp_types import ElicitRequestParams, ElicitResult

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.guard import Confirmation, Guard
from tests.apps.bridge.agents import FAST, bridge_command, bridge_process, text_of
from tests.end_to_end.robot_process import environment
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.ports import free_port
from tests.waiting import DEADLINE_S, eventually

PROGRAMS = Path(__file__).parents[2] / "agent_programs"
BIN = PROGRAMS / "node_modules" / ".bin"
TOKEN = "0123456789abcdef0123"


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[Toy]:
    """A toy robot, whose tool ``move`` a person must confirm."""
    toy = toy_server()
    toy.server.middleware.append(Guard(confirmation=Confirmation(tools=frozenset({"move"}))))

    @toy.server.tool()
    def move() -> str:
        """Move."""
        return "moved"

    @toy.server.tool()
    async def work(ctx: Context) -> str:
        """Report progress, and wait for go_on."""
        await ctx.report_progress(1, 2)
        await toy.release.wait()
        return "worked"

    @toy.server.tool()
    def go_on() -> None:
        """Let work end."""
        toy.release.set()

    async with running(broker, toy):
        yield toy


@contextlib.asynccontextmanager
async def http_bridge(broker: PrivateBroker, folder: Path) -> AsyncIterator[str]:
    """A bridge over HTTP that requires the token; its URL."""
    file = folder / "token"
    file.write_text(TOKEN)
    port = free_port()
    options = ("--http", f"127.0.0.1:{port}", "--token-file", str(file))
    async with bridge_process(broker, folder, *options) as bridge:
        await eventually(lambda: "/mcp for those with a token" in bridge.log, "the bridge listens")
        yield f"http://127.0.0.1:{port}/mcp"


async def output_of(broker: PrivateBroker, *command: str, folder: Path = PROGRAMS) -> Any:
    """What a program prints, as JSON."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(broker, FAST),
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, stderr.decode()
    return json.loads(stdout)


@pytest.mark.usefixtures("robot")
@pytest.mark.parametrize(
    "transport",
    [
        pytest.param("stdio", marks=pytest.mark.peer("MCP TypeScript SDK", works="stdio; progress; confirmation")),
        pytest.param(
            "http",
            marks=[
                pytest.mark.peer("MCP TypeScript SDK", works="streamable HTTP with a token; progress; confirmation"),
                pytest.mark.slow,  # as stdio, which is quick
            ],
        ),
    ],
)
async def test_the_typescript_sdk_uses_a_robot(broker: PrivateBroker, tmp_path: Path, transport: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if transport == "stdio":
            arguments = ["--", *bridge_command()]
        else:
            arguments = [await stack.enter_async_context(http_bridge(broker, tmp_path)), TOKEN]
        got = await output_of(broker, "node", "typescript_sdk.mjs", *arguments)
    assert {"list_robots", "add", "move", "picture"} <= set(got["tools"])
    assert got["instructions"].startswith("The tools of robots that are online.")
    assert (got["worked"], got["steps"]) == ("worked", [1])
    assert got["question"] == "May the robot carry out move?"
    assert (got["moved"], got["picture"]) == ("moved", "image/png")


@pytest.mark.slow
@pytest.mark.peer("MCP Inspector (CLI)", works="calls of tools over stdio")
@pytest.mark.usefixtures("robot")
async def test_the_inspector_calls_a_tool(broker: PrivateBroker) -> None:
    # It reads its package.json from the folder above the current one.
    build = PROGRAMS / "node_modules" / "@modelcontextprotocol" / "inspector-cli" / "build"

    async def inspect(*arguments: str) -> Any:
        return await output_of(
            broker, str(BIN / "mcp-inspector-cli"), "--cli", *bridge_command(), *arguments, folder=build
        )

    called = ["--method", "tools/call", "--tool-name", "add", "--tool-arg", "a=1", "--tool-arg", "b=2"]
    assert (await inspect(*called))["structuredContent"] == {"result": 3}


async def accept(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    del context, params
    return ElicitResult(action="accept", content={})


async def use(client: Client) -> str:
    """Use a robot; returns what came of the call that a person must confirm."""
    assert {"list_robots", "add", "move"} <= {tool.name for tool in (await client.list_tools()).tools}
    assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
    assert (await client.call_tool("picture", {})).content[0].type == "image"
    return text_of(await client.call_tool("move", {}))


@pytest.mark.peer("mcp-remote", works="stdio to the bridge's streamable HTTP, with a token; confirmation")
@pytest.mark.usefixtures("robot")
async def test_mcp_remote_reaches_a_bridge_by_its_url(broker: PrivateBroker, tmp_path: Path) -> None:
    async with http_bridge(broker, tmp_path) as url:
        command = [
            str(BIN / "mcp-remote"),
            url,
            "--header",
            f"Authorization: Bearer {TOKEN}",
            "--transport",
            "http-only",
        ]
        async with stdio_client(command, tmp_path) as client:
            assert await use(client) == "moved"


@contextlib.asynccontextmanager
async def stdio_client(command: Sequence[str], folder: Path) -> AsyncIterator[Client]:
    variables = os.environ | {"MCP_REMOTE_CONFIG_DIR": str(folder)}
    server = StdioServerParameters(command=command[0], args=[*command[1:]], env=variables)
    async with Client(server, mode="legacy", elicitation_callback=accept) as client:
        yield client


@pytest.mark.slow
@pytest.mark.peer("supergateway", works="streamable HTTP to the bridge's stdio; confirmation")
@pytest.mark.usefixtures("robot")
async def test_supergateway_offers_a_bridge_over_http(broker: PrivateBroker) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(str(BIN / "supergateway"), "--stdio", shlex.join(bridge_command())),
        *("--outputTransport", "streamableHttp", "--stateful", "--port", str(port), "--logLevel", "none"),
        env=environment(broker, FAST),
        start_new_session=True,
    )
    try:
        await eventually(lambda: is_listening(port), "supergateway listens")
        async with Client(f"http://127.0.0.1:{port}/mcp", mode="legacy", elicitation_callback=accept) as client:
            assert await use(client) == "moved"
    finally:
        process.terminate()
        await process.wait()


def is_listening(port: int) -> bool:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)
