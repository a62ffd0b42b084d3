"""A robot that hears: what somebody says near it reaches an agent and a viewer."""

from __future__ import annotations

import asyncio
import json
import wave
from pathlib import Path

import pytest
from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.media import SAMPLE_RATE
from tests.end_to_end.agents import EVENTS, agent, events
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import RobotProcess, plain_client, wait_until_online
from tests.speech.sounds import spoken, spoken_file
from tests.waiting import DEADLINE_S


@pytest.mark.slow
async def test_an_agent_and_a_viewer_are_told_what_is_said_near_the_robot(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    robot = RobotProcess(
        broker,
        tmp_path,
        settings={
            "ROBOT_NODE_AUDIO__MICROPHONE": "default",
            "ROBOT_NODE_HEARING__ENGINE": "pocketsphinx",
            "ROBOT_NODE_HEARING__PHRASES": '["hello robot", "take a photo"]',
            "ROBOT_NODE_SIMULATION__MICROPHONE_SOUND": str(spoken_file(tmp_path / "hello.wav", "hello robot")),
        },
    )
    await robot.start()
    try:
        await wait_until_online(broker)
        async with (
            asyncio.timeout(2 * DEADLINE_S),
            agent(broker) as client,
            client.listen(resource_subscriptions=[EVENTS]) as updates,
            plain_client(broker, "reader") as reader,
        ):
            await reader.subscribe("$message/viewer-1")
            async with watching(broker, "viewer-1"):
                message = await anext(aiter(reader.messages))
                assert isinstance(message.payload, bytes)
                assert json.loads(message.payload) == {"type": "asr_response", "results": "hello robot", "by": ""}
                while "hello robot" not in await heard(client):
                    await anext(updates)
        assert len(robot.children()) == 1
        assert await robot.stop() == 0
    finally:
        await robot.kill()


@pytest.mark.slow
async def test_a_wake_word_begins_a_turn_and_what_is_said_in_it_reaches_an_agent(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    wake = spoken("okay nabu", voice="en-gb", rate=150)
    sound = sound_file(tmp_path / "sound.wav", spoken("hello robot") + wake + spoken("take a photo"))
    robot = RobotProcess(
        broker,
        tmp_path,
        settings={
            "ROBOT_NODE_AUDIO__MICROPHONE": "default",
            "ROBOT_NODE_HEARING__ENGINE": "pocketsphinx",
            "ROBOT_NODE_HEARING__PHRASES": '["hello robot", "take a photo"]',
            "ROBOT_NODE_HEARING__VOICE_ACTIVITY": "silero",
            "ROBOT_NODE_HEARING__WAKE_WORD": "micro-wakeword",
            "ROBOT_NODE_HEARING__FOLLOW_UP_S": "0",
            "ROBOT_NODE_SIMULATION__MICROPHONE_SOUND": str(sound),
        },
    )
    await robot.start()
    try:
        await wait_until_online(broker)
        async with (
            asyncio.timeout(3 * DEADLINE_S),
            agent(broker) as client,
            client.listen(resource_subscriptions=[EVENTS]) as updates,
        ):
            while "take a photo" not in await heard(client):
                await anext(updates)
            told = [event for event in await events(client) if event["kind"] in {"wake_word", "turn", "heard"}]
            assert [event["kind"] for event in told[:3]] == ["wake_word", "turn", "heard"]
            assert told[0]["device"] == "okay_nabu"
            assert told[2]["details"]["language"] == "en"
            assert "hello robot" not in await heard(client)  # it was said before the wake word
            while not await awaits_nobody(client):
                await anext(updates)
        assert await robot.stop() == 0
    finally:
        await robot.kill()


def sound_file(file: Path, samples: bytes) -> Path:
    """A file of sound: 16 bit, mono, 48 kHz."""
    with wave.open(str(file), "wb") as sound:
        sound.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        sound.writeframes(samples)
    return file


async def awaits_nobody(client: Client) -> bool:
    result = await client.call_tool("get_status", {})
    assert result.structured_content is not None
    return result.structured_content["listening"] is False


async def heard(client: Client) -> list[str]:
    return [event["text"] for event in await events(client) if event["kind"] == "heard"]
