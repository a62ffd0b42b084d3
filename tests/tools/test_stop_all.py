"""The emergency stop: what sounds falls silent, whoever began it; outputs and devices are in test_plugins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from mcp import Client

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.mixer import Input, Peer
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.robot.robot import Robot
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.devices import AudioSettings, DisplaySettings, VoiceSettings
from robot_node.settings.reactions import ReactionSettings
from robot_node.settings.root import Settings
from robot_node.speech.factory import build_speech
from robot_node.tools.server import build_server
from tests.robots import make_robot, reactions_of
from tests.waiting import eventually

LOUD = b"\x00\x40" * 960
LONG = "This is a long story. " * 20


@pytest.fixture
def pi() -> SimulatedPi:
    return simulated_platform()


@pytest.fixture
async def robot(pi: SimulatedPi) -> AsyncIterator[Robot]:
    """A robot with a voice and a loudspeaker."""
    telemetry = Telemetry()
    state = telemetry.state
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    loudspeaker = Loudspeaker(pi.platform, "default", state, idle_s=0.1)
    settings = Settings(voice=VoiceSettings(engine="espeak-ng"), audio=AudioSettings(viewer_may_speak=True))
    speech = build_speech(settings, face, state, telemetry.events, loudspeaker=loudspeaker)
    robot = make_robot(pi.platform, telemetry, face=face, loudspeaker=loudspeaker, speech=speech)
    assert speech.speaker is not None
    running = asyncio.create_task(speech.speaker.run())
    yield robot
    running.cancel()
    await asyncio.wait({running})
    await loudspeaker.close()
    await robot.camera.close()


async def stop_all(robot: Robot) -> list[str]:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        result = await client.call_tool("stop_all", {})
        assert result.structured_content is not None
        stopped: list[str] = result.structured_content["stopped"]
        return stopped


async def say(robot: Robot, text: str) -> None:
    assert robot.speech.speaker is not None
    await robot.speech.speaker.say(text)


async def test_speech_ends_and_what_waits_is_dropped(robot: Robot, pi: SimulatedPi) -> None:
    await say(robot, LONG)
    await say(robot, LONG)
    await eventually(lambda: robot.telemetry.state.snapshot.speaking and pi.loudspeaker.played)
    assert await stop_all(robot) == ["speech"]
    assert not robot.telemetry.state.snapshot.speaking
    await eventually(lambda: not pi.loudspeaker.open)
    assert len(pi.loudspeaker.played) / 2 / 48_000 < 10  # of half a minute
    assert await stop_all(robot) == []
    stops = [event.text for event in robot.telemetry.events.after() if event.kind == "stopped"]
    assert stops == ["Stopped: speech."], "one event for what was stopped, none where nothing was"


@pytest.mark.parametrize("source", [Input.CALL, Input.VIEWER])
async def test_a_peer_falls_silent_until_its_connection_is_made_anew(robot: Robot, source: Input) -> None:
    mixer, peer = robot.speech.mixer, Peer(source, "anna")
    for _ in range(20):
        mixer.play(peer, LOUD)
    assert mixer.queued_s > 0
    assert await stop_all(robot) == [source.value]
    assert mixer.queued_s == 0
    mixer.play(peer, LOUD)  # it goes on sending
    assert mixer.queued_s == 0
    assert await stop_all(robot) == []
    another = Peer(source, "anna")
    mixer.leave(peer)
    assert mixer.take_floor(another)
    mixer.play(another, LOUD)
    assert mixer.queued_s > 0


async def test_while_one_is_silenced_others_may_speak(robot: Robot) -> None:
    mixer, first, second = robot.speech.mixer, Peer(Input.VIEWER, "anna"), Peer(Input.VIEWER, "bert")
    mixer.play(first, LOUD)
    assert not mixer.take_floor(second)
    await robot.stop_all()
    assert mixer.take_floor(second)
    assert not mixer.take_floor(first)


async def test_a_reaction_silences_the_robot_too(robot: Robot) -> None:
    rule = {"when": {"viewers": "came"}, "then": {"stop_all": True}}
    rules = ReactionSettings.model_validate({"rules": [rule]}).rules
    reacting = asyncio.create_task(reactions_of(robot, rules).run())
    await say(robot, LONG)
    await eventually(lambda: robot.telemetry.state.snapshot.speaking)
    robot.telemetry.state.update(viewers=1)
    await eventually(lambda: not robot.telemetry.state.snapshot.speaking)
    reacting.cancel()


async def test_what_it_stops_is_said_exactly(robot: Robot) -> None:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "stop_all"]
    for word in ("servos", "motors", "buzzers", "speech", "call", "viewer", "other packages", "LEDs", "camera"):
        assert word in str(tool.description)
