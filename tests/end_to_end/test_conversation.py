"""A whole robot that is spoken to: button, lamp, voice and the tool listen, with a scripted agent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from mcp import Client

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from tests.end_to_end.agents import events
from tests.robots import online_robot
from tests.speech.sounds import silence, spoken
from tests.waiting import DEADLINE_S, eventually

SERVER_ID, SERVER_NAME = "robot-that-converses", "tests/conversing"
LAMP, TALK = 5, 22
HELLO = spoken("hello robot")
"""Made before a turn begins: it does not wait for espeak-ng."""
WAKE = spoken("okay nabu", voice="en-gb", rate=150)
STORY = "Once upon a time there was a robot that told a very long story. " * 10


@pytest.fixture
async def pi(broker: PrivateBroker) -> AsyncIterator[SimulatedPi]:
    """The hardware of a robot that is online: a lamp that shows that it listens, and a button to talk to it."""
    pi = simulated_platform(scene="clock")
    pi.microphone.amplitude, pi.microphone.speed = 0.0, 4.0
    listening = [{"when": {"listening": value}, "then": {"output": "lamp", "on": value}} for value in (True, False)]
    settings = load_settings(
        None,
        {
            "broker": {"url": broker.url},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "webrtc": {"enabled": False},
            "audio": {"microphone": "default", "loudspeaker": "default"},
            "voice": {"engine": "espeak-ng"},
            "hearing": {
                "engine": "pocketsphinx",
                "phrases": ["hello robot", "take a photo"],
                "voice_activity": "silero",
                "wake_word": "micro-wakeword",
                "follow_up_s": 0,
            },
            "pins": {
                "outputs": {"lamp": {"kind": "led", "pin": LAMP}},
                "inputs": {"talk": {"kind": "button", "pin": TALK, "talks": True}},
            },
            "reactions": {"rules": listening},
        },
    )
    async with online_robot(settings, pi.platform):
        await eventually(lambda: pi.microphone.recording)
        yield pi


def lit(pi: SimulatedPi) -> bool:
    """The lamp is lit."""
    return pi.gpio.level(LAMP) == 1


@contextlib.asynccontextmanager
async def agent_of(broker: PrivateBroker) -> AsyncIterator[Client]:
    """A scripted agent."""
    transport = mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME, client_id="agent")
    async with asyncio.timeout(3 * DEADLINE_S), Client(transport) as client:
        yield client


async def words(agent: Client) -> list[str]:
    return [event["text"] for event in await events(agent) if event["kind"] == "heard"]


async def until_heard(agent: Client, text: str) -> None:
    while text not in await words(agent):
        await asyncio.sleep(0.1)


async def is_speaking(agent: Client) -> bool:
    result = await agent.call_tool("get_status", {})
    assert result.structured_content is not None
    return bool(result.structured_content["speaking"])


async def test_a_button_begins_a_turn_that_a_lamp_shows(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with agent_of(broker) as agent:
        assert not lit(pi)
        pi.gpio.press(TALK)
        await eventually(lambda: lit(pi))
        pi.gpio.release(TALK)
        pi.microphone.hear(HELLO + silence(1))
        await until_heard(agent, "hello robot")
        await eventually(lambda: not lit(pi))


async def test_the_wake_word_interrupts_a_long_answer_and_what_is_said_then_is_heard(
    broker: PrivateBroker, pi: SimulatedPi
) -> None:
    async with agent_of(broker) as agent:
        await agent.call_tool("say", {"text": STORY})
        while not await is_speaking(agent):
            await asyncio.sleep(0.05)
        pi.microphone.hear(WAKE)
        while await is_speaking(agent):
            await asyncio.sleep(0.05)
        told = [event["text"] for event in await events(agent) if event["kind"] == "speech"]
        assert told[-1] == "The robot did not say all of it."
        # First the echo dies away in the room, by the clock.
        pi.microphone.hear(silence(4) + HELLO + silence(1))
        await until_heard(agent, "hello robot")


async def test_an_agent_listens_without_a_wake_word(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with agent_of(broker) as agent:
        listening = asyncio.create_task(agent.call_tool("listen", {"seconds": 30}))
        await eventually(lambda: lit(pi))
        pi.microphone.hear(HELLO + silence(1))
        heard = (await listening).structured_content
        assert heard is not None
        assert heard["text"] == "hello robot"
        assert heard["language"] == "en"
