"""publish_stream and unpublish_stream: offered where publishing is on demand."""

from __future__ import annotations

import asyncio
import dataclasses

from robot_node.robot.publish_control import PublishControl
from robot_node.robot.robot import Robot
from robot_node.settings.publish import PublishSettings
from robot_node.webrtc.call_control import CallCause, CallEnd
from tests.tools.test_volume import call, pi, silent_robot, tools

__all__ = ["pi", "silent_robot"]  # fixtures

TOOLS = {"publish_stream", "unpublish_stream"}


def with_publishing(robot: Robot, when: str) -> tuple[Robot, PublishControl]:
    settings = PublishSettings.model_validate({"url": "https://sfu.example.org/whip", "when": when})
    telemetry = robot.telemetry
    control = PublishControl(settings, telemetry.state, telemetry.events, telemetry.counters)
    return dataclasses.replace(robot, publishing=control), control


async def test_they_are_offered_only_on_demand(silent_robot: Robot) -> None:
    assert not TOOLS & await tools(silent_robot)
    assert "publishing" not in await call(silent_robot, "get_status")
    assert not TOOLS & await tools(with_publishing(silent_robot, "camera")[0])
    assert await tools(with_publishing(silent_robot, "on_demand")[0]) >= TOOLS


async def test_publishing_is_asked_for_and_its_end_is_waited_for(silent_robot: Robot) -> None:
    robot, control = with_publishing(silent_robot, "on_demand")
    assert await call(robot, "publish_stream") == {"publishing": "off", "error": ""}
    assert control.wanted()
    control.begin()
    control.report_failed(CallEnd(CallCause.UNUSABLE, "The server refuses the token."))
    assert await call(robot, "publish_stream") == {"publishing": "waiting", "error": "The server refuses the token."}
    status = await call(robot, "get_status")
    assert (status["publishing"], status["faults"]) == ("waiting", {"publish": "The server refuses the token."})
    control.begin()
    control.report_connected()
    ending = asyncio.create_task(call(robot, "unpublish_stream"))
    while control.wanted():
        await asyncio.sleep(0)
    assert not ending.done()
    control.report_unwanted()
    assert await ending == {"publishing": "off", "error": ""}
