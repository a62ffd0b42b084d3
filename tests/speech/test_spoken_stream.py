"""Speech that comes as sound while it is spoken: heard, shown and cut short as the robot's own voice is."""

from __future__ import annotations

import numpy as np
import pytest

from robot_node.errors import NotReadyError
from robot_node.speech.speaker import QUEUE
from robot_node.speech.spoken_stream import LONGEST_S, SpokenStream
from robot_node.webrtc.messages import TtsComplete, TtsTerminate
from tests.sound import loudest_hz
from tests.speech.speaking_robot import SpeakingRobot, clock, speaking_robot
from tests.waiting import eventually

RATE = 24_000


def tone(seconds: float, frequency_hz: float = 440) -> bytes:
    """A tone as a server sends it: 16 bit, mono, 24 kHz."""
    times = np.arange(round(seconds * RATE)) / RATE
    return (16_000 * np.sin(2 * np.pi * frequency_hz * times)).astype(np.int16).tobytes()


def in_pieces(sound: bytes, size: int = 4801) -> list[bytes]:
    """As they come: of a size that splits samples."""
    return [sound[start : start + size] for start in range(0, len(sound), size)]


class Heard:
    """A stream, and what became of it."""

    def __init__(self) -> None:
        self.cut: list[float] = []
        self.stream = SpokenStream(RATE, self.cut.append)

    def comes(self, seconds: float, text: str = "") -> None:
        self.stream.add_text(text)
        for piece in in_pieces(tone(seconds)):
            self.stream.add_sound(piece)


async def complete(robot: SpeakingRobot, task_id: str) -> None:
    await eventually(lambda: TtsComplete(task_id) in robot.messages)


async def test_its_sound_leaves_the_loudspeaker_whole_with_lips_packets_and_text() -> None:
    async with speaking_robot() as robot:
        heard, began = Heard(), clock()
        task = robot.speaker.play(heard.stream)
        heard.comes(1.0, "Good morning! ")
        await robot.begins(task.task_id)
        assert robot.is_speaking()
        heard.comes(1.0, "How are you?")
        heard.stream.complete()
        await complete(robot, task.task_id)
        assert robot.heard_s == pytest.approx(2.0, abs=0.03)
        assert loudest_hz(robot.pi.loudspeaker.played) == pytest.approx(440, abs=2)
        assert len(robot.packets) == round(robot.heard_s * 50)
        assert max(robot.openings(began, clock())) > 0.3
        assert robot.text_of(task.task_id) == "Good morning! How are you?"
        assert robot.story_of(task.task_id) == ["TtsBegin", "TtsText", "TtsComplete"]
        assert "The robot says: Good morning! How are you?" in [event.text for event in robot.events.after()]
        assert (heard.cut, heard.stream.is_done) == ([], True)


async def test_the_line_below_the_face_is_what_is_heard_now() -> None:
    async with speaking_robot() as robot:
        heard = Heard()
        heard.comes(1.5, "Good morning! ")
        heard.comes(1.5, "How are you?")
        task = robot.speaker.play(heard.stream)
        await robot.begins(task.task_id)
        await eventually(lambda: robot.caption == "Good morning!")
        await eventually(lambda: robot.caption == "How are you?")
        assert robot.is_speaking()


async def test_a_person_who_interrupts_it_has_heard_as_much_as_was_played() -> None:
    async with speaking_robot() as robot:
        heard = Heard()
        heard.comes(10.0, "One two three four five six seven eight nine ten.")
        task = robot.speaker.play(heard.stream)
        await eventually(lambda: robot.heard_s > 3)
        robot.speaker.interrupt()
        played_s = robot.heard_s
        assert not robot.is_speaking()
        assert heard.cut == [pytest.approx(played_s, abs=0.25)]  # what waits to be played is not heard any more
        (interrupted,) = [event for event in robot.events.after() if event.kind == "interrupted"]
        said = str(interrupted.details["said"])
        assert said.startswith("One two")
        assert "nine" not in said
        assert TtsTerminate(task.task_id) in robot.messages
        heard.comes(1.0, "More.")
        assert heard.stream.text.endswith("ten.")


async def test_stop_also_cuts_what_waits_behind_it() -> None:
    async with speaking_robot() as robot:
        first, second = Heard(), Heard()
        first.comes(10.0)
        second.comes(10.0)
        task = robot.speaker.play(first.stream)
        robot.speaker.play(second.stream)
        await robot.begins(task.task_id)
        assert robot.speaker.stop() == 2
        assert len(first.cut) == 1
        assert second.cut == [0.0]


async def test_one_that_never_sounds_is_over_when_it_is_complete() -> None:
    async with speaking_robot() as robot:
        silent, after = Heard(), Heard()
        robot.speaker.play(silent.stream)
        task = robot.speaker.play(after.stream)
        silent.stream.complete()
        after.comes(0.3)
        after.stream.complete()
        await complete(robot, task.task_id)
        assert silent.stream.is_done
        assert silent.cut == []


async def test_one_that_stops_coming_is_silent_and_can_be_stopped() -> None:
    async with speaking_robot() as robot:
        heard = Heard()
        heard.comes(0.5)
        robot.speaker.play(heard.stream)
        await eventually(lambda: robot.heard_s > 0.45)  # all frames that are complete
        robot.speaker.stop()
        assert heard.cut == [pytest.approx(0.5, abs=0.1)]


async def test_of_an_endless_one_no_more_is_kept_than_five_minutes() -> None:
    stream = SpokenStream(RATE)
    for _ in range(round(LONGEST_S) + 10):
        stream.add_sound(bytes(2 * RATE))
    assert stream.received_s == LONGEST_S


async def test_too_many_are_refused() -> None:
    async with speaking_robot() as robot:
        for _ in range(QUEUE):
            robot.speaker.play(Heard().stream)
        with pytest.raises(NotReadyError, match="wait to be said"):
            robot.speaker.play(Heard().stream)
