"""A button by which a person talks to the robot, and questions that may be answered without a wake word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

from robot_node.core.questions import Questions, Way
from robot_node.core.state import InputState
from robot_node.robot.asking import Asking
from robot_node.robot.push_to_talk import watch_talk_buttons
from robot_node.settings.pins import SwitchInputSettings
from tests.speech.hearing_robot import TURNS, HearingRobot, hearing_robot
from tests.speech.sounds import silence, spoken
from tests.waiting import eventually

HELLO = spoken("hello robot")
"""Made before a turn begins: it does not wait for espeak-ng."""


@asynccontextmanager
async def robot_with_buttons() -> AsyncIterator[HearingRobot]:
    async with hearing_robot(turns=TURNS) as robot:
        press(robot, "talk", active=False)
        press(robot, "other", active=False)
        watching = asyncio.create_task(watch_talk_buttons(robot.state, ("talk",), robot.recognition))
        await eventually(robot.hears_microphone)
        yield robot
        watching.cancel()
        await asyncio.wait({watching})


def press(robot: HearingRobot, name: str, *, active: bool = True) -> None:
    robot.state.update(inputs={**robot.state.snapshot.inputs, name: InputState("button", active)})


@pytest.mark.slow
async def test_a_press_silences_the_robot_and_what_is_said_then_is_understood() -> None:
    async with robot_with_buttons() as robot:
        press(robot, "other")
        assert not robot.stops
        press(robot, "talk")
        await eventually(robot.listens_to_somebody)
        assert robot.stops
        robot.pi.microphone.hear(HELLO + silence(1))
        await eventually(lambda: robot.heard)
        assert robot.heard == ["hello robot"]


@pytest.mark.slow
async def test_a_question_is_answered_without_a_wake_word() -> None:
    async with hearing_robot(turns=TURNS) as robot:
        questions = Questions()
        asking = Asking(questions, robot.state, robot.events, robot.face, expect_speech=robot.recognition.expect_speech)
        running = asyncio.create_task(asking.run())
        await eventually(robot.hears_microphone)
        pending = questions.ask(
            "What now?",
            asked_by="bot",
            choices=("please look happy", "hello robot"),
            ways=frozenset({Way.SPEECH}),
            timeout_s=600,
        )
        await eventually(robot.listens_to_somebody)
        robot.pi.microphone.hear(HELLO + silence(1))
        await eventually(lambda: pending.question.answer)
        assert pending.question.answer is not None
        assert pending.question.answer.text == "hello robot"
        running.cancel()
        await asyncio.wait({running})
        questions.close()


def test_only_what_a_person_presses_can_be_a_talk_button() -> None:
    assert SwitchInputSettings(kind="button", pin=5, talks=True).talks
    with pytest.raises(ValidationError, match="talks"):
        SwitchInputSettings(kind="motion_sensor", pin=5, talks=True)
