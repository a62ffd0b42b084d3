"""When the robot listens: each state and each event, and how long each state lasts."""

from __future__ import annotations

import itertools
import math

import pytest

from robot_node.speech.turns import TRANSITIONS, Next, TurnEvent, Turns, TurnState, TurnTimes

_S, _E = TurnState, TurnEvent

NAP, DUTY = _S.ASLEEP, _S.OPEN
CELLS: dict[TurnState, dict[TurnEvent, TurnState | Next]] = {
    NAP: {_E.WAKE_WORD: _S.AWAKE, _E.PUSH_TO_TALK: _S.AWAKE, _E.INTERRUPTION: _S.LISTENING},
    DUTY: {_E.PUSH_TO_TALK: _S.AWAKE, _E.INTERRUPTION: _S.LISTENING, _E.SPEECH_BEGINS: _S.LISTENING},
    _S.AWAKE: {
        _E.WAKE_WORD: _S.AWAKE,
        _E.PUSH_TO_TALK: _S.AWAKE,
        _E.INTERRUPTION: _S.LISTENING,
        _E.SPEECH_BEGINS: _S.LISTENING,
        _E.TIMEOUT: Next.REST,
        _E.STOP: Next.REST,
        _E.ROBOT_SPEAKS: _S.AWAKE,
        _E.SWITCHED_OFF: Next.REST,
    },
    _S.LISTENING: {
        _E.SPEECH_ENDS: Next.AFTER,
        _E.NOT_UNDERSTOOD: Next.BEFORE,
        _E.TIMEOUT: Next.REST,
        _E.STOP: Next.REST,
        _E.ROBOT_SPEAKS: Next.BEFORE,
        _E.SWITCHED_OFF: Next.REST,
    },
    _S.FOLLOW_UP: {
        _E.WAKE_WORD: _S.AWAKE,
        _E.PUSH_TO_TALK: _S.AWAKE,
        _E.INTERRUPTION: _S.LISTENING,
        _E.SPEECH_BEGINS: _S.LISTENING,
        _E.TIMEOUT: Next.REST,
        _E.STOP: Next.REST,
        _E.ROBOT_SPEAKS: _S.FOLLOW_UP,
        _E.SWITCHED_OFF: Next.REST,
    },
}
"""What follows, written down a second time; what is not here changes nothing."""


@pytest.mark.parametrize(("state", "event"), list(itertools.product(TurnState, TurnEvent)), ids=str)
def test_each_cell(state: TurnState, event: TurnEvent) -> None:
    assert TRANSITIONS.get((state, event)) == CELLS[state].get(event)


def turns(*events: TurnEvent, wake_word: bool = True, follow_up_s: float = 5.0) -> Turns:
    """Turns after some events, all of which happened at 100 s."""
    made = Turns(has_wake_word=wake_word, times=TurnTimes(wait_s=8.0, longest_s=15.0, follow_up_s=follow_up_s))
    for event in events:
        made.handle(event, 100.0)
    return made


def test_with_a_wake_word_it_sleeps_and_without_it_anyone_may_speak() -> None:
    assert turns().state is _S.ASLEEP
    assert turns(wake_word=False).state is _S.OPEN
    for made in (turns(), turns(wake_word=False)):
        assert not made.in_turn
        assert not made.is_over(math.nextafter(math.inf, 0))


@pytest.mark.parametrize(
    ("events", "lasts_s"),
    [
        ((_E.WAKE_WORD,), 8.0),
        ((_E.WAKE_WORD, _E.SPEECH_BEGINS), 15.0),
        ((_E.WAKE_WORD, _E.SPEECH_BEGINS, _E.SPEECH_ENDS), 5.0),
        ((_E.WAKE_WORD, _E.SPEECH_BEGINS, _E.NOT_UNDERSTOOD), 8.0),
    ],
)
def test_each_state_but_rest_lasts_its_time_and_then_it_rests(events: tuple[TurnEvent, ...], lasts_s: float) -> None:
    made = turns(*events)
    assert not made.is_over(100.0 + lasts_s - 0.01)
    assert made.is_over(100.0 + lasts_s)
    assert made.handle(_E.TIMEOUT, 100.0 + lasts_s) is _S.ASLEEP
    assert not made.is_over(1e9)


@pytest.mark.parametrize("event", [_E.WAKE_WORD, _E.PUSH_TO_TALK, _E.ROBOT_SPEAKS])
def test_what_is_said_to_it_or_by_it_gives_more_time(event: TurnEvent) -> None:
    made = turns(_E.WAKE_WORD)
    made.handle(event, 106.0)
    assert not made.is_over(113.9)
    assert made.is_over(114.0)


def test_noise_gives_no_more_time() -> None:
    made = turns(_E.WAKE_WORD)
    made.handle(_E.SPEECH_BEGINS, 105.0)
    assert made.handle(_E.NOT_UNDERSTOOD, 107.0) is _S.AWAKE
    assert made.is_over(108.0)


def test_push_to_talk_waits_as_long_as_is_asked_for() -> None:
    made = turns()
    made.handle(_E.PUSH_TO_TALK, 100.0, wait_s=30.0)
    assert not made.is_over(129.9)
    assert made.is_over(130.0)
    made.handle(_E.ROBOT_SPEAKS, 110.0)  # the question itself, say
    assert not made.is_over(139.9)
    assert made.is_over(140.0)
    made.handle(_E.WAKE_WORD, 120.0)
    assert made.is_over(128.0)


def test_after_a_turn_it_hears_on_without_a_wake_word_unless_it_is_not_to() -> None:
    heard = (_E.WAKE_WORD, _E.SPEECH_BEGINS, _E.SPEECH_ENDS)
    assert turns(*heard).state is _S.FOLLOW_UP
    assert turns(*heard, follow_up_s=0).state is _S.ASLEEP
    assert turns(_E.SPEECH_BEGINS, _E.SPEECH_ENDS, wake_word=False).state is _S.OPEN


@pytest.mark.parametrize("event", [_E.NOT_UNDERSTOOD, _E.ROBOT_SPEAKS])
@pytest.mark.parametrize(
    ("before", "wake_word"),
    [
        ((_E.WAKE_WORD,), True),
        ((_E.WAKE_WORD, _E.SPEECH_BEGINS, _E.SPEECH_ENDS), True),
        ((), False),
        ((_E.PUSH_TO_TALK,), False),
    ],
)
def test_after_speech_that_counts_for_nothing_it_is_as_before(
    before: tuple[TurnEvent, ...], wake_word: bool, event: TurnEvent
) -> None:
    made = turns(*before, wake_word=wake_word)
    expected = made.state
    made.handle(_E.SPEECH_BEGINS, 101.0)
    assert made.in_turn
    assert made.handle(event, 102.0) is expected


def test_after_an_interruption_that_was_not_understood_it_waits_for_it_to_be_said_again() -> None:
    made = turns()
    assert made.handle(_E.INTERRUPTION, 100.0) is _S.LISTENING
    assert made.handle(_E.NOT_UNDERSTOOD, 102.0) is _S.AWAKE
    assert not made.is_over(107.9)
    assert made.is_over(108.0)
    assert made.handle(_E.TIMEOUT, 108.0) is _S.ASLEEP


def test_it_is_in_a_turn_from_the_wake_word_to_the_end_of_what_is_said() -> None:
    made = turns(_E.WAKE_WORD)
    assert made.in_turn
    made.handle(_E.SPEECH_BEGINS, 101.0)
    assert made.in_turn
    made.handle(_E.SPEECH_ENDS, 102.0)
    assert not made.in_turn
