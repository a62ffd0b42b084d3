"""A robot that hears by a simulated microphone: its own drivers, mixer and engines."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks._report import BenchmarkError
from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.events import Event, EventLog
from robot_node.core.mixer import Input, Mixer
from robot_node.core.state import Device, RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.microphone import Microphone
from robot_node.settings.devices import DisplaySettings
from robot_node.speech.recognition import SpeechRecognition
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.turn_options import TurnOptions

_READY_S = 60.0


@dataclass
class ConversingRobot:
    """A robot that hears.

    Attributes:
        child: Process id of its recognition.
    """

    pi: SimulatedPi
    events: EventLog
    recognition: SpeechRecognition
    child: int

    async def next_event(self, wanted: Callable[[Event], bool], *, after: int, limit_s: float) -> float | None:
        """Wait for an event, and return when it came, by the loop's clock; None: it did not come in time."""
        came: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def look(event: Event) -> None:
            if event.sequence > after and wanted(event) and not came.done():
                came.set_result(asyncio.get_running_loop().time())

        stop = self.events.listen(look)
        try:
            return await asyncio.wait_for(came, limit_s)
        except TimeoutError:
            return None
        finally:
            stop()


@contextlib.asynccontextmanager
async def conversing_robot(
    phrases: tuple[str, ...], turns: TurnOptions, *, engine: str = "pocketsphinx", model: str = ""
) -> AsyncIterator[ConversingRobot]:
    """A robot that is ready to hear; around it is next to no sound.

    Raises:
        BenchmarkError: its recognition does not work.
    """
    pi, state, events = simulated_platform(scene="clock"), RobotState(), EventLog()
    pi.microphone.amplitude = 0.0005
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    microphone = Microphone(pi.platform, "default", state)
    mixer = Mixer(microphone=microphone, recognised=frozenset({Input.MICROPHONE}))
    options = RecognitionOptions(phrases=phrases, model=model)
    before = _children()
    recognition = SpeechRecognition(engine, options, mixer, face, state, turns=turns, events=events)
    running = asyncio.create_task(recognition.run(), name="recognition")
    try:
        await _ready(state)
        (child,) = _children() - before
        yield ConversingRobot(pi, events, recognition, child)
    finally:
        running.cancel()
        await asyncio.wait({running})
        await microphone.close()


async def _ready(state: RobotState) -> None:
    async with asyncio.timeout(_READY_S):
        while not state.snapshot.microphone_on:
            if error := state.snapshot.fault(Device.HEARING):
                raise BenchmarkError(error)
            await asyncio.sleep(0.05)


def _children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
