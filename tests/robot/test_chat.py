"""What viewers type becomes events: one line each, bounded, and not too many."""

from __future__ import annotations

import pytest

from robot_node.core.events import LONGEST_TEXT, EventLog
from robot_node.robot.chat import Chat


class Typed:
    """A chat, its clock, and what agents are told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.events = EventLog()
        self.chat = Chat(self.events, clock=lambda: self.now)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(event.kind, event.by, event.text) for event in self.events.after()]


@pytest.fixture
def typed() -> Typed:
    return Typed()


def test_a_line_is_told_with_who_typed_it_and_nothing_else(typed: Typed) -> None:
    assert typed.chat.receive("anna", "Where are you? \u4f60\u597d") == ""
    assert typed.told == [("chat", "anna", "Where are you? \u4f60\u597d")]


def test_it_stays_one_line_without_what_a_terminal_obeys(typed: Typed) -> None:
    typed.chat.receive("anna", "  a\r\n\x1b[2Jb\u202e\u2028c\x00 ")
    assert typed.told == [("chat", "anna", "a [2Jb c")]


def test_nothing_is_not_told(typed: Typed) -> None:
    for text in ("", "  \n", "\x00\u200b"):
        assert typed.chat.receive("anna", text) == ""
    assert typed.told == []


def test_a_long_text_is_cut(typed: Typed) -> None:
    typed.chat.receive("anna", "x" * 100_000)
    assert typed.told == [("chat", "anna", "x" * LONGEST_TEXT)]


def test_who_writes_too_fast_is_told_when_to_try_again_and_others_may_write(typed: Typed) -> None:
    for number in range(5):
        assert typed.chat.receive("anna", str(number)) == ""
    assert "write too fast. Try again in 3 s." in typed.chat.receive("anna", "one too many")
    assert typed.chat.receive("ben", "hello") == ""
    typed.now += 3
    assert typed.chat.receive("anna", "later") == ""
    assert typed.chat.receive("anna", "and again")
    assert [text for _, _, text in typed.told] == ["0", "1", "2", "3", "4", "hello", "later"]
