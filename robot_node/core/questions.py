"""Questions to people: what is asked now, and which answer counts. Used from the event loop only."""

from __future__ import annotations

import asyncio
import enum
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from robot_node.core.question_states import FINAL, TRANSITIONS, QuestionEvent, QuestionState
from robot_node.errors import ArgumentError, NotReadyError

logger = logging.getLogger(__name__)

MAX_QUESTIONS = 32
"""Questions at once, of all clients."""

MAX_OF_A_CLIENT = 8
"""Questions at once of one client."""


class Way(enum.StrEnum):
    """How a person can answer."""

    ELICITATION = "elicitation"
    BUTTON = "button"
    CONSOLE = "console"
    SPEECH = "speech"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer.

    Attributes:
        text: One of the choices, or the person's own words.
        way: How it came.
        by: Client id of the program that the person used; empty for a person at the robot.
        device: Name of the button; empty for others.
    """

    text: str
    way: Way
    by: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question at one moment.

    Attributes:
        id: Six hexadecimal digits, short enough to type. Random: those of an earlier start of the robot don't fit.
        text: One line.
        asked_by: Client id of the agent that asks, or whose call is to be confirmed.
        tool: The tool whose call is to be confirmed; empty: the agent asks for itself.
        choices: The answers that count; none: a person's own words.
        ways: How it can be answered.
        timeout_s: How long it may take, in seconds.
        asked_at: When it was asked, by the clock of its owner.
        state: Its state.
        answer: The first answer; None without one.
    """

    id: str
    text: str
    asked_by: str
    tool: str
    choices: tuple[str, ...]
    ways: frozenset[Way]
    timeout_s: float
    asked_at: float
    state: QuestionState = QuestionState.OPEN
    answer: Answer | None = None

    @property
    def is_over(self) -> bool:
        """Whether its state is final."""
        return self.state in FINAL


class Pending:
    """The asker's hold of a question, also when it has ended.

    Attributes:
        question: The question as it is now.
    """

    def __init__(self, question: Question) -> None:
        self.question = question


class Questions:
    """All questions that are not over yet.

    Args:
        clock: Monotonic time in seconds.
        new_id: Returns a random id.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: secrets.token_hex(3),
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._pending: dict[str, tuple[Pending, asyncio.TimerHandle]] = {}
        self._listeners: list[Callable[[Question], None]] = []

    @property
    def open(self) -> tuple[Question, ...]:
        """The questions that can be answered now, the oldest first."""
        return tuple(question for question in self._questions() if question.state is QuestionState.OPEN)

    @property
    def shown(self) -> Question | None:
        """The one question that the robot itself shows; None when there is none.

        Confirmations come first: an agent's own question must not keep them from being seen.
        """
        at_robot = [question for question in self.open if question.ways - {Way.ELICITATION, Way.CONSOLE}]
        return min(at_robot, key=lambda question: not question.tool, default=None)

    def ask(
        self,
        text: str,
        *,
        asked_by: str,
        ways: frozenset[Way],
        timeout_s: float,
        tool: str = "",
        choices: tuple[str, ...] = (),
    ) -> Pending:
        """Ask a question. An agent's own one waits while another such is open; a confirmation never does.

        Raises:
            NotReadyError: too many questions are open already.
        """
        of_client = sum(question.asked_by == asked_by for question in self._questions())
        if of_client >= MAX_OF_A_CLIENT or len(self._pending) >= MAX_QUESTIONS:
            raise NotReadyError(
                "Too many questions wait for a person already.",
                remedy="Wait until they are answered or their time is up.",
            )
        question = Question(
            id=self._new_id(),
            text=text,
            asked_by=asked_by,
            tool=tool,
            choices=choices,
            ways=ways,
            timeout_s=timeout_s,
            asked_at=self._clock(),
            state=QuestionState.OPEN if tool or self.is_free else QuestionState.WAITING,
        )
        pending = Pending(question)
        time_out = asyncio.get_running_loop().call_later(timeout_s, self._apply, question.id, QuestionEvent.TIME_OUT)
        self._pending[question.id] = pending, time_out
        self._notify(question)
        return pending

    @property
    def is_free(self) -> bool:
        """Whether no agent's own question is open or waits: a new one is asked at once."""
        return all(question.tool for question in self._questions())

    def answer(self, question_id: str, answer: Answer) -> Question:
        """Answer an open question; return it as it is then.

        Raises:
            NotReadyError: there is no such open question: it was answered, withdrawn, or its time is up.
            ArgumentError: this answer cannot count.
        """
        known = self._pending.get(question_id)
        if known is None or known[0].question.state is not QuestionState.OPEN:
            raise NotReadyError(
                f"No question {question_id[:20]!r} is open: it was answered or withdrawn, or its time is up."
            )
        question = known[0].question
        if answer.way not in question.ways:
            raise ArgumentError(f"This question cannot be answered by {answer.way}.")
        if answer.way is not Way.ELICITATION and answer.by and answer.by == question.asked_by:
            raise ArgumentError(f"{answer.by} asked this itself: somebody else has to answer.")
        if question.choices and answer.text not in question.choices:
            raise ArgumentError(f"The answer must be one of {', '.join(question.choices)}.")
        self._apply(question_id, QuestionEvent.ANSWER, answer)
        return known[0].question

    def withdraw(self, question_id: str) -> None:
        """Withdraw a question; nothing happens when it has ended."""
        self._apply(question_id, QuestionEvent.WITHDRAW)

    def close(self) -> None:
        """Withdraw all questions."""
        for question in self._questions():
            self.withdraw(question.id)

    def listen(self, listener: Callable[[Question], None]) -> Callable[[], None]:
        """Call ``listener`` with each question that is new or has changed, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _questions(self) -> tuple[Question, ...]:
        return tuple(pending.question for pending, _ in self._pending.values())

    def _apply(self, question_id: str, event: QuestionEvent, answer: Answer | None = None) -> None:
        known = self._pending.get(question_id)
        if known is None:
            return
        pending, time_out = known
        state = TRANSITIONS.get((pending.question.state, event))
        if state is None:
            return
        pending.question = replace(pending.question, state=state, answer=answer)
        if pending.question.is_over:
            time_out.cancel()
            del self._pending[question_id]
        self._notify(pending.question)
        if pending.question.is_over and not pending.question.tool:
            self._open_next()

    def _open_next(self) -> None:
        own = [question for question in self._questions() if not question.tool]
        if own and all(question.state is QuestionState.WAITING for question in own):
            self._apply(own[0].id, QuestionEvent.OPEN)

    def _notify(self, question: Question) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(question)
            except Exception:  # one listener's bug must not affect the others
                logger.exception("A listener failed at a question")
