"""Questions to people: the table of states cell by cell, the owner, and the choice that words mean."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from robot_node.core.question_states import (
    FINAL,
    TRANSITIONS,
    YES_NO,
    QuestionEvent,
    QuestionState,
    choice_in,
    yes_of,
)
from robot_node.core.questions import MAX_OF_A_CLIENT, MAX_QUESTIONS, Answer, Pending, Question, Questions, Way
from robot_node.errors import ArgumentError, NotReadyError
from tests.waiting import eventually

S, E = QuestionState, QuestionEvent
EVERYWHERE = frozenset(Way)
TABLE = {
    (S.WAITING, E.OPEN): S.OPEN,
    (S.WAITING, E.ANSWER): None,
    (S.WAITING, E.WITHDRAW): S.WITHDRAWN,
    (S.WAITING, E.TIME_OUT): S.TIMED_OUT,
    (S.OPEN, E.OPEN): None,
    (S.OPEN, E.ANSWER): S.ANSWERED,
    (S.OPEN, E.WITHDRAW): S.WITHDRAWN,
    (S.OPEN, E.TIME_OUT): S.TIMED_OUT,
    **{(state, event): None for state in (S.ANSWERED, S.WITHDRAWN, S.TIMED_OUT) for event in E},
}


@pytest.mark.parametrize(("state", "event"), [*itertools.product(S, E)])
def test_every_cell_of_the_table(state: QuestionState, event: QuestionEvent) -> None:
    assert TRANSITIONS.get((state, event)) == TABLE[state, event]


def test_a_final_state_is_never_left() -> None:
    assert {state for state, _ in TRANSITIONS}.isdisjoint(FINAL)
    assert set(S) == FINAL | {S.WAITING, S.OPEN}


@pytest.mark.parametrize(
    ("text", "choices", "answer"),
    [
        ("the red one, please", (), "the red one, please"),
        ("  ", (), None),
        ("Yes.", YES_NO, "yes"),
        ("no!", YES_NO, "no"),
        ("yes and no", YES_NO, None),
        ("I know", YES_NO, None),
        ("maybe", YES_NO, None),
        ("oh yes, of course", YES_NO, "yes"),
        ("the dark red one", ("red", "blue"), "red"),
        ("dark red", ("red", "dark red"), "dark red"),
        ("是的", ("是", "否"), "是"),
        ("不好", ("好", "不好"), "不好"),
    ],
)
def test_the_choice_that_words_mean(text: str, choices: tuple[str, ...], answer: str | None) -> None:
    assert choice_in(text, choices) == answer


def test_a_button_says_yes_only_where_there_are_yes_and_no() -> None:
    assert [yes_of(choices) for choices in (("Yes", "No"), ("是", "否"), ("no", "yes"), ("red", "blue"), ())] == [
        "Yes",
        "是",
        None,
        None,
        None,
    ]


@pytest.fixture
async def questions() -> AsyncIterator[Questions]:
    made = Questions()
    yield made
    made.close()


def confirmation(questions: Questions, by: str = "bot", timeout_s: float = 600.0) -> Pending:
    return questions.ask("May it move?", asked_by=by, tool="move", choices=YES_NO, ways=EVERYWHERE, timeout_s=timeout_s)


def state_of(pending: Pending) -> QuestionState:
    return pending.question.state


def own(questions: Questions, text: str = "Where is the cat?", timeout_s: float = 600.0) -> Pending:
    return questions.ask(text, asked_by="bot", ways=EVERYWHERE, timeout_s=timeout_s)


async def test_the_first_answer_wins(questions: Questions) -> None:
    heard = list[Question]()
    questions.listen(heard.append)
    pending = confirmation(questions)
    assert [*questions.open] == [pending.question]
    answer = Answer("no", Way.BUTTON, device="stop")
    questions.answer(pending.question.id, answer)
    with pytest.raises(NotReadyError, match="is open: it was answered or withdrawn"):
        questions.answer(pending.question.id, Answer("yes", Way.CONSOLE, by="anna"))
    questions.withdraw(pending.question.id)
    assert (pending.question.state, pending.question.answer) == (S.ANSWERED, answer)
    assert [each.state for each in heard] == [S.OPEN, S.ANSWERED]
    assert not questions.open


async def test_nobody_answers_what_the_same_client_asked(questions: Questions) -> None:
    pending = confirmation(questions, by="bot")
    for way in (Way.CONSOLE, Way.CHAT):
        with pytest.raises(ArgumentError, match="bot asked this itself: somebody else has to answer"):
            questions.answer(pending.question.id, Answer("yes", way, by="bot"))
    assert state_of(pending) is S.OPEN
    questions.answer(pending.question.id, Answer("yes", Way.CONSOLE, by="anna"))
    assert state_of(pending) is S.ANSWERED


async def test_only_a_choice_counts_and_only_a_way_that_is_allowed(questions: Questions) -> None:
    pending = questions.ask(
        "May it?", asked_by="bot", tool="move", choices=YES_NO, ways=frozenset({Way.BUTTON}), timeout_s=600.0
    )
    with pytest.raises(ArgumentError, match="cannot be answered by console"):
        questions.answer(pending.question.id, Answer("yes", Way.CONSOLE, by="anna"))
    with pytest.raises(ArgumentError, match="must be one of yes, no"):
        questions.answer(pending.question.id, Answer("perhaps", Way.BUTTON, device="ok"))
    assert state_of(pending) is S.OPEN


async def test_when_its_time_is_up_nobody_can_answer(questions: Questions) -> None:
    pending = confirmation(questions, timeout_s=0.02)
    await eventually(lambda: pending.question.is_over)
    assert state_of(pending) is S.TIMED_OUT
    with pytest.raises(NotReadyError):
        questions.answer(pending.question.id, Answer("yes", Way.CONSOLE, by="anna"))


async def test_an_agents_own_questions_come_one_after_the_other_and_confirmations_at_once(
    questions: Questions,
) -> None:
    first, second, third = own(questions, "1"), own(questions, "2"), own(questions, "3", timeout_s=0.02)
    assert [each.question.state for each in (first, second, third)] == [S.OPEN, S.WAITING, S.WAITING]
    with pytest.raises(NotReadyError):
        questions.answer(second.question.id, Answer("it waits", Way.CHAT, by="anna"))
    assert questions.shown == first.question
    call = confirmation(questions)
    assert state_of(call) is S.OPEN
    assert questions.shown == call.question, "an agent's own question does not hide it"
    await eventually(lambda: third.question.is_over)
    questions.answer(first.question.id, Answer("here", Way.SPEECH))
    assert state_of(second) is S.OPEN
    questions.withdraw(call.question.id)
    assert questions.shown == second.question
    questions.withdraw(second.question.id)
    assert not questions.open
    assert questions.is_free


async def test_what_can_be_answered_elsewhere_only_is_not_shown_at_the_robot(questions: Questions) -> None:
    ways = frozenset({Way.ELICITATION, Way.CONSOLE})
    questions.ask("May it?", asked_by="bot", tool="move", choices=YES_NO, ways=ways, timeout_s=600.0)
    assert len(questions.open) == 1
    assert questions.shown is None


async def test_there_are_only_so_many_of_a_client_and_in_all(questions: Questions) -> None:
    for _ in range(MAX_OF_A_CLIENT):
        last = confirmation(questions, by="bot")
    with pytest.raises(NotReadyError, match="Too many questions wait for a person already"):
        confirmation(questions, by="bot")
    confirmation(questions, by="other")
    questions.withdraw(last.question.id)
    confirmation(questions, by="bot")
    for number in range(MAX_QUESTIONS - MAX_OF_A_CLIENT - 1):
        confirmation(questions, by=f"client-{number}")
    with pytest.raises(NotReadyError):
        confirmation(questions, by="late")


async def test_a_listener_that_fails_keeps_nobody_from_answering(questions: Questions) -> None:
    def fail(question: Question) -> None:
        raise RuntimeError(question.id)

    questions.listen(fail)
    pending = confirmation(questions)
    questions.answer(pending.question.id, Answer("yes", Way.BUTTON, device="ok"))
    assert state_of(pending) is S.ANSWERED


async def test_closing_withdraws_everything_and_no_timer_is_left() -> None:
    questions = Questions()
    pending = [own(questions), own(questions), confirmation(questions, timeout_s=0.02)]
    questions.close()
    await asyncio.sleep(0)
    assert {each.question.state for each in pending} == {S.WITHDRAWN}
    assert not questions.open
