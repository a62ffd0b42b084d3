"""A server with toy tools, on the broker for as long as a test wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.server import ExtraPublisher, ServerLimits, ServerOptions, serve
from robot_node.mqtt import Backoff, Broker, LinkStatus
from tests.mcp_mqtt.peers import SERVER_ID, SERVER_NAME, until_set


@dataclass
class Toy:
    """An MCP server with toy tools, and what a test sees of it from inside."""

    server: MCPServer
    started: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    notifier: Notifier | None = None


def toy_server(notifier: Notifier | None = None) -> Toy:
    """Tools: add, wait (until released or cancelled), count (with progress), fail, picture, who."""
    server = MCPServer("toy", version="1.2.3", subscriptions=notifier)
    toy = Toy(server, notifier=notifier)

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    @server.tool()
    async def wait(name: str = "") -> str:
        """Wait until released."""
        toy.started.put_nowait(name)
        try:
            await toy.release.wait()
        except asyncio.CancelledError:
            toy.ended.put_nowait(f"{name} cancelled")
            raise
        toy.ended.put_nowait(f"{name} done")
        return "released"

    @server.tool()
    async def count(ctx: Context, to: int) -> int:
        """Report progress."""
        for step in range(1, to + 1):
            await ctx.report_progress(step, to, f"step {step}")
        return to

    @server.tool()
    def fail() -> str:
        """Raise."""
        raise ToolError("the toy is broken")

    @server.tool()
    def picture() -> Image:
        """A picture."""
        return Image(data=b"\x89PNG not really", format="png")

    @server.tool()
    def who(ctx: Context) -> str:
        """Who calls."""
        caller: Any = ctx.request_context.request
        return str(caller.client_id)

    @server.tool()
    async def announce(ctx: Context, times: int) -> None:
        """Tell that the tools changed."""
        for _ in range(times):
            await ctx.session.send_tool_list_changed()

    return toy


@dataclass
class Running:
    """A server that is online, and what it reported."""

    task: asyncio.Task[None]
    online: asyncio.Event
    statuses: list[LinkStatus]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.result()


def fast_backoff() -> Backoff:
    return Backoff(initial_s=0.05, maximum_s=0.2)


@contextlib.asynccontextmanager
async def running(
    broker: PrivateBroker | Broker,
    toy: Toy,
    *,
    backoff: Backoff | None = None,
    wait: bool = True,
    on_sessions: Callable[[int], None] = lambda _: None,
    extra_publisher: ExtraPublisher | None = None,
    **options: object,
) -> AsyncIterator[Running]:
    """Serve the toy, as robot-1, until the block ends. The options are those of server, limits and broker."""

    def taken(kind: type[Broker | ServerLimits]) -> dict[str, Any]:
        return {entry.name: options.pop(entry.name) for entry in fields(kind) if entry.name in options}

    address = replace(broker if isinstance(broker, Broker) else Broker.from_url(broker.url), **taken(Broker))
    limits = ServerLimits(**taken(ServerLimits))
    online = asyncio.Event()
    statuses: list[LinkStatus] = []
    settings: dict[str, Any] = {"server_id": SERVER_ID, "server_name": SERVER_NAME, "limits": limits} | options
    task = asyncio.create_task(
        serve(
            address,
            toy.server,
            ServerOptions(**settings),
            backoff=backoff or fast_backoff(),
            on_online=online.set,
            on_status=statuses.append,
            notifier=toy.notifier,
            on_sessions=on_sessions,
            extra_publisher=extra_publisher,
        )
    )
    server = Running(task, online, statuses)
    try:
        if wait:
            await until_set(online)
        yield server
    finally:
        await server.stop()
