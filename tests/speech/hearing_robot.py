"""A robot that hears: the real engine, drivers and face over simulated hardware."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.events import EventLog, record
from robot_node.core.media import AudioSampleSink, LoudspeakerSink
from robot_node.core.mixer import Input, Mixer
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.microphone import Microphone
from robot_node.settings.devices import DisplaySettings
from robot_node.speech.recognition import SpeechRecognition
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.turn_options import TurnOptions
from robot_node.webrtc.messages import BackendMessage
from tests.waiting import eventually

PHRASES = ("hello robot", "take a photo", "please look happy", "turn on the light")
TURNS = TurnOptions(
    voice_activity="silero",
    wake_word="micro-wakeword",
    wake_words=("okay_nabu",),
    follow_up_s=0.0,
    stop_phrases=("be quiet",),
)
"""Each needs a wake word."""

SPEED = 8.0
"""How many seconds of speech the microphone hears in a second; between, it hears silence in real time."""


def children() -> list[int]:
    """The processes that this one has started."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


class Clock:
    """A clock that a test sets."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class ObservedFace(Face):
    """A face that keeps how often it was to show whether the robot listens, and the lines of a text that grew."""

    signs_set: int = 0
    grown: tuple[str, ...] = ()

    def show_growing_text(self, text: str) -> None:
        super().show_growing_text(text)
        self.grown += (self._animator.scene.text(self._clock()),)

    def listen(self, *, listening: bool) -> None:
        self.signs_set += 1
        super().listen(listening=listening)


class ObservedMicrophone(Microphone):
    """A microphone that keeps what it has given to speech recognition."""

    given: bytearray

    def set_sample_sink(self, sink: AudioSampleSink | None) -> None:
        def give(samples: bytes, heard_at: float) -> None:
            self.given += samples
            if sink is not None:
                sink(samples, heard_at)

        self.given = bytearray()
        super().set_sample_sink(give if sink is not None else None)


@dataclass
class HearingRobot:
    """A robot that hears, and what those around it are told.

    Attributes:
        clock: By which echoes die away and viewers pause: it stands still unless a test sets it.
        messages: What peers are told.
        stops: Has an entry for each time that its voice was to fall silent.
    """

    pi: SimulatedPi
    state: RobotState
    face: ObservedFace
    events: EventLog
    recognition: SpeechRecognition
    mixer: Mixer
    microphone: ObservedMicrophone
    clock: Clock
    messages: list[BackendMessage]
    stops: list[str]

    @property
    def heard(self) -> list[str]:
        """What it understood, as agents are told."""
        return [event.text for event in self.events.after() if event.kind == "heard"]

    @property
    def heard_by(self) -> list[str]:
        """Who said it, as agents are told."""
        return [event.by for event in self.events.after() if event.kind == "heard"]

    @property
    def caption(self) -> str:
        """The line below the face now."""
        return self.face._animator.scene.text(self.face._clock())

    def hears_microphone(self) -> bool:
        """Its microphone is open."""
        return self.pi.microphone.recording

    def listens_to_somebody(self) -> bool:
        """The face says so."""
        return self.face._signs.listening

    def says_that_it_listens(self) -> bool:
        """Agents are told so."""
        return self.state.snapshot.listening


@contextlib.asynccontextmanager
async def hearing_robot(
    engine: str = "pocketsphinx",
    *,
    recognised: frozenset[Input] = frozenset({Input.MICROPHONE}),
    loudspeaker: LoudspeakerSink | None = None,
    turns: TurnOptions = TurnOptions(),
    phrases: tuple[str, ...] = PHRASES,
    model: str = "",
) -> AsyncIterator[HearingRobot]:
    """A robot that hears, until the block is left; near its microphone it is quiet."""
    pi, state, events = simulated_platform(scene="clock"), RobotState(), EventLog()
    pi.microphone.amplitude, pi.microphone.speed = 0.0, SPEED
    record(state, events)
    face = ObservedFace(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    microphone = ObservedMicrophone(pi.platform, "default", state, retry_s=0.05)
    messages: list[BackendMessage] = []
    clock = Clock()
    stops: list[str] = []
    mixer = Mixer(
        microphone=microphone, loudspeaker=loudspeaker, recognised=recognised, viewer_may_speak=True, clock=clock
    )
    recognition = SpeechRecognition(
        engine,
        RecognitionOptions(phrases=phrases, model=model),
        mixer,
        face,
        state,
        send=messages.append,
        events=events,
        turns=turns,
        stop_speaking=lambda: stops.append("stopped"),
        retry_initial_s=0.05,
    )
    robot = HearingRobot(pi, state, face, events, recognition, mixer, microphone, clock, messages, stops)
    running = asyncio.create_task(recognition.run())
    try:
        yield robot
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait({running})
        await eventually(lambda: not robot.hears_microphone())  # hearing gave it back
        await microphone.close()
