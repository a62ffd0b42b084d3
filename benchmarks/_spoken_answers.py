"""How soon a robot is heard after ``say``, and how soon a person who speaks silences it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from benchmarks._recorded_speech import Spoken
from benchmarks._report import BenchmarkError
from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.events import EventLog
from robot_node.core.media import SAMPLE_RATE, Played
from robot_node.core.state import Device, RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.on_pins import open_pins
from robot_node.devices.sound import open_sound
from robot_node.settings.devices import DisplaySettings
from robot_node.settings.loading import load_settings
from robot_node.speech.factory import build_speech
from robot_node.speech.speaker import INTERRUPTED, Speaker

_SETTINGS: dict[str, dict[str, object]] = {
    "audio": {"microphone": "default", "loudspeaker": "default"},
    "voice": {"engine": "espeak-ng"},
    "hearing": {"engine": "pocketsphinx", "phrases": ["take a photo"], "voice_activity": "silero", "follow_up_s": 0},
}
_ROOM = ((0.02, 0.2), (0.033, 0.1), (0.051, -0.07))
"""Ways from the loudspeaker to the microphone: seconds, and what is left of the sound."""

SENTENCES = (
    "Good morning! Did you sleep well?",
    "The kettle is off, and the window is closed.",
    "I can see a table, two chairs and a lamp.",
    "It is twenty past nine.",
    "Let me think about that for a while.",
)
LONG = (
    "The sun rose over the hills while a small dog ran along the river. Nobody had expected the rain to stop so early. "
    "Seven ships sailed past the harbour, and each of them carried wheat and wine from the islands in the south. "
    "The captain of the first one waved to the people on the shore, who had been waiting there since the morning."
)
SPEAKS_S = 10.0
"""How long the robot speaks until a person interrupts it."""

_LIMIT_S = 60.0
_AUDIBLE = 300
"""Of 32767: what is quieter is the silence before a word."""


@dataclass
class Answers:
    """What was measured.

    Attributes:
        first_sound_s: Seconds from ``say`` to the first audible sample that the loudspeaker is given.
        interrupted_s: Seconds from the first audible sample of a person to the robot's silence.
        spoken_on: Persons that the robot did not notice.
        by_itself: Answers that the robot's own voice interrupted.
    """

    first_sound_s: list[float] = field(default_factory=list)
    interrupted_s: list[float] = field(default_factory=list)
    spoken_on: int = 0
    by_itself: int = 0


@dataclass
class _Talker:
    pi: SimulatedPi
    state: RobotState
    events: EventLog
    speaker: Speaker
    loudspeaker: Loudspeaker

    async def silent(self) -> None:
        """Wait until it says nothing."""
        async with asyncio.timeout(_LIMIT_S):
            async for now in self.state.changes():
                if not now.speaking:
                    return

    def interrupted(self) -> bool:
        """It has fallen silent because a person seemed to speak."""
        return any(event.kind == INTERRUPTED for event in self.events.after())


@contextlib.asynccontextmanager
async def _talker() -> AsyncIterator[_Talker]:
    settings = load_settings(None, _SETTINGS)
    pi, state, events = simulated_platform(scene="clock"), RobotState(), EventLog()
    pi.microphone.amplitude, pi.microphone.echoes = 0.0005, _ROOM
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    async with AsyncExitStack() as devices:
        on_pins = await open_pins(pi.platform, settings, state, events, devices)
        microphone, loudspeaker = open_sound(pi.platform, settings.audio, state, on_pins, devices)
        speech = build_speech(settings, face, state, events, microphone=microphone, loudspeaker=loudspeaker)
        if speech.speaker is None or speech.recognition is None or loudspeaker is None:
            raise BenchmarkError("The robot has no voice, or does not hear.")
        running = [
            asyncio.create_task(service(), name="speech") for service in (speech.speaker.run, speech.recognition.run)
        ]
        try:
            async with asyncio.timeout(_LIMIT_S):
                async for now in state.changes():
                    if error := now.fault(Device.HEARING):
                        raise BenchmarkError(error)
                    if now.microphone_on:
                        break
            yield _Talker(pi, state, events, speech.speaker, loudspeaker)
        finally:
            for task in running:
                await cancel_and_wait(task)


async def spoken_answers(
    person: Spoken, sentences: Sequence[str], interruptions: int, *, speaks_s: float = SPEAKS_S
) -> Answers:
    """Let a robot say sentences, then interrupt it.

    Args:
        person: What a person says, without silence before it.
        sentences: Each is said once, after one that does not count: it loads what is needed.
        interruptions: How often a person interrupts it.
        speaks_s: How long it speaks until then.
    """
    answers = Answers()
    async with _talker() as robot:
        await _first_sound(robot, "Hello.")
        for sentence in sentences:
            answers.first_sound_s.append(await _first_sound(robot, sentence))
    for _ in range(interruptions):
        async with _talker() as robot:
            await robot.speaker.say(LONG)
            await asyncio.sleep(speaks_s)
            if robot.interrupted():
                answers.by_itself += 1
                continue
            began = time.monotonic()
            robot.pi.microphone.hear(person.samples)
            await robot.silent()
            if robot.interrupted():
                answers.interrupted_s.append(time.monotonic() - began)
            else:
                answers.spoken_on += 1
    return answers


async def _first_sound(robot: _Talker, sentence: str) -> float:
    heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def look(played: Played) -> None:
        loud = next((n for n, value in enumerate(memoryview(played.samples).cast("h")) if abs(value) > _AUDIBLE), None)
        if loud is not None and not heard.done():
            heard.set_result(played.at + loud / SAMPLE_RATE)

    robot.loudspeaker.set_played_sink(look)
    began = time.monotonic()
    await robot.speaker.say(sentence)
    at = await asyncio.wait_for(heard, _LIMIT_S)
    await robot.silent()
    return at - began
