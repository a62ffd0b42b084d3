"""How an agent that has nothing but tools notices what happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer

from robot_node.core.events import EventLog
from robot_node.tools.events import offer_events
from tests.waiting import DEADLINE_S


@asynccontextmanager
async def agent(log: EventLog, *, progress_every_s: float = 10.0) -> AsyncIterator[Client]:
    server = MCPServer("robot")
    offer_events(server, log, progress_every_s=progress_every_s)
    async with Client(server) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def test_an_event_is_told_with_what_is_known_of_it() -> None:
    log = EventLog(start="a")
    log.add("input", "Button left was pressed.", device="left")
    log.add("chat", "Hello!", by="viewer-1")
    async with agent(log) as client:
        told = await call(client, "get_events")
        assert [{**event, "time": ""} for event in told["events"]] == [
            {"time": "", "kind": "input", "device": "left", "text": "Button left was pressed."},
            {"time": "", "kind": "chat", "text": "Hello!", "by": "viewer-1"},
        ]
        assert told["cursor"] == "a.2"
        assert (await call(client, "get_events", after="a.2"))["events"] == []
        assert [event["text"] for event in (await call(client, "get_events", kinds=["chat"]))["events"]] == ["Hello!"]
        assert len((await call(client, "get_events", limit=1))["events"]) == 1


async def waiting_for(log: EventLog, client: Client, **arguments: Any) -> asyncio.Task[dict[str, Any]]:
    """A call that waits at the robot."""
    listening = asyncio.Event()
    listen = log.listen

    def noticed(listener: Any) -> Any:
        listening.set()
        return listen(listener)

    log.listen = noticed  # type: ignore[method-assign]
    call_made = asyncio.create_task(call(client, "wait_for_event", **arguments))
    async with asyncio.timeout(DEADLINE_S):
        await listening.wait()
    return call_made


async def test_who_waits_is_told_at_once_of_what_happens_and_of_nothing_before() -> None:
    log = EventLog()
    log.add("input", "long ago")
    async with agent(log) as client, asyncio.timeout(DEADLINE_S):
        waiting = await waiting_for(log, client, timeout_s=600, kinds=["input"])
        log.add("emotion", "The face shows happy.")
        log.add("input", "Button left was pressed.")
        told = await waiting
        assert [event["text"] for event in told["events"]] == ["Button left was pressed."]
        log.add("input", "Button left was released.")
        told = await call(client, "wait_for_event", after=told["cursor"], timeout_s=600)
        assert [event["text"] for event in told["events"]] == ["Button left was released."]


async def test_a_wait_ends_when_its_time_is_up_and_loses_nothing() -> None:
    log = EventLog()
    async with agent(log) as client:
        told = await call(client, "wait_for_event", timeout_s=0)
        assert told["events"] == []
        log.add("input", "Button left was pressed.")
        told = await call(client, "wait_for_event", after=told["cursor"], timeout_s=0)
        assert [event["text"] for event in told["events"]] == ["Button left was pressed."]


async def test_progress_keeps_a_host_from_giving_up() -> None:
    log, seen = EventLog(), asyncio.Queue[tuple[float, float | None]]()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001  # the names that the SDK calls with
        seen.put_nowait((progress, total))

    async with agent(log, progress_every_s=0.01) as client, asyncio.timeout(DEADLINE_S):
        arguments = {"timeout_s": 600}
        waiting = asyncio.create_task(client.call_tool("wait_for_event", arguments, progress_callback=on_progress))
        (first, total), (second, _) = await seen.get(), await seen.get()
        assert 0 < first < second
        assert total == 600
        log.add("input", "Button left was pressed.")
        await waiting


async def test_a_wait_that_is_given_up_costs_the_robot_nothing() -> None:
    log = EventLog()
    listeners = list[Any]()
    async with agent(log) as client:
        waiting = await waiting_for(log, client, timeout_s=600)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    listeners += log._listeners  # who still listens is seen nowhere else
    assert listeners == []


async def test_a_cursor_of_before_a_restart_says_so() -> None:
    log = EventLog(start="b")
    log.add("robot", "The robot has started.")
    async with agent(log) as client:
        told = await call(client, "wait_for_event", after="a.77", timeout_s=600)
        assert [event["text"] for event in told["events"]] == ["The robot has started."]
        assert "restarted" in told["missed"]
