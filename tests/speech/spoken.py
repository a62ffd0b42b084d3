"""Speech for tests, by espeak-ng; a robot that hears, over simulated hardware, with its real engine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hw_mocks.audio import sound_of
from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.events import EventLog, record
from robot_node.core.media import SAMPLE_RATE
from robot_node.core.state import RobotState
from robot_node.devices.audio import Microphone
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.settings.devices import DisplaySettings
from robot_node.speech.recognition_engine import Wanted
from robot_node.speech.recognizer import Ears, Source
from robot_node.webrtc.messages import BackendMessage

PHRASES = ("hello robot", "take a photo", "please look happy", "turn on the light")
DEADLINE_S = 30.0


def silence(seconds: float) -> bytes:
    """Nothing to be heard: 16 bit, mono, 48 kHz."""
    return bytes(2 * round(seconds * SAMPLE_RATE))


def noise(seconds: float, amplitude: float) -> bytes:
    """White noise: 16 bit, mono, 48 kHz."""
    samples = np.random.default_rng(1).normal(0, amplitude * 32767, round(seconds * SAMPLE_RATE))
    return samples.clip(-32768, 32767).astype(np.int16).tobytes()


@functools.cache
def spoken(text: str, *, voice: str = "en-us+f3", rate: int = 130) -> bytes:
    """Somebody who says it, with a pause before and after: 16 bit, mono, 48 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        return (
            silence(0.5) + sound_of(spoken_file(Path(folder) / "said.wav", text, voice=voice, rate=rate)) + silence(0.7)
        )


def spoken_file(file: Path, text: str, *, voice: str = "en-us+f3", rate: int = 130) -> Path:
    """A file of somebody who says it."""
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(rate), "-w", file, text], check=True, timeout=DEADLINE_S)
    return file


def pieces(samples: bytes) -> list[bytes]:
    """As it comes: 20 ms at a time."""
    return [samples[start : start + 1920] for start in range(0, len(samples), 1920)]


async def until(condition: Callable[[], object]) -> None:
    """Wait for something in another thread or process, which sends no event."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


@dataclass
class HearingRobot:
    """A robot that hears, and what those around it are told.

    Attributes:
        messages: What peers are told.
        listened: Whether the face shows that it listens, each time that this changed.
    """

    pi: SimulatedPi
    state: RobotState
    face: Face
    events: EventLog
    ears: Ears
    messages: list[BackendMessage] = field(default_factory=list)
    listened: list[bool] = field(default_factory=list)

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


@contextlib.asynccontextmanager
async def hearing_robot(
    engine: str = "pocketsphinx", *, source: Source = Source.MICROPHONE, phrases: tuple[str, ...] = PHRASES
) -> AsyncIterator[HearingRobot]:
    """A robot that hears, until the block is left; near its microphone it is quiet."""
    pi, state, events = simulated_platform(scene="clock"), RobotState(), EventLog()
    pi.microphone.amplitude = 0.0
    record(state, events)
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    microphone = Microphone(pi.platform, "default", state, retry_s=0.05)
    messages: list[BackendMessage] = []
    ears = Ears(
        engine,
        Wanted(phrases=phrases),
        face,
        state,
        source=source,
        microphone=microphone,
        tell=messages.append,
        events=events,
        retry_initial_s=0.05,
    )
    robot = HearingRobot(pi, state, face, events, ears, messages)
    running = asyncio.create_task(ears.run())
    try:
        yield robot
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait({running})
        await until(lambda: not robot.hears_microphone())  # hearing gave it back
        await microphone.close()
