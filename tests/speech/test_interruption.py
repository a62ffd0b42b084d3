"""A person interrupts a robot that speaks: real engines and drivers, and a room in which its microphone hears it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import numpy as np
import pytest

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.events import Event, EventLog, record
from robot_node.core.media import Played
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.on_pins import open_pins
from robot_node.devices.sound import open_sound
from robot_node.settings.devices import DisplaySettings
from robot_node.settings.loading import load_settings
from robot_node.speech.factory import Speech, build_speech
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.recognition_messages import EngineMessage, Interruption, Listening, TurnBegan, Utterance
from robot_node.speech.sphinx import SphinxRecognizer
from robot_node.speech.turn_options import TurnOptions
from robot_node.speech.turn_pipeline import TurnPipeline
from tests.speech.sounds import pieces, silence, spoken
from tests.speech.test_echo import robot_says, room, samples, with_person
from tests.waiting import eventually

LONG = (
    "The sun rose over the hills while a small dog ran along the river. Nobody had expected the rain to stop so early. "
    "Seven ships sailed past the harbour, and each of them carried wheat and wine from the islands in the south."
)
STORY = " ".join(6 * [LONG])
ROOM = ((0.02, 0.3), (0.033, 0.15), (0.051, -0.1))
SETTINGS: dict[str, dict[str, object]] = {
    "audio": {"microphone": "default", "loudspeaker": "default"},
    "voice": {"engine": "espeak-ng"},
    "hearing": {
        "engine": "pocketsphinx",
        "phrases": ["take a photo", "turn on the light"],
        "voice_activity": "silero",
        "follow_up_s": 0,
    },
}


class SpeakingRobot:
    """A robot that speaks and hears, and what agents are told."""

    def __init__(self, pi: SimulatedPi, state: RobotState, events: EventLog, speech: Speech) -> None:
        self.pi, self.state, self.events, self.speech = pi, state, events, speech

    async def say(self, text: str) -> None:
        """It says something from now on."""
        assert self.speech.speaker is not None
        await self.speech.speaker.say(text)
        await eventually(lambda: self.state.snapshot.speaking)

    def told(self, kind: str) -> list[Event]:
        return [event for event in self.events.after() if event.kind == kind]


@contextlib.asynccontextmanager
async def robot(**hearing: object) -> AsyncIterator[SpeakingRobot]:
    """A robot whose microphone hears its loudspeaker, and nothing else unless a person speaks."""
    settings = load_settings(None, {**SETTINGS, "hearing": {**SETTINGS["hearing"], **hearing}})
    pi, state, events = simulated_platform(scene="clock"), RobotState(), EventLog()
    pi.microphone.amplitude, pi.microphone.echoes = 0.0, ROOM
    record(state, events)
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    async with AsyncExitStack() as devices:
        on_pins = await open_pins(pi.platform, settings, state, events, devices)
        microphone, loudspeaker = open_sound(pi.platform, settings.audio, state, on_pins, devices)
        speech = build_speech(settings, face, state, events, microphone=microphone, loudspeaker=loudspeaker)
        assert speech.speaker is not None
        assert speech.recognition is not None
        running = [asyncio.create_task(service()) for service in (speech.speaker.run, speech.recognition.run)]
        try:
            await eventually(lambda: pi.microphone.recording)
            yield SpeakingRobot(pi, state, events, speech)
        finally:
            for task in running:
                await cancel_and_wait(task)


@pytest.mark.slow
async def test_a_person_who_speaks_silences_it_and_agents_are_told_what_it_has_said_by_then() -> None:
    async with robot() as it:
        await it.say(STORY)
        await eventually(lambda: len(it.pi.loudspeaker.played) > 2 * 48_000 * 3)
        # Again and again, as people do: after its loudspeaker ran out of sound, as on a busy machine, it hears nobody
        # until it knows its own voice again.
        it.pi.microphone.hear(40 * (spoken("stop talking") + silence(1)))
        await eventually(lambda: not it.state.snapshot.speaking)
        (interrupted,) = it.told("interrupted")
        said = str(interrupted.details["said"])
        assert said.startswith("The sun rose over the hills")
        assert STORY.startswith(said)
        assert len(said) < len(STORY)
        assert said in interrupted.text


_DIES_AWAY = 20
"""Pieces for which the mixer takes what the microphone hears for the robot's voice, after that has ended: 0.4 s."""


class Room:
    """A robot's ear in a room whose time is that of its sound: what comes late on a busy machine comes in time here."""

    def __init__(self) -> None:
        self.now = 100.0
        options = TurnOptions(voice_activity="silero", interruptible=True, follow_up_s=0.0)
        recognizer = SphinxRecognizer(RecognitionOptions(phrases=("take a photo", "turn on the light")))
        self.pipeline = TurnPipeline(recognizer, options)

    def robot_speaks(self, voice: np.ndarray, echo: np.ndarray, person: np.ndarray) -> list[EngineMessage]:
        """The robot speaks until a person is heard; what is told, also of what the person says on."""
        told: list[EngineMessage] = []
        for number, (played, heard) in enumerate(
            zip(pieces(samples(voice)), pieces(samples(echo + person)), strict=True), start=1
        ):
            self.pipeline.played(Played(played, self.now, ran_out=False))
            self.now += 0.02
            told += self.pipeline.overhear(heard, self.now)
            if Interruption() in told:
                speaks_on = pieces(samples(person))[number:]
                for piece in speaks_on[:_DIES_AWAY]:
                    self.now += 0.02
                    told += self.pipeline.overhear(piece, self.now)
                return told + self.quiet(b"".join(speaks_on[_DIES_AWAY:]))
        return told

    def quiet(self, sound: bytes) -> list[EngineMessage]:
        """The robot says nothing."""
        told: list[EngineMessage] = []
        for piece in pieces(sound):
            self.now += 0.02
            told += self.pipeline.hear(piece)
        return told


def test_what_the_person_says_is_recognised_from_its_beginning_where_the_microphone_hears_no_loudspeaker() -> None:
    room_, voice = Room(), robot_says()
    person = with_person(np.zeros(len(voice)), 4.0, 0.8, "take a photo")
    told = room_.robot_speaks(voice, room(voice, 0.0), person) + room_.quiet(silence(2))
    assert told[:3] == [Interruption(), TurnBegan(), Listening(begun=True)]
    assert [message.text for message in told if isinstance(message, Utterance)] == ["take a photo"]


def test_its_own_voice_does_not_interrupt_it() -> None:
    room_, voice = Room(), robot_says()
    assert room_.robot_speaks(voice, room(voice, 0.3), np.zeros(len(voice))) + room_.quiet(silence(2)) == []


@pytest.mark.slow
async def test_one_that_is_not_to_be_interrupted_speaks_on() -> None:
    async with robot(interruptible=False) as it:
        await it.say("The sun rose over the hills while a small dog ran along the river.")
        await eventually(lambda: len(it.pi.loudspeaker.played) > 2 * 48_000)
        it.pi.microphone.hear(spoken("take a photo") + silence(1))
        await eventually(lambda: not it.state.snapshot.speaking)
        assert it.told("interrupted") == []
