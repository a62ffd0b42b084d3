"""What agents can say with the robot's voice, and what they are told of it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.events import EventLog
from robot_node.core.mixer import Input
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.robot.robot import Robot
from robot_node.settings.devices import VoiceSettings
from robot_node.settings.root import Settings
from robot_node.speech.factory import build_speech
from robot_node.tools.server import build_server
from tests.robots import make_robot
from tests.waiting import eventually


@pytest.fixture
def pi() -> SimulatedPi:
    return simulated_platform()


@pytest.fixture
async def mute_robot(pi: SimulatedPi) -> AsyncIterator[Robot]:
    """A robot without a voice."""
    robot = make_robot(pi.platform)
    yield robot
    await robot.camera.close()


@pytest.fixture
async def robot(pi: SimulatedPi, mute_robot: Robot) -> AsyncIterator[Robot]:
    telemetry = mute_robot.telemetry
    loudspeaker = Loudspeaker(pi.platform, "default", telemetry.state, idle_s=0.1)
    settings = Settings(voice=VoiceSettings(engine="espeak-ng"))
    speech = build_speech(
        settings, mute_robot.face, mute_robot.telemetry.state, mute_robot.telemetry.events, loudspeaker=loudspeaker
    )
    assert speech.speaker is not None
    running = asyncio.create_task(speech.speaker.run())
    yield dataclasses.replace(mute_robot, loudspeaker=loudspeaker, speech=speech)
    running.cancel()
    await asyncio.wait({running})
    await loudspeaker.close()


async def call(robot: Robot, tool: str, **arguments: object) -> Any:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        result = await client.call_tool(tool, arguments)
        return (
            "".join(getattr(part, "text", "") for part in result.content)
            if result.is_error
            else result.structured_content
        )


async def tools(robot: Robot) -> set[str]:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


async def test_they_are_offered_only_where_there_is_a_voice(robot: Robot, mute_robot: Robot) -> None:
    assert {"say", "stop_speaking"} <= await tools(robot)
    assert not {"say", "stop_speaking"} & await tools(mute_robot)


def test_without_being_asked_for_there_is_no_voice(mute_robot: Robot) -> None:
    speech = build_speech(Settings(), mute_robot.face, mute_robot.telemetry.state, EventLog())
    assert (speech.speaker, speech.recognition) == (None, None)
    assert not speech.mixer.has_sound_for_peers
    assert not any(speech.mixer.accepts(source) for source in Input)


async def test_what_is_said_is_heard_at_the_volume_that_is_set(robot: Robot, pi: SimulatedPi) -> None:
    await call(robot, "control_volume", volume=50)
    said = await call(robot, "say", text="Hello", emotion="happy")
    assert said["waiting"] == 0
    assert said["loudspeaker_error"] == ""
    await eventually(lambda: robot.telemetry.state.snapshot.speaking)
    assert (await call(robot, "get_status"))["speaking"]
    await eventually(lambda: not robot.telemetry.state.snapshot.speaking)
    status = await call(robot, "get_status")
    assert (status["speaking"], status["emotion"], "voice_error" in status) == (False, "happy", False)
    await eventually(lambda: not pi.loudspeaker.open)
    assert 0.2 < len(pi.loudspeaker.played) / 2 / 48_000 < 2
    half = max(memoryview(pi.loudspeaker.played).cast("h"))
    assert 500 < half < 32767 // 4 + 1


async def test_texts_wait_for_their_turn_until_they_are_stopped(robot: Robot) -> None:
    assert (await call(robot, "say", text="One. " * 30))["waiting"] == 0
    assert (await call(robot, "say", text="Two"))["waiting"] == 1
    assert (await call(robot, "say", text="Three"))["waiting"] == 2
    assert (await call(robot, "say", text="Four", interrupt=True))["waiting"] == 0
    assert (await call(robot, "say", text="Five"))["waiting"] == 1
    assert await call(robot, "stop_speaking") == {"stopped": 2}
    assert await call(robot, "stop_speaking") == {"stopped": 0}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"text": ""}, "text"),
        ({"text": "x" * 2001}, "2000"),
        ({"text": "?!"}, "nothing to be said"),
        ({"text": "Hi", "language": "xx"}, "espeak-ng --voices lists them"),
        ({"text": "Hi", "emotion": "hungry"}, "neutral"),
    ],
)
async def test_what_cannot_be_said_is_an_error_with_the_reason(
    robot: Robot, arguments: dict[str, object], reason: str
) -> None:
    assert reason in await call(robot, "say", **arguments)
    assert await call(robot, "stop_speaking") == {"stopped": 0}


async def test_a_loudspeaker_that_is_missing_is_told(robot: Robot, pi: SimulatedPi) -> None:
    pi.loudspeaker.absent = True
    assert robot.loudspeaker is not None
    await robot.loudspeaker.check()
    assert "'default'" in (await call(robot, "say", text="Hello"))["loudspeaker_error"]


async def test_what_others_play_moves_the_mouth_as_well(robot: Robot) -> None:
    assert robot.loudspeaker is not None
    loop = asyncio.get_running_loop()
    robot.loudspeaker.play(b"\x00\x40" * 4800)
    await eventually(lambda: robot.face._animator.scene.speech.level(loop.time()) > 0.5)
