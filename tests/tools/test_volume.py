"""control_volume: where there is a loudspeaker, what an agent sets is what the next sound is played at."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.robot.robot import Robot
from robot_node.tools.server import build_server
from tests.robots import make_robot


@pytest.fixture
def pi() -> SimulatedPi:
    return simulated_platform(scene="clock")


@pytest.fixture
async def silent_robot(pi: SimulatedPi) -> AsyncIterator[Robot]:
    """A robot without a loudspeaker."""
    robot = make_robot(pi.platform)
    yield robot
    await robot.camera.close()


@pytest.fixture
async def robot(pi: SimulatedPi, silent_robot: Robot) -> AsyncIterator[Robot]:
    loudspeaker = Loudspeaker(pi.platform, "default", silent_robot.telemetry.state, volume=70)
    yield dataclasses.replace(silent_robot, loudspeaker=loudspeaker)
    await loudspeaker.close()


async def call(robot: Robot, tool: str, arguments: dict[str, Any] | None = None) -> Any:
    """What an agent gets: the result, or the text of the error."""
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        result = await client.call_tool(tool, arguments or {})
        return (
            "".join(getattr(part, "text", "") for part in result.content)
            if result.is_error
            else result.structured_content
        )


async def tools(robot: Robot) -> set[str]:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


async def test_it_is_offered_only_where_there_is_a_loudspeaker(robot: Robot, silent_robot: Robot) -> None:
    assert "control_volume" in await tools(robot)
    assert "control_volume" not in await tools(silent_robot)


async def test_volume_and_mute_are_set_apart_and_together(robot: Robot) -> None:
    assert await call(robot, "control_volume", {"volume": 30}) == {"volume": 30, "muted": False}
    assert await call(robot, "control_volume", {"muted": True}) == {"volume": 30, "muted": True}
    assert await call(robot, "control_volume", {"volume": 0, "muted": False}) == {"volume": 0, "muted": False}
    assert robot.loudspeaker is not None
    assert (robot.loudspeaker.volume, robot.loudspeaker.muted) == (0, False)


@pytest.mark.parametrize("volume", [-1, 101, "loud"])
async def test_a_volume_out_of_range_is_refused_and_changes_nothing(robot: Robot, volume: object) -> None:
    assert "volume" in await call(robot, "control_volume", {"volume": volume})
    assert robot.telemetry.state.snapshot.volume == 70


async def test_a_call_that_sets_nothing_says_what_can_be_set(robot: Robot) -> None:
    assert "Give volume (0 to 100), or muted" in await call(robot, "control_volume")


async def test_the_status_shows_it(robot: Robot) -> None:
    await call(robot, "control_volume", {"muted": True})
    status = await call(robot, "get_status")
    assert (status["volume"], status["muted"], status["microphone_on"]) == (70, True, False)


async def test_the_status_of_a_robot_without_a_loudspeaker_shows_no_volume(silent_robot: Robot) -> None:
    status = await call(silent_robot, "get_status")
    assert "volume" not in status
    assert "muted" not in status
