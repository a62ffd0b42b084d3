"""What an agent hears by the tool listen, over a robot with the real engines."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer

from robot_node.speech.turn_options import TurnOptions
from robot_node.tools.listen import offer_listen
from tests.speech.hearing_robot import TURNS, HearingRobot, hearing_robot
from tests.speech.sounds import silence, spoken
from tests.waiting import DEADLINE_S, eventually

HELLO, OTHER = spoken("hello robot"), spoken("can you sing a song for me")
"""Made before a turn begins: it does not wait for espeak-ng."""

BEGAN = "A turn has begun: the robot listens."


@asynccontextmanager
async def listened_to(turns: TurnOptions = TURNS) -> AsyncIterator[tuple[HearingRobot, Client]]:
    async with hearing_robot(turns=turns) as robot:
        server = MCPServer("robot")
        offer_listen(server, robot.recognition, robot.state, robot.events, progress_every_s=0.05)
        async with Client(server) as client, asyncio.timeout(2 * DEADLINE_S):
            await eventually(robot.hears_microphone)
            yield robot, client


async def listen(client: Client, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool("listen", arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


@pytest.mark.slow
async def test_it_returns_what_a_person_says_without_a_wake_word() -> None:
    async with listened_to() as (robot, client):
        listening = asyncio.create_task(listen(client, seconds=30))
        await eventually(robot.listens_to_somebody)
        robot.pi.microphone.hear(HELLO + silence(1))
        result = await listening
        assert result["text"] == "hello robot"
        assert result["language"] == "en"
        assert 0.6 <= result["confidence"] <= 1
        assert robot.stops  # it fell silent to listen


async def test_what_only_a_model_would_understand_can_be_said_again() -> None:
    async with listened_to(dataclasses.replace(TURNS, sound=True)) as (robot, client):
        listening = asyncio.create_task(listen(client, seconds=60))
        await eventually(robot.listens_to_somebody)
        robot.pi.microphone.hear(OTHER + silence(1))
        await eventually(lambda: [event.text for event in robot.events.after()].count(BEGAN) == 2)
        robot.pi.microphone.hear(HELLO + silence(1))
        assert (await listening)["text"] == "hello robot"


@pytest.mark.slow
async def test_when_nobody_speaks_it_says_so_after_its_time_and_reports_progress_meanwhile() -> None:
    reports: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        del total, message
        reports.append(progress)

    async with listened_to() as (robot, client):
        result = await client.call_tool("listen", {"seconds": 1}, progress_callback=on_progress)
        assert result.structured_content == {"text": None, "reason": "Nothing was understood within 1 s."}
        assert reports
        assert not robot.listens_to_somebody()


@pytest.mark.slow
async def test_it_returns_at_once_when_nothing_can_be_heard() -> None:
    async with listened_to() as (robot, client):
        robot.state.update(microphone_enabled=False)
        assert await listen(client) == {"text": None, "reason": "The microphone is switched off."}
        assert not robot.stops


async def test_it_returns_when_the_microphone_is_closed_meanwhile() -> None:
    async with listened_to() as (robot, client):
        listening = asyncio.create_task(listen(client, seconds=60))
        await eventually(robot.listens_to_somebody)
        robot.pi.microphone.absent = True
        assert await listening == {"text": None, "reason": "The microphone was closed."}


async def test_without_turns_it_returns_what_is_said_next() -> None:
    async with listened_to(TurnOptions()) as (robot, client):
        listening = asyncio.create_task(listen(client, seconds=30))
        await eventually(lambda: robot.stops)
        robot.pi.microphone.hear(HELLO)
        assert (await listening)["text"] == "hello robot"


async def test_without_turns_it_waits_no_longer_than_asked() -> None:
    async with listened_to(TurnOptions()) as (_, client):
        assert (await listen(client, seconds=1))["text"] is None


async def test_while_the_engine_is_loaded_it_says_so() -> None:
    async with hearing_robot("parrot") as robot:
        server = MCPServer("robot")
        offer_listen(server, robot.recognition, robot.state, robot.events)
        async with Client(server) as client:
            await eventually(lambda: robot.state.snapshot.faults)
            assert "There are: none, pocketsphinx" in (await listen(client))["reason"]


@pytest.mark.parametrize("seconds", [0.5, 61])
async def test_it_listens_for_a_second_at_least_and_a_minute_at_most(seconds: float) -> None:
    async with listened_to(dataclasses.replace(TURNS, wake_word="none")) as (_, client):
        assert (await client.call_tool("listen", {"seconds": seconds})).is_error
