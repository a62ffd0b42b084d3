"""What viewers can hear and say is in the robot's status: a page need not try."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client
from mcp_types import TextResourceContents

from hw_mocks.platform import simulated_platform
from robot_node.core.mixer import Input, Peer
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.robot.robot import Robot
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.devices import AudioSettings, DisplaySettings
from robot_node.settings.root import Settings
from robot_node.speech.factory import build_speech
from robot_node.tools.resources import STATUS
from robot_node.tools.server import build_server
from tests.robots import make_robot


@asynccontextmanager
async def robot_with(*, viewer_may_speak: bool, sound: bool = True) -> AsyncIterator[Robot]:
    platform, telemetry = simulated_platform().platform, Telemetry()
    state = telemetry.state
    face = Face(Display(platform, DisplaySettings(driver="none"), state), state)
    microphone = Microphone(platform, "default", state) if sound else None
    loudspeaker = Loudspeaker(platform, "default", state) if sound else None
    settings = Settings(audio=AudioSettings(viewer_may_speak=viewer_may_speak))
    speech = build_speech(settings, face, state, telemetry.events, microphone=microphone, loudspeaker=loudspeaker)
    robot = make_robot(platform, telemetry, face=face, loudspeaker=loudspeaker, speech=speech)
    yield robot
    for device in (microphone, loudspeaker, robot.camera):
        if device is not None:
            await device.close()


async def sound_of(robot: Robot) -> tuple[Any, Any]:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        (content,) = (await client.read_resource(STATUS)).contents
        assert isinstance(content, TextResourceContents)
        status = json.loads(content.text)
        brief = (await client.call_tool("get_status", {})).structured_content or {}
        assert "viewers_speak" not in brief, "models pay for it"
        return status["viewers_hear"], status["viewers_speak"]


async def test_a_robot_without_sound_has_none_for_viewers() -> None:
    async with robot_with(viewer_may_speak=True, sound=False) as robot:
        assert await sound_of(robot) == (False, None)


async def test_where_viewers_may_not_speak_they_can_still_hear() -> None:
    async with robot_with(viewer_may_speak=False) as robot:
        assert await sound_of(robot) == (True, None)
        assert robot.speech.mixer.take_floor(Peer(Input.CALL))
        assert await sound_of(robot) == (True, None)


async def test_whether_somebody_speaks_already_is_known() -> None:
    async with robot_with(viewer_may_speak=True) as robot:
        assert await sound_of(robot) == (True, "free")
        viewer = Peer(Input.VIEWER, "anna")
        assert robot.speech.mixer.take_floor(viewer)
        assert await sound_of(robot) == (True, "taken")
        robot.speech.mixer.leave(viewer)
        assert await sound_of(robot) == (True, "free")
