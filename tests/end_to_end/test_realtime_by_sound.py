"""A whole robot that talks with a model by sound: wake word, answer, interruption, tools, switch, and no network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from tests.end_to_end.agents import events
from tests.robot.realtime.sounds import at_24_khz, in_base64, said, share_found
from tests.robot.realtime.stand_in import KEY, Spoken, stand_in
from tests.robots import online_robot
from tests.speech.sounds import silence, spoken
from tests.waiting import DEADLINE_S, eventually

SERVER_ID, SERVER_NAME = "robot-of-a-model", "tests/realtime"
LAMP, LISTENS, SWITCH = 5, 6, 27
WAKE = spoken("okay nabu", voice="en-gb", rate=150)
PHOTO, HELLO = spoken("take a photo"), spoken("hello robot")
QUESTION, LIGHT = spoken("what is the capital of France"), spoken("please turn on the lamp")
STORY = (
    "Once upon a time there was a robot that told a very long story to everybody who came by. Nobody had asked for it, "
    "and nobody knew how it would end. Seven ships sailed past the harbour, and each of them carried wheat and wine. "
) * 2


@contextlib.asynccontextmanager
async def robot(
    broker: PrivateBroker, url: str, *, sound: bool = True, **hearing: object
) -> AsyncIterator[tuple[SimulatedPi, Client]]:
    """A robot that talks with the model behind a URL, by sound or by text, and an agent of it."""
    pi = simulated_platform(scene="clock")
    pi.microphone.amplitude = 0.0
    listens = [{"when": {"listening": value}, "then": {"output": "listens", "on": value}} for value in (True, False)]
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
                "phrases": ["stop talking", "be quiet"],
                "voice_activity": "silero",
                "wake_word": "micro-wakeword",
                "follow_up_s": 0,
                **hearing,
            },
            "realtime": {
                "url": url,
                "key": KEY,
                "tools": ["set_led"],
                **({"sound": True, "transcription_model": "gpt-transcribe"} if sound else {}),
            },
            "pins": {"outputs": {name: {"kind": "led", "pin": pin} for name, pin in LEDS.items()}},
            "privacy": {"microphone": {"switch_pin": SWITCH}},
            "reactions": {"rules": listens},
        },
    )
    transport = mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME, client_id="agent")
    async with online_robot(settings, pi.platform):
        pi.gpio.press(SWITCH)  # the microphone may be open
        await eventually(lambda: pi.microphone.recording)
        async with asyncio.timeout(3 * DEADLINE_S), Client(transport) as client:
            yield pi, client


LEDS = {"lamp": LAMP, "listens": LISTENS}


async def told(agent: Client, kind: str) -> list[dict[str, Any]]:
    """The events of a kind."""
    return [event for event in await events(agent) if event["kind"] == kind]


async def is_speaking(agent: Client) -> bool:
    result = await agent.call_tool("get_status", {})
    assert result.structured_content is not None
    return bool(result.structured_content["speaking"])


def played_s(pi: SimulatedPi) -> float:
    """Seconds of sound that have left the loudspeaker."""
    return len(pi.loudspeaker.played) / 2 / 48_000


@pytest.mark.slow  # a voice is heard in real time
async def test_a_spoken_question_is_answered_aloud_interrupted_and_a_tool_is_called(broker: PrivateBroker) -> None:
    story, done = Spoken(STORY, said(STORY)), Spoken("The lamp is on.", said("The lamp is on."))
    async with (
        stand_in(story, [("set_led", {"name": "lamp", "on": True})], done) as server,
        robot(broker, server.url) as (pi, agent),
    ):
        server.transcripts = ["What is the capital of France?", "Please turn on the lamp."]
        pi.microphone.hear(WAKE + QUESTION + silence(1))
        await eventually(lambda: len(server.heard) == 1)
        assert share_found(server.heard[0], at_24_khz(QUESTION)) == pytest.approx(1.0, abs=0.05)
        await eventually(lambda: played_s(pi) > 3)
        assert await is_speaking(agent)
        while not server.truncated:  # on a busy machine a person is not noticed at once, and says it again
            pi.microphone.hear(LIGHT + silence(2))
            with contextlib.suppress(AssertionError):
                await eventually(lambda: len(server.truncated) == 1, deadline_s=5)
        played_ms = 1000 * played_s(pi)
        assert list(server.truncated.values()) == [pytest.approx(played_ms, abs=250)]
        (interrupted,) = await told(agent, "interrupted")
        assert STORY.startswith(interrupted["details"]["said"])
        assert interrupted["details"]["said"].startswith("Once upon")
        await eventually(lambda: len(server.heard) == 2)
        assert share_found(server.heard[1], at_24_khz(LIGHT)) > 0.3, "some of it is taken for the robot's voice"
        await eventually(lambda: pi.gpio.level(LAMP) == 1)
        await eventually(lambda: told_aloud(agent, "The lamp is on."))
        assert [event["text"] for event in await told(agent, "heard")] == [
            "What is the capital of France?",
            "Please turn on the lamp.",
        ]
        assert server.items("message") == [], "what it has heard does not go out again as text"
        assert await told(agent, "fault") == []


async def told_aloud(agent: Client, text: str) -> bool:
    return f"The robot says: {text}" in [event["text"] for event in await told(agent, "speech")]


@pytest.mark.slow  # quicker tests show it without the engines
@pytest.mark.parametrize("sound", [True, False], ids=["by sound", "by text"])
async def test_what_is_said_while_an_agent_listens_is_for_the_agent_alone(
    broker: PrivateBroker, *, sound: bool
) -> None:
    phrases = ["take a photo", "hello robot"]
    async with (
        stand_in("Hello.") as server,
        robot(broker, server.url, sound=sound, phrases=phrases) as (pi, agent),
    ):
        pi.microphone.speed = 4.0
        listening = asyncio.create_task(agent.call_tool("listen", {"seconds": 60}))
        await eventually(lambda: pi.gpio.level(LISTENS) == 1)
        pi.microphone.hear(PHOTO + silence(1))
        result = (await listening).structured_content
        assert result is not None
        assert result["text"] == "take a photo"
        pi.microphone.hear(WAKE + HELLO + silence(1))
        await eventually(lambda: server.count("response.create") == 1)
        if sound:
            assert server.count("input_audio_buffer.append") == len(in_base64(server.heard[0])), "nothing before"
            assert share_found(server.heard[0], at_24_khz(HELLO)) == pytest.approx(1.0, abs=0.05)
            assert server.items("message") == []
        else:
            (message,) = server.items("message")
            assert message["content"][0]["text"] == "hello robot"
            assert server.count("input_audio_buffer.append") == 0


async def test_the_switch_of_the_microphone_ends_what_goes_out_at_once(broker: PrivateBroker) -> None:
    async with stand_in() as server, robot(broker, server.url) as (pi, _):
        pi.microphone.speed = 4.0
        pi.microphone.hear(WAKE + QUESTION + QUESTION + silence(1))
        await eventually(lambda: server.buffer)
        pi.gpio.release(SWITCH)
        await eventually(lambda: server.count("input_audio_buffer.clear") == 1)
        appended = server.count("input_audio_buffer.append")
        await eventually(lambda: not pi.microphone.recording)
        await eventually(lambda: pi.gpio.level(LISTENS) == 0)
        assert server.count("input_audio_buffer.append") == appended
        assert server.heard == []
        assert not server.buffer


@pytest.mark.slow  # what each part does without network is shown by quicker tests
async def test_without_network_it_says_why_and_still_hears_stop_and_reacts(broker: PrivateBroker) -> None:
    async with stand_in() as nobody:
        url = nobody.url
    async with robot(broker, url, interruptible=False) as (pi, agent):
        pi.microphone.speed = 4.0
        pi.microphone.hear(WAKE + QUESTION + silence(1))
        await eventually(lambda: has_fault(agent, "The server cannot be reached"))
        await agent.call_tool("say", {"text": STORY})
        await eventually(lambda: is_speaking(agent))
        pi.microphone.hear(WAKE)
        await eventually(lambda: is_silent(agent))
        await eventually(lambda: pi.gpio.level(LISTENS) == 1)
        pi.microphone.hear(silence(4) + spoken("stop talking") + silence(1))
        await eventually(lambda: pi.gpio.level(LISTENS) == 0)
        assert (await told(agent, "heard"))[-1]["text"] == "stop talking"
        assert (await told(agent, "turn"))[-1]["details"]["reason"] == "stopped"


async def is_silent(agent: Client) -> bool:
    return not await is_speaking(agent)


async def has_fault(agent: Client, text: str) -> bool:
    return any(text in event["text"] for event in await told(agent, "fault"))
