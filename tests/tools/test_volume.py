"""control_volume: where there is a loudspeaker, what an agent sets is what the next sound is played at."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.state import RobotState
from robot_node.devices.audio import Loudspeaker
from robot_node.devices.camera import Camera
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.settings.devices import CameraSettings, DisplaySettings
from robot_node.tools.server import Body, build_server


@pytest.fixture
def pi() -> SimulatedPi:
    return simulated_platform(scene="clock")


@pytest.fixture
async def silent_body(pi: SimulatedPi) -> AsyncIterator[Body]:
    """A body without a loudspeaker."""
    state = RobotState()
    camera = Camera(pi.platform, CameraSettings(), state)
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    yield Body(camera=camera, face=face, state=state)
    await camera.close()


@pytest.fixture
async def body(pi: SimulatedPi, silent_body: Body) -> AsyncIterator[Body]:
    loudspeaker = Loudspeaker(pi.platform, "default", silent_body.state, volume=70)
    yield dataclasses.replace(silent_body, loudspeaker=loudspeaker)
    await loudspeaker.close()


async def call(body: Body, tool: str, arguments: dict[str, Any] | None = None) -> Any:
    """What an agent gets: the result, or the text of the error."""
    async with Client(build_server(body, name="test/robot", description="A robot.")) as client:
        result = await client.call_tool(tool, arguments or {})
        return (
            "".join(getattr(part, "text", "") for part in result.content)
            if result.is_error
            else result.structured_content
        )


async def tools(body: Body) -> set[str]:
    async with Client(build_server(body, name="test/robot", description="A robot.")) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


async def test_it_is_offered_only_where_there_is_a_loudspeaker(body: Body, silent_body: Body) -> None:
    assert "control_volume" in await tools(body)
    assert "control_volume" not in await tools(silent_body)


async def test_volume_and_mute_are_set_apart_and_together(body: Body) -> None:
    assert await call(body, "control_volume", {"volume": 30}) == {"volume": 30, "muted": False}
    assert await call(body, "control_volume", {"muted": True}) == {"volume": 30, "muted": True}
    assert await call(body, "control_volume", {"volume": 0, "muted": False}) == {"volume": 0, "muted": False}
    assert body.loudspeaker is not None
    assert (body.loudspeaker.volume, body.loudspeaker.muted) == (0, False)


@pytest.mark.parametrize("volume", [-1, 101, "loud"])
async def test_a_volume_out_of_range_is_refused_and_changes_nothing(body: Body, volume: object) -> None:
    assert "volume" in await call(body, "control_volume", {"volume": volume})
    assert body.state.snapshot.volume == 70


async def test_a_call_that_sets_nothing_says_what_can_be_set(body: Body) -> None:
    assert "Give volume (0 to 100), or muted" in await call(body, "control_volume")


async def test_the_status_shows_it(body: Body) -> None:
    await call(body, "control_volume", {"muted": True})
    status = await call(body, "get_status")
    assert (status["volume"], status["muted"], status["microphone_on"]) == (70, True, False)


async def test_the_status_of_a_robot_without_a_loudspeaker_shows_no_volume(silent_body: Body) -> None:
    status = await call(silent_body, "get_status")
    assert (status["volume"], status["muted"]) == (None, None)
