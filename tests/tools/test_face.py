"""What agents can do with the face, and what the media backend's words do to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import BlobResourceContents, TextResourceContents

from hw_mocks.platform import simulated_platform
from robot_node.core.media import level_of
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.errors import SettingsError
from robot_node.face.custom import with_custom
from robot_node.face.text import MAX_CHARACTERS
from robot_node.robot.robot import Robot
from robot_node.robot.subtitles import Subtitles
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.devices import DisplaySettings
from robot_node.settings.loading import load_settings
from robot_node.tools.server import build_server
from robot_node.webrtc.messages import (
    AsrResponse,
    BackendMessage,
    TextMessage,
    TtsBegin,
    TtsComplete,
    TtsTerminate,
    TtsText,
)
from tests.robots import make_robot
from tests.sound import tone
from tests.waiting import DEADLINE_S


@pytest.fixture
async def robot() -> AsyncIterator[Robot]:
    platform, telemetry = simulated_platform().platform, Telemetry()
    display = Display(platform, DisplaySettings(driver="none"), telemetry.state)
    face = Face(display, telemetry.state, expressions=with_custom({"wink": {"like": "playful"}}))
    robot = make_robot(platform, telemetry, face=face)
    yield robot
    await robot.camera.close()


async def call(robot: Robot, tool: str, **arguments: object) -> Any:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        result = await client.call_tool(tool, arguments)
        return (
            "".join(getattr(part, "text", "") for part in result.content)
            if result.is_error
            else (result.structured_content)
        )


@pytest.mark.parametrize(
    ("asked", "shown"), [("happy", "happy"), (" Laug ", "laugh"), ("sleepy", "tired"), ("wink", "wink")]
)
async def test_an_emotion_by_any_of_its_names(robot: Robot, asked: str, shown: str) -> None:
    assert await call(robot, "change_emotion", emotion=asked) == {"emotion": shown}
    assert robot.telemetry.state.snapshot.emotion == shown


@pytest.mark.parametrize("wrong", ["hungry", "", 7, None])
async def test_an_unknown_emotion_is_refused_with_those_there_are(robot: Robot, wrong: object) -> None:
    error = await call(robot, "change_emotion", emotion=wrong)
    assert "neutral" in error
    assert "wink" in error
    assert robot.telemetry.state.snapshot.emotion == "neutral"


async def test_the_schema_lists_the_expressions_of_the_settings_too(robot: Robot) -> None:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools["change_emotion"].input_schema["properties"]["emotion"]["enum"] == list(robot.face.names)
    assert len(robot.face.names) == 14


async def test_a_text_shows_for_as_long_as_it_takes_to_read(robot: Robot) -> None:
    before = robot.face.picture.tobytes()
    short = await call(robot, "show_text", text="Hello")
    long = await call(robot, "show_text", text="Hello, " * 30)
    assert 0 < short["seconds"] < long["seconds"]
    assert await call(robot, "show_text", text="Hello", duration=3) == {"seconds": 3}
    assert robot.face.picture.tobytes() != before
    assert await call(robot, "show_text", text="") == {"seconds": 0}
    assert str(MAX_CHARACTERS) in await call(robot, "show_text", text="x" * (MAX_CHARACTERS + 1))


async def test_the_face_as_resource_is_its_state_and_its_picture(robot: Robot) -> None:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        state, picture = (await client.read_resource("robot://face")).contents
    assert isinstance(state, TextResourceContents)
    assert json.loads(state.text)["emotion"] == "neutral"
    assert isinstance(picture, BlobResourceContents)
    assert picture.mime_type == "image/png"


def test_expressions_from_the_settings_file_are_checked_when_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "robot.toml"
    file.write_text("[face.expressions.wide]\neyes = { width = 400 }\n")
    with pytest.raises(SettingsError, match=r"robot\.toml: face\.expressions: Expression wide: .*width"):
        load_settings(file)
    file.write_text("[face.expressions.wide]\neyes = { width = 44 }\n")
    settings = load_settings(file)
    assert "wide" in settings.face.all_expressions(settings.display)


def test_a_night_from_the_settings_file_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "robot.toml"
    file.write_text('[display]\nnight = "late"\n')
    with pytest.raises(SettingsError, match=r"display\.night: must be two times of day"):
        load_settings(file)


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        ([AsrResponse(" hello robot ")], ["\u201chello robot\u201d"]),
        ([TextMessage("Dinner!")], ["Dinner!"]),
        (
            [
                TtsBegin("1"),
                TtsText("1", "Good "),
                TtsText("1", "morning. It "),
                TtsText("1", "rains."),
                TtsComplete("1"),
            ],
            ["Good", "Good morning. It", "It rains."],
        ),
        ([TtsText("1", "\u4f60\u597d\u3002\u518d\u89c1")], ["\u4f60\u597d\u3002 \u518d\u89c1"]),
        ([TtsBegin("1"), TtsText("1", "Good morn"), TtsTerminate("1")], ["Good morn", ""]),
        ([TtsText("1", "Old"), TtsBegin("2"), TtsTerminate("1"), TtsText("2", "New")], ["Old", "New"]),
        ([TtsText("1", "   ")], []),
    ],
)
def test_words_of_the_backend_are_subtitles(messages: list[BackendMessage], shown: list[str]) -> None:
    seen: list[str] = []
    subtitles = Subtitles(seen.append)
    for message in messages:
        subtitles.receive(message)
    assert seen == shown


def test_a_sentence_without_end_is_bounded() -> None:
    seen: list[str] = []
    subtitles = Subtitles(seen.append)
    for _ in range(1000):
        subtitles.receive(TtsText("1", "word "))
    assert max(map(len, seen)) <= 400


def test_levels() -> None:
    assert level_of(b"") == 0
    assert level_of(bytes(200)) == 0
    quiet, loud = (level_of(tone(300, 0.02, amplitude=amplitude)) for amplitude in (0.05, 0.6))
    assert 0.2 < quiet < 0.5
    assert loud == 1.0


async def test_what_the_loudspeaker_plays_is_what_the_mouth_follows() -> None:
    pi = simulated_platform()
    loudspeaker = Loudspeaker(pi.platform, "default", RobotState(), volume=100, idle_s=0.05)
    levels: list[float] = []
    done = asyncio.Event()

    def hear(level: float) -> None:
        levels.append(level)
        if level == 0:
            done.set()

    loudspeaker.set_level_sink(hear)
    for _ in range(5):
        loudspeaker.play(tone(300, 0.02))
    loudspeaker.play(bytes(1920))
    async with asyncio.timeout(DEADLINE_S):
        await done.wait()
    assert levels == pytest.approx([1, 1, 1, 1, 1, 0], abs=0.01)
    await loudspeaker.close()
