"""A conversation in a steady noise like that of a fan: it is in all that the microphone hears, and never pauses.

What is said is one of the robot's phrases: free text in noise is beyond PocketSphinx (docs/hearing.md).
"""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from hw_mocks.platform import SimulatedPi
from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.conversation import (
    RECORDED,
    ScriptedAgent,
    conversing_robot,
    scripted_agent,
    speaking,
)
from tests.end_to_end.test_whole_conversation import (
    ASKED,
    SCRIPT,
    answered_with_lips_until_interrupted_and_again,
    asked,
)
from tests.speech.sounds import loudness_of, pink_noise, silence
from tests.waiting import DEADLINE_S, eventually

BELOW_SPEECH_DB = 20
SENTENCE = "The sun rose over the hills while a small dog ran along the river."


def switch_on_noise(pi: SimulatedPi) -> None:
    """From now on there is noise, so much less loud than the person."""
    person = loudness_of(np.frombuffer(RECORDED[ASKED], np.int16))
    pi.microphone.noise = pink_noise(10.0, person / 10 ** (BELOW_SPEECH_DB / 20))


async def nobody_speaks(pi: SimulatedPi, seconds: float) -> None:
    """The microphone hears so much of noise alone, by its own time."""
    pi.microphone.hear(silence(seconds))
    await eventually(lambda: not pi.microphone._once, "it was heard")


def turns(scripted: ScriptedAgent) -> list[str]:
    """Which turns have begun and ended, as the agent was told."""
    return [event["details"]["state"] for event in scripted.was_told("turn")]


@pytest.mark.slow  # it says and hears in real time
async def test_in_noise_a_person_wakes_asks_is_answered_interrupts_and_is_answered_again(broker: PrivateBroker) -> None:
    async with (
        conversing_robot(broker) as pi,
        scripted_agent(broker, SCRIPT) as scripted,
        asyncio.timeout(2 * DEADLINE_S),
    ):
        switch_on_noise(pi)
        await nobody_speaks(pi, 2)
        await asked(pi, scripted)
        await eventually(lambda: turns(scripted) == ["began", "ended"], "the noise goes on, the turn does not")
        await answered_with_lips_until_interrupted_and_again(pi, scripted)


@pytest.mark.slow
async def test_noise_alone_begins_no_turn_and_interrupts_no_answer(broker: PrivateBroker) -> None:
    async with (
        conversing_robot(broker, hearing={"wake_word": "none"}) as pi,  # what is taken for speech begins a turn
        scripted_agent(broker, {ASKED: SENTENCE}) as scripted,
        asyncio.timeout(2 * DEADLINE_S),
    ):
        switch_on_noise(pi)
        await nobody_speaks(pi, 8)
        assert turns(scripted) == []
        pi.microphone.hear(RECORDED[ASKED])
        await eventually(lambda: scripted.was_told("speech"), "a person is heard")
        while await speaking(scripted.client):
            await asyncio.sleep(0.05)
        await nobody_speaks(pi, 3)
        assert scripted.was_told("interrupted") == []
        assert turns(scripted) == ["began", "ended"]
        assert [event["text"] for event in scripted.was_told("heard")] == [ASKED]
