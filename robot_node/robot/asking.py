"""Questions at the robot: shown on the face, answered by buttons, speech and chat, and recorded as events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from robot_node.core.events import Event, EventLog
from robot_node.core.question_states import QuestionState, choice_in, yes_of
from robot_node.core.questions import Answer, Question, Questions, Way
from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.core.text import shown
from robot_node.devices.face import Face
from robot_node.errors import RobotNodeError
from robot_node.mcp_mqtt.consent import said_by
from robot_node.speech.turn_claims import TRANSCRIBED

logger = logging.getLogger(__name__)

CONFIRMATION, QUESTION = "confirmation", "question"
"""Kinds of events: what became of a call that a person must confirm; an agent's own question and its answer."""

_READ_S = 1.0
"""A button that is pressed sooner was not pressed for the question, which nobody has read yet."""

_LONGEST_LISTENING_S = 60.0
"""How long a spoken answer needs no wake word: nobody is to be listened to for ten minutes."""

_REMEMBERED = 64
"""Events that were answers: more than may wait to be looked at."""

_WORDS = {"heard": Way.SPEECH, "chat": Way.CHAT}
"""Kinds of events that hold a person's words."""


class Asking:
    """Shows the question that is :attr:`~robot_node.core.questions.Questions.shown`, and takes its answer.

    Args:
        questions: All questions.
        state: Has the inputs.
        events: Has what people say and type, and gets what became of each question.
        face: Shows the question.
        buttons: Names of the inputs that say yes.
        expect_speech: Has the robot listen for so many seconds: no wake word is needed for an answer.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        questions: Questions,
        state: RobotState,
        events: EventLog,
        face: Face,
        buttons: tuple[str, ...] = (),
        *,
        expect_speech: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expect_speech = expect_speech
        self._questions = questions
        self._state = state
        self._events = events
        self._face = face
        self._buttons = buttons
        self._clock = clock
        self._shown: Question | None = None
        self._shown_at = 0.0
        self._before = state.snapshot
        self._answers: deque[int] = deque(maxlen=_REMEMBERED)

    def is_answer(self, sequence: int) -> bool:
        """Return whether the event of that number answered a question: it belongs to who asked, and to nobody else.

        To be called when all listeners of the event have been.
        """
        return sequence in self._answers

    async def run(self) -> None:
        """Show questions and take answers until cancelled."""
        self._before = self._state.snapshot
        stops = (
            self._questions.listen(self._on_question),
            self._events.listen(self._on_event),
            self._state.listen(self._on_state),
        )
        try:
            self._show()
            await asyncio.Event().wait()
        finally:
            for stop in stops:
                stop()
            self._face.show_question("")
            self._shown = None

    def _on_question(self, question: Question) -> None:
        self._show()
        device, by = (question.answer.device, question.answer.by) if question.answer else ("", "")
        if question.tool and question.is_over:
            self._events.add(CONFIRMATION, _outcome_of_call(question), by=by, device=device)
        elif question.tool:
            logger.info("%s, called by %s, waits for a person to confirm it", question.tool, shown(question.asked_by))
        elif question.state is not QuestionState.WAITING:
            self._events.add(QUESTION, _outcome(question), by=by or question.asked_by, device=device)

    def _show(self) -> None:
        question = self._questions.shown
        if (question and question.id) != (self._shown and self._shown.id):
            self._shown, self._shown_at = question, self._clock()
            self._face.show_question(self._text(question) if question else "")
            if question is not None and Way.SPEECH in question.ways:
                self._expect_speech(min(question.timeout_s, _LONGEST_LISTENING_S))

    def _text(self, question: Question) -> str:
        if question.tool:
            return f"{question.text} Yes: press {' or '.join(self._buttons)}."
        return f"{question.text} {' / '.join(question.choices)}".strip()

    def _on_state(self, now: RobotSnapshot) -> None:
        before, self._before = self._before, now
        for name in self._buttons:
            was, is_ = before.inputs.get(name), now.inputs.get(name)
            if was is not None and is_ is not None and was.active is False and is_.active:
                self._pressed(name)

    def _pressed(self, name: str) -> None:
        question = self._shown
        yes = yes_of(question.choices) if question is not None else None
        if question is None or yes is None or Way.BUTTON not in question.ways:
            return
        if self._clock() - self._shown_at < _READ_S:
            logger.info("Button %s does not count: the question has only just appeared", name)
        elif question.tool and not self._face.is_visible:
            logger.warning("Button %s does not count: without a display nobody could read the question", name)
        else:
            self._answer(question, Answer(yes, Way.BUTTON, device=name))

    def _on_event(self, event: Event) -> None:
        way = _WORDS.get(event.kind)
        question = next((question for question in self._questions.open if way in question.ways), None)
        if way is None or question is None or TRANSCRIBED in event.details:
            return
        text = choice_in(event.text, question.choices)
        if text is not None:
            self._answer(question, Answer(text, way, by=event.by), event.sequence)

    def _answer(self, question: Question, answer: Answer, sequence: int | None = None) -> None:
        try:
            self._questions.answer(question.id, answer)
        except RobotNodeError as error:
            logger.info("An answer does not count: %s", error)
            return
        if sequence is not None:
            self._answers.append(sequence)


def _outcome_of_call(question: Question) -> str:
    call = f"{question.tool}, called by {shown(question.asked_by)},"
    if question.state is QuestionState.TIMED_OUT:
        return f"{call} was not confirmed: no answer came within {question.timeout_s:g} s."
    if question.answer is None:
        return f"{call} was not confirmed: the question was withdrawn."
    word = "confirmed" if question.answer.text == yes_of(question.choices) else "refused"
    return f"{call} was {word}: {said_by(question.answer)}."


def _outcome(question: Question) -> str:
    asker = shown(question.asked_by)
    match question.state:
        case QuestionState.OPEN:
            return f"{asker} asks: {question.text}"
        case QuestionState.TIMED_OUT:
            return f"Nobody answered {asker} within {question.timeout_s:g} s."
        case _ if question.answer is not None:
            return f"The answer to {asker}: {question.answer.text}"
        case _:
            return f"The question of {asker} was withdrawn."
