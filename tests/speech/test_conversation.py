"""A robot that is spoken to in turns: what agents, viewers and those before it notice, over the real engines."""

from __future__ import annotations

import dataclasses
import json
import os
import signal

import pytest

from robot_node.core.events import Event
from robot_node.core.mixer import Input, Peer
from robot_node.speech.recognition_messages import TurnEnd
from robot_node.webrtc.messages import AsrResponse
from robot_node.webrtc.status_channel import StreamFigures, status_message
from tests.speech.hearing_robot import PHRASES, TURNS, HearingRobot, children, hearing_robot
from tests.speech.sounds import pieces, silence, spoken
from tests.waiting import eventually

PHOTO, HELLO = spoken("take a photo"), spoken("hello robot")
"""Made before a turn begins: it does not wait for espeak-ng."""
WAKE = spoken("okay nabu", voice="en-gb", rate=150)
WITH_STOP = (*PHRASES, "be quiet")


def kinds(robot: HearingRobot) -> list[str]:
    return [event.kind for event in robot.events.after() if event.kind in {"heard", "wake_word", "turn"}]


def last(robot: HearingRobot, kind: str) -> Event | None:
    return next((event for event in reversed(robot.events.after()) if event.kind == kind), None)


def turn_ended(robot: HearingRobot, reason: str) -> bool:
    event = last(robot, "turn")
    return event is not None and event.details.get("reason") == reason


async def test_a_wake_word_a_turn_and_what_was_said_are_told_in_order() -> None:
    async with hearing_robot(turns=TURNS) as robot:
        await eventually(robot.hears_microphone)
        robot.pi.microphone.hear(HELLO + WAKE)
        await eventually(robot.listens_to_somebody)
        assert robot.says_that_it_listens()
        assert robot.heard == []
        robot.pi.microphone.hear(PHOTO + silence(1))
        await eventually(lambda: turn_ended(robot, "heard"))
        assert kinds(robot) == ["wake_word", "turn", "heard", "turn"]
        assert robot.heard == ["take a photo"]
        assert robot.messages == [AsrResponse("take a photo", by="")]
        assert not robot.listens_to_somebody()
        assert not robot.says_that_it_listens()
        woken, heard = last(robot, "wake_word"), last(robot, "heard")
        assert woken is not None
        assert woken.device == "okay_nabu"
        assert heard is not None
        assert heard.details["language"] == "en"
        assert 0.6 <= float(heard.details["confidence"]) <= 1
        assert 1 <= float(heard.details["duration_s"]) <= 4


async def test_the_wake_word_silences_the_robot_in_the_middle_of_what_it_says() -> None:
    async with hearing_robot(turns=TURNS) as robot:
        await eventually(robot.hears_microphone)
        robot.mixer.begin_speech()
        robot.pi.microphone.hear(PHOTO + WAKE)
        await eventually(lambda: robot.stops)
        await eventually(lambda: kinds(robot) == ["wake_word", "turn"])
        robot.mixer.end_speech(flush=True)  # what its voice does then
        robot.clock.seconds += 1  # the echo has died away
        robot.pi.microphone.hear(HELLO + silence(1))
        await eventually(lambda: robot.heard)
        assert robot.heard == ["hello robot"]


async def test_a_stop_word_silences_the_robot_in_the_middle_of_what_it_says() -> None:
    async with hearing_robot(turns=dataclasses.replace(TURNS, stop_words=("alexa",))) as robot:
        await eventually(robot.hears_microphone)
        robot.mixer.begin_speech()
        robot.pi.microphone.hear(spoken("alexa", voice="en-gb", rate=150))
        await eventually(lambda: robot.stops)
        stopped = last(robot, "stop_word")
        assert stopped is not None
        assert stopped.device == "alexa"
        assert kinds(robot) == []


async def test_a_stop_phrase_silences_the_robot_and_ends_the_turn() -> None:
    async with hearing_robot(turns=TURNS, phrases=WITH_STOP) as robot:
        await eventually(robot.hears_microphone)
        robot.pi.microphone.hear(WAKE + spoken("be quiet") + silence(1))
        await eventually(lambda: turn_ended(robot, "stopped"))
        assert robot.heard == ["be quiet"]
        assert len(robot.stops) == 2  # at the wake word, too


@pytest.mark.slow
async def test_push_to_talk_begins_a_turn_and_silences_the_robot() -> None:
    async with hearing_robot(turns=TURNS) as robot:
        await eventually(robot.hears_microphone)
        robot.recognition.push_to_talk(30.0)
        await eventually(robot.listens_to_somebody)
        assert robot.stops
        robot.pi.microphone.hear(PHOTO + silence(1))
        await eventually(lambda: robot.heard)
        assert robot.heard == ["take a photo"]
        robot.recognition.push_to_talk(0.1)
        await eventually(lambda: turn_ended(robot, "silence"))


async def test_what_the_robot_says_in_a_turn_hides_the_sign_only_while_it_speaks() -> None:
    async with hearing_robot(turns=TURNS) as robot:
        await eventually(robot.hears_microphone)
        robot.recognition.push_to_talk(60.0)
        await eventually(robot.listens_to_somebody)
        robot.mixer.begin_speech()
        robot.state.update(speaking=True)
        assert not robot.listens_to_somebody()
        robot.mixer.end_speech()
        robot.state.update(speaking=False)
        assert robot.listens_to_somebody()
        assert robot.says_that_it_listens()


async def test_when_the_microphone_is_closed_the_turn_ends() -> None:
    async with hearing_robot(turns=TURNS) as robot:
        await eventually(robot.hears_microphone)
        robot.recognition.push_to_talk(60.0)
        await eventually(robot.listens_to_somebody)
        robot.pi.microphone.absent = True
        await eventually(lambda: turn_ended(robot, "switched_off"))
        assert not robot.listens_to_somebody()


@pytest.mark.slow
class Listener:
    """Gets the sound of what is said in turns."""

    def __init__(self) -> None:
        self.heard, self.ends = list[str](), list[TurnEnd]()

    def hear(self, sound: str) -> None:
        self.heard.append(sound)

    def end(self, reason: TurnEnd) -> None:
        self.ends.append(reason)


async def test_from_the_moment_when_the_microphone_is_switched_off_no_sound_is_handed_on() -> None:
    async with hearing_robot(turns=dataclasses.replace(TURNS, sound=True)) as robot:
        listener = Listener()
        robot.recognition.set_speech_sink(listener)
        await eventually(robot.hears_microphone)
        robot.recognition.push_to_talk(60.0)
        await eventually(robot.listens_to_somebody)
        robot.pi.microphone.hear(PHOTO + PHOTO + silence(1))
        await eventually(lambda: listener.heard)
        robot.state.update(microphone_privacy=True)
        assert listener.ends == [TurnEnd.SWITCHED_OFF], "at once, although its engine has not been asked yet"
        handed_on = len(listener.heard)
        await eventually(lambda: turn_ended(robot, "switched_off"))
        assert len(listener.heard) == handed_on


async def test_a_viewer_needs_no_wake_word() -> None:
    async with hearing_robot(turns=TURNS, recognised=frozenset({Input.VIEWER, Input.MICROPHONE})) as robot:
        await eventually(robot.hears_microphone)
        anna = Peer(Input.VIEWER, "anna")
        for piece in pieces(PHOTO):
            robot.mixer.play(anna, piece)
        robot.mixer.flush(anna)
        await eventually(lambda: robot.heard)
        assert list(zip(robot.heard_by, robot.heard, strict=True)) == [("anna", "take a photo")]


async def test_an_engine_that_dies_in_a_turn_leaves_no_sign_of_it() -> None:
    before = set(children())
    async with hearing_robot(turns=TURNS) as robot:
        await eventually(robot.hears_microphone)
        robot.recognition.push_to_talk(60.0)
        await eventually(robot.listens_to_somebody)
        (engine,) = set(children()) - before
        os.kill(engine, signal.SIGKILL)
        await eventually(lambda: not robot.listens_to_somebody())
        assert not robot.says_that_it_listens()
        await eventually(robot.hears_microphone)


async def test_a_viewer_is_told_while_it_listens_to_somebody() -> None:
    def told(robot: HearingRobot) -> dict[str, object]:
        message: dict[str, object] = json.loads(status_message(robot.state.snapshot, StreamFigures(0, None), []))
        return message

    async with hearing_robot(turns=TURNS) as robot:
        await eventually(robot.hears_microphone)
        assert "listening" not in told(robot)
        robot.recognition.push_to_talk(1.0)
        await eventually(lambda: told(robot).get("listening") is True)
        await eventually(lambda: "listening" not in told(robot))
