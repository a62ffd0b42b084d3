"""A robot that speaks: the real engine, drivers and face over simulated hardware."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.events import EventLog
from robot_node.core.media import SAMPLE_RATE, EncodedAudio
from robot_node.core.mixer import Mixer
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.settings.devices import DisplaySettings
from robot_node.speech.espeak import EspeakEngine
from robot_node.speech.speaker import Speaker
from robot_node.speech.synthesis_engine import SpeechEngine
from robot_node.webrtc.messages import BackendMessage, TtsBegin, TtsComplete, TtsTerminate, TtsText
from tests.waiting import eventually

SPEED = 5.0
"""How many seconds of speech pass in a second. A machine that cannot keep up takes longer, and loses nothing."""


def clock() -> float:
    """The robot's time, in seconds."""
    return time.monotonic() * SPEED


async def sleep(seconds: float) -> None:
    """Wait so many seconds of the robot's time."""
    await asyncio.sleep(seconds / SPEED)


@dataclass
class SpeakingRobot:
    """A robot that speaks, and what reaches those around it.

    Attributes:
        messages: Sent to peers.
        captions: The line below the face when each message was sent.
        sent_at: When each message was sent, by :func:`clock`.
        packets: Sent to viewers.
    """

    pi: SimulatedPi
    state: RobotState
    face: Face
    speaker: Speaker
    loudspeaker: Loudspeaker | None
    events: EventLog
    messages: list[BackendMessage] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)
    packets: list[EncodedAudio] = field(default_factory=list)

    def send(self, message: BackendMessage) -> None:
        self.messages.append(message)
        self.captions.append(self.caption)
        self.sent_at.append(clock())

    def is_speaking(self) -> bool:
        """What the robot tells of itself."""
        return self.state.snapshot.speaking

    def shows(self, emotion: str) -> bool:
        """The face shows it."""
        return self.state.snapshot.emotion == emotion

    @property
    def caption(self) -> str:
        """The line below the face now."""
        return self.face._animator.scene.text(clock())

    def openings(self, since: float, to: float) -> list[float]:
        """How far the mouth is open at many times between two."""
        scene = self.face._animator.scene
        return [scene.face(float(at)).mouth.opening for at in np.arange(since, to, 0.03)]

    def mouth_rests(self, since: float) -> bool:
        """From a time on it is not a speaking one."""
        return math.isinf(self.face._animator.scene.speech.next_change(since))

    @property
    def heard_s(self) -> float:
        """Seconds of sound that have left the loudspeaker."""
        return len(self.pi.loudspeaker.played) / 2 / SAMPLE_RATE

    @property
    def tasks(self) -> list[str]:
        """The tasks in the order in which they are told of."""
        ids = [message.task_id for message in self.messages if isinstance(message, TtsBegin)]
        assert len(set(ids)) == len(ids)
        return ids

    def story_of(self, task_id: str) -> list[str]:
        """The kinds of the messages of one task, repetitions left out."""
        kinds = [type(m).__name__ for m in self.messages if getattr(m, "task_id", None) == task_id]
        return [kind for kind, _ in itertools.groupby(kinds)]

    def text_of(self, task_id: str) -> str:
        """What was told of one task to be said."""
        return "".join(m.text for m in self.messages if isinstance(m, TtsText) and m.task_id == task_id)

    async def is_over(self, task_id: str) -> None:
        """Wait until a text is said, or cut short."""
        await eventually(lambda: any(m in self.messages for m in (TtsComplete(task_id), TtsTerminate(task_id))))

    async def begins(self, task_id: str) -> None:
        """Wait until a text begins to be said."""
        await eventually(lambda: TtsBegin(task_id) in self.messages)


@contextlib.asynccontextmanager
async def speaking_robot(
    engine: SpeechEngine | None = None, *, with_loudspeaker: bool = True, heard_by_viewers: bool = True
) -> AsyncIterator[SpeakingRobot]:
    """A robot that speaks, until the block is left."""
    pi, state, events = simulated_platform(), RobotState(), EventLog()
    pi.loudspeaker.speed = SPEED
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state, clock=clock)
    loudspeaker = Loudspeaker(pi.platform, "default", state, volume=100, idle_s=0.1) if with_loudspeaker else None
    mixer = Mixer(
        loudspeaker=loudspeaker,
        mouth=lambda delay_s, level: face.speak([(delay_s, level)]),
        has_voice=True,
        clock=clock,
    )
    speaker = Speaker(
        engine or EspeakEngine(),
        face,
        state,
        mixer,
        send=lambda message: robot.send(message),  # noqa: PLW0108  # the robot is made of the speaker
        events=events,
        clock=clock,
        sleep=sleep,
    )
    robot = SpeakingRobot(pi, state, face, speaker, loudspeaker, events)
    mixer.set_sink(robot.packets.append)
    mixer.set_listened(heard_by_viewers)
    running = asyncio.create_task(speaker.run())
    try:
        yield robot
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait({running})
        if loudspeaker is not None:
            await loudspeaker.close()
    assert not state.snapshot.speaking
