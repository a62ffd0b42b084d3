"""What agents can say with the robot's voice, and what they are told of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.events import EventLog
from robot_node.core.mixer import Input
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.robot.robot import Robot
from robot_node.settings.devices import VoiceSettings
from robot_node.settings.root import Settings
from robot_node.speech.factory import build_speech
from robot_node.tools.server import build_server
from robot_node.tools.voice import offer_voice
from tests.robots import make_robot
from tests.speech.test_espeak import script
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


@contextlib.asynccontextmanager
async def talking(pi: SimulatedPi, mute_robot: Robot, voice: VoiceSettings) -> AsyncIterator[Robot]:
    """The robot with a voice and a loudspeaker, until the block is left."""
    telemetry = mute_robot.telemetry
    loudspeaker = Loudspeaker(pi.platform, "default", telemetry.state, idle_s=0.1)
    speech = build_speech(
        Settings(voice=voice), mute_robot.face, telemetry.state, telemetry.events, loudspeaker=loudspeaker
    )
    assert speech.speaker is not None
    running = asyncio.create_task(speech.speaker.run())
    yield dataclasses.replace(mute_robot, loudspeaker=loudspeaker, speech=speech)
    running.cancel()
    await asyncio.wait({running})
    await loudspeaker.close()


@pytest.fixture
async def robot(pi: SimulatedPi, mute_robot: Robot) -> AsyncIterator[Robot]:
    voice = VoiceSettings(engine="espeak-ng", voice_by_language={"de": "de"})
    async with talking(pi, mute_robot, voice) as robot:
        yield robot


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


async def test_with_wait_it_returns_when_it_is_spoken(robot: Robot, pi: SimulatedPi) -> None:
    said = await call(robot, "say", text="Hello there.", wait=True)
    assert (said["spoken"], said["said"]) == (True, "Hello there.")
    assert not robot.telemetry.state.snapshot.speaking
    assert len(pi.loudspeaker.played) / 2 / 48_000 > 0.5
    without = await call(robot, "say", text="Hello again.")
    assert (without["spoken"], without["said"]) == (None, None)


async def test_a_wait_ends_when_the_text_is_stopped(robot: Robot) -> None:
    waiting = asyncio.create_task(call(robot, "say", text="One. " * 30, wait=True))
    await eventually(lambda: robot.telemetry.state.snapshot.speaking)
    queued = asyncio.create_task(call(robot, "say", text="Two.", wait=True))
    await eventually(lambda: robot.speech.speaker is not None and robot.speech.speaker.texts_ahead == 1)
    assert await call(robot, "stop_speaking") == {"stopped": 2}
    stopped = await waiting
    assert not stopped["spoken"]
    assert ("One. " * 30).startswith(stopped["said"])
    assert ((await queued)["spoken"], (await queued)["said"]) == (False, "")


async def test_a_wait_reports_that_the_robot_cannot_speak(pi: SimulatedPi, mute_robot: Robot, tmp_path: Path) -> None:
    broken = script(tmp_path, '[ -z "$(cat)" ] && exit 0; echo The voice is broken >&2; exit 1')
    async with talking(pi, mute_robot, VoiceSettings(engine="espeak-ng", program=broken)) as robot:
        assert "The voice is broken." in await call(robot, "say", text="Hello", wait=True)


async def test_a_long_wait_reports_progress(robot: Robot) -> None:
    assert robot.speech.speaker is not None
    server = MCPServer("test")
    offer_voice(server, robot.speech.speaker, robot.telemetry.state, progress_every_s=0.05)
    reports: list[str | None] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        reports.append(message)

    async with Client(server) as client:
        await client.call_tool("say", {"text": "Hello there.", "wait": True}, progress_callback=report)
    assert "Speaking." in reports


async def test_a_text_is_spoken_in_the_language_that_it_is_in(robot: Robot) -> None:
    assert robot.speech.speaker is not None
    for text, asked, language in (
        ("Guten Morgen, wie geht es dir?", "", "de"),
        ("Good morning, how are you?", "", "en"),
        ("Guten Morgen, wie geht es dir?", "en", "en"),
        ("Bonjour, comment allez-vous ?", "", "en"),  # the robot has no voice for it
    ):
        assert (await robot.speech.speaker.say(text, language=asked)).language == language


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
