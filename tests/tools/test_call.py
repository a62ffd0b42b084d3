"""call_backend and hang_up: where the owner allows calls, an agent can make the robot call and hang up."""

from __future__ import annotations

import asyncio
import dataclasses

from mcp import Client

from robot_node.core.state import CallState, RobotState
from robot_node.robot.robot import Robot
from robot_node.tools.server import build_server
from robot_node.webrtc.call_control import CallControl
from tests.tools.test_volume import call, pi, silent_robot, tools

__all__ = ["pi", "silent_robot"]  # fixtures


def with_calls(robot: Robot) -> tuple[Robot, CallControl]:
    control = CallControl(robot.telemetry.state)
    return dataclasses.replace(robot, calls=control), control


async def test_they_are_offered_only_where_calls_are_allowed(silent_robot: Robot) -> None:
    assert not {"call_backend", "hang_up"} & await tools(silent_robot)
    assert {"call_backend", "hang_up"} <= await tools(with_calls(silent_robot)[0])


async def test_they_are_not_harmless_but_may_be_repeated(silent_robot: Robot) -> None:
    async with Client(build_server(with_calls(silent_robot)[0], name="test/robot", description="A robot.")) as client:
        found = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    for name in ("call_backend", "hang_up"):
        annotations = found[name]
        assert annotations is not None
        assert (annotations.read_only_hint, annotations.destructive_hint) == (None, False)


async def test_calling_asks_for_a_call_and_the_status_shows_it(silent_robot: Robot) -> None:
    robot, control = with_calls(silent_robot)
    for _ in range(2):
        assert await call(robot, "call_backend") == {"call": "connecting", "call_error": ""}
    assert control.enabled
    robot.telemetry.state.update(call=CallState.CONNECTING, call_error="The backend did not answer within 5 s.")
    status = await call(robot, "get_status")
    assert (status["call"], status["call_error"]) == ("connecting", "The backend did not answer within 5 s.")


async def test_hanging_up_without_a_call_is_no_error(silent_robot: Robot) -> None:
    robot, control = with_calls(silent_robot)
    assert await call(robot, "hang_up") == {"call": "disconnected", "call_error": ""}
    control.call()
    assert await call(robot, "hang_up") == {"call": "closed", "call_error": ""}
    assert not control.enabled


async def test_hanging_up_returns_when_the_call_is_over() -> None:
    state = RobotState()
    control = CallControl(state, enabled=True)
    control.report_attempt()
    control.report_connected()
    given_up = await control.wait_until_on()
    hanging_up = asyncio.create_task(control.hang_up())
    await given_up.wait()
    assert not hanging_up.done()
    assert str(state.snapshot.call) == "connected"
    control.report_closed()
    await hanging_up
    assert str(state.snapshot.call) == "closed"
