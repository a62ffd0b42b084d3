"""A whole robot in conversation: its room, an agent with a script, and what people notice of both."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mcp import Client

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.media import SAMPLE_RATE
from robot_node.settings.loading import load_settings
from tests.end_to_end.agents import EVENTS, agent, events, structured
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.robots import online_robot
from tests.speech.sounds import recorded, spoken
from tests.waiting import eventually

LAMP = 5
"""The pin of the lamp that shows that the robot listens."""

WAKE = spoken("okay nabu", voice="en-gb", rate=150)
"""Said by espeak-ng: no package carries recordings of people who say it."""

RECORDED = recorded()
"""What people say: recordings, by their text."""

ANSWER = 3 * (
    "The sun rose over the hills while a small dog ran along the river. Nobody had expected the rain to stop so early. "
    "Seven ships sailed past the harbour, and each of them carried wheat and wine from the islands in the south. "
    "The captain of the first one waved to the people on the shore, who had been waiting there since the morning. "
    "In the evening they lit fires on the beach, and told each other what had happened to them in all these years. "
)
"""So long that on a busy machine, too, a person is noticed before its end."""
GOES_ON = "As you wish."

LEARNT_S = 6.0
"""By then the robot knows how its loudspeaker sounds at its microphone."""

_ROOM = ((0.02, 0.2), (0.033, 0.1), (0.051, -0.07))
_LATE, _RELATED = 8, 0.25
"""Looks by which sound and mouth may differ, and the correlation from which the mouth follows the sound."""

_MOUTH = (slice(34, 54), slice(54, 74))
"""Rows and columns of the display between which the middle of the lips is."""


@contextlib.asynccontextmanager
async def conversing_robot(broker: PrivateBroker, **sections: Any) -> AsyncIterator[SimulatedPi]:
    """A robot that is online and hears; its microphone hears its loudspeaker, too.

    Args:
        broker: Its broker.
        **sections: Further settings.
    """
    pi = simulated_platform(scene="clock")
    pi.microphone.amplitude, pi.microphone.echoes = 0.0, _ROOM
    listening = [{"when": {"listening": value}, "then": {"output": "lamp", "on": value}} for value in (True, False)]
    hearing = {
        "engine": "pocketsphinx",
        "phrases": list(RECORDED),
        "voice_activity": "silero",
        "wake_word": "micro-wakeword",
        "follow_up_s": 8,  # who interrupts it may be understood at once, or say it again
    }
    settings = load_settings(
        None,
        {
            "broker": {"url": broker.url, "reconnect_initial_s": 0.2, "reconnect_maximum_s": 1.0},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "webrtc": sections.pop("webrtc", {"enabled": False}),
            "audio": {"microphone": "default", "loudspeaker": "default", **sections.pop("audio", {})},
            "voice": {"engine": "espeak-ng"},
            "hearing": {**hearing, **sections.pop("hearing", {})},
            "pins": {"outputs": {"lamp": {"kind": "led", "pin": LAMP}}},
            "reactions": {"rules": listening},
            **sections,
        },
    )
    async with online_robot(settings, pi.platform):
        await eventually(lambda: pi.microphone.recording)
        yield pi


def lit(pi: SimulatedPi) -> bool:
    """The lamp shows that the robot listens."""
    return pi.gpio.level(LAMP) == 1


def played_s(pi: SimulatedPi) -> float:
    """Seconds of sound that have left the loudspeaker."""
    return len(pi.loudspeaker.played) / 2 / SAMPLE_RATE


async def of_kind(client: Client, kind: str) -> list[dict[str, Any]]:
    """The events of one kind."""
    return [event for event in await events(client) if event["kind"] == kind]


async def texts(client: Client) -> list[str]:
    """What the robot has heard."""
    return [event["text"] for event in await of_kind(client, "heard")]


async def speaking(client: Client) -> bool:
    """The robot speaks."""
    return bool((await structured(client, "get_status"))["speaking"])


@dataclass
class ScriptedAgent:
    """An agent that follows the robot's events: answers what was asked, and goes on after an interruption.

    Attributes:
        told: The events, in their order.
    """

    client: Client
    answers: dict[str, str]
    told: list[dict[str, Any]] = field(default_factory=list)

    async def run(self) -> None:
        """Follow the script until cancelled."""
        async with self.client.listen(resource_subscriptions=[EVENTS]) as updates:
            while True:
                for event in await events(self.client, self.told[-1]["sequence"] if self.told else 0):
                    self.told.append(event)
                    if event["kind"] == "heard" and (answer := self.answers.get(event["text"])):
                        await structured(self.client, "say", text=answer)
                await anext(updates)

    def was_told(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind that have reached it."""
        return [event for event in self.told if event["kind"] == kind]


@contextlib.asynccontextmanager
async def scripted_agent(broker: PrivateBroker, answers: dict[str, str]) -> AsyncIterator[ScriptedAgent]:
    """An agent with a script: what it says when it is told that something was heard."""
    async with agent(broker) as client:
        scripted = ScriptedAgent(client, answers)
        running = asyncio.create_task(scripted.run())
        try:
            yield scripted
        finally:
            running.cancel()
            await asyncio.wait({running})
            if not running.cancelled():
                running.result()


@dataclass
class Lips:
    """What a person sees of the mouth, and hears at the same time.

    Attributes:
        seen: The height of the mouth on the display in pixels, and the loudness, at many times.
    """

    pi: SimulatedPi
    seen: list[tuple[int, float]] = field(default_factory=list)

    def height(self) -> int:
        """Pixels from the upper lip to the lower one."""
        rows = np.flatnonzero(np.array(self.pi.oled.picture().convert("1"))[_MOUTH].any(axis=1))
        return int(rows[-1] - rows[0]) if len(rows) else 0

    async def watch(self) -> None:
        """Look at the mouth until cancelled."""
        while True:
            sound = np.frombuffer(self.pi.loudspeaker.heard_at(time.monotonic() - 0.05, 2400), np.int16)
            self.seen.append((self.height(), float(np.sqrt(np.abs(sound.astype(float)).max()))))
            await asyncio.sleep(0.03)

    def follow_the_sound(self) -> bool:
        """The mouth is wider open while the robot is louder, if need be a little earlier or later."""
        heights, loudness = (np.array(each, float) for each in zip(*self.seen, strict=True))
        related = [np.corrcoef(np.roll(heights, by), loudness)[0, 1] for by in range(-_LATE, _LATE)]
        print("The mouth and the sound are related by", np.round(related, 2))  # pytest shows it when the test failed
        return bool(max(related) > _RELATED)
