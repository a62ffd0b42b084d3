"""Questions at the robot: the one that shows is the one that the button answers, and words answer an agent's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.core.events import EventLog
from robot_node.core.question_states import YES_NO, QuestionState
from robot_node.core.questions import Pending, Questions, Way
from robot_node.core.state import InputState, RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.robot.asking import Asking
from robot_node.settings.devices import DisplaySettings

AT_ROBOT = frozenset({Way.BUTTON, Way.CONSOLE, Way.SPEECH, Way.CHAT})
CONFIRMS = frozenset({Way.BUTTON, Way.CONSOLE})


@dataclass
class Scene:
    """A robot with a display and a button, and what people see of its questions."""

    questions: Questions
    state: RobotState
    events: EventLog
    face: Face
    display: Display
    now: float = 0.0

    def press(self, name: str = "ok") -> None:
        for active in (True, False):
            inputs = dict(self.state.snapshot.inputs)
            self.state.update(inputs=inputs | {name: replace(inputs[name], active=active)})

    def confirmation(self, tool: str = "drive") -> Pending:
        return self.questions.ask(
            f"May it {tool}?", asked_by="bot", tool=tool, choices=YES_NO, ways=CONFIRMS, timeout_s=600.0
        )

    def ask(self, *choices: str) -> Pending:
        return self.questions.ask("And now?", asked_by="bot", choices=choices, ways=AT_ROBOT, timeout_s=600.0)

    def told(self, kind: str) -> list[tuple[str, str, str]]:
        return [(event.text, event.by, event.device) for event in self.events.after() if event.kind == kind]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    inputs = {"ok": InputState("button", active=False), "other": InputState("button", active=False)}
    state, events, questions = RobotState(), EventLog(), Questions()
    state.update(inputs=inputs)
    display = Display(simulated_platform().platform, DisplaySettings(), state)
    await display.open()
    face = Face(display, state)
    scene = Scene(questions, state, events, face, display)
    asking = Asking(questions, state, events, face, ("ok",), clock=lambda: scene.now)
    running = asyncio.create_task(asking.run())
    await asyncio.sleep(0)
    yield scene
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert face.question == ""
    questions.close()
    await display.close()


def state_of(pending: Pending) -> QuestionState:
    return pending.question.state


async def test_a_button_confirms_the_call_that_shows_and_says_so_in_an_event(scene: Scene) -> None:
    pending = scene.confirmation()
    assert scene.face.question == "May it drive? Yes: press ok."
    scene.now = 2.0
    scene.press("other")
    assert state_of(pending) is QuestionState.OPEN
    scene.press()
    assert state_of(pending) is QuestionState.ANSWERED
    assert scene.face.question == ""
    told = ("drive, called by bot, was confirmed: the button ok was pressed.", "", "ok")
    assert scene.told("confirmation") == [told]


async def test_a_press_before_anybody_could_read_does_not_count_and_one_confirms_one_call_only(scene: Scene) -> None:
    first, second = scene.confirmation("drive"), scene.confirmation("jump")
    scene.now = 0.5
    scene.press()
    assert state_of(first) is QuestionState.OPEN
    scene.now = 2.0
    scene.press()
    scene.press()  # twice, in a hurry
    assert (state_of(first), state_of(second)) == (QuestionState.ANSWERED, QuestionState.OPEN)
    assert scene.face.question.startswith("May it jump?")
    scene.now = 4.0
    scene.press()
    assert state_of(second) is QuestionState.ANSWERED


async def test_a_confirmation_shows_before_an_agents_own_question_and_no_text_hides_it(scene: Scene) -> None:
    own = scene.ask("yes", "no")
    assert scene.face.question == "And now? yes / no"
    call = scene.confirmation()
    assert scene.face.show_text("Press ok for ice cream!") == 0.0
    assert scene.face.question.startswith("May it drive?")
    scene.now = 2.0
    scene.press()
    assert (state_of(call), state_of(own)) == (QuestionState.ANSWERED, QuestionState.OPEN)
    assert scene.face.question == "And now? yes / no"
    scene.now = 4.0
    scene.press()
    assert own.question.answer is not None
    assert (own.question.answer.text, own.question.answer.device) == ("yes", "ok")
    assert scene.face.show_text("Hello") > 0


async def test_without_a_display_no_button_confirms_a_call_that_nobody_could_read(scene: Scene) -> None:
    await scene.display.close()
    pending = scene.confirmation()
    scene.now = 2.0
    scene.press()
    assert state_of(pending) is QuestionState.OPEN


async def test_words_answer_an_agents_question_but_confirm_no_call(scene: Scene) -> None:
    call, own = scene.confirmation(), scene.ask("red", "blue")
    scene.events.add("heard", "Yes, of course", by="")
    scene.events.add("chat", "what do you mean?", by="viewer-1")
    assert {state_of(call), state_of(own)} == {QuestionState.OPEN}
    scene.events.add("chat", "blue", by="bot")  # its own words
    assert state_of(own) is QuestionState.OPEN
    scene.events.add("chat", "The blue one!", by="viewer-1")
    assert own.question.answer is not None
    assert (own.question.answer.text, own.question.answer.by) == ("blue", "viewer-1")
    assert state_of(call) is QuestionState.OPEN
    open_question = scene.ask()
    scene.events.add("heard", "in the kitchen", by="")
    assert open_question.question.answer is not None
    assert open_question.question.answer.text == "in the kitchen"
    assert [text for text, _, _ in scene.told("question")] == [
        "bot asks: And now?",
        "The answer to bot: blue",
        "bot asks: And now?",
        "The answer to bot: in the kitchen",
    ]


async def test_what_a_model_understood_afterwards_answers_no_question(scene: Scene) -> None:
    pending = scene.ask()
    scene.events.add("heard", "Order a pizza.", details={"transcription_model": "gpt-transcribe"})
    scene.events.add("heard", "Yes.")
    assert pending.question.answer is not None
    assert pending.question.answer.text == "Yes."
