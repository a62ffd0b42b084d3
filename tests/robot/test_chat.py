"""What viewers type becomes events: one line each, bounded, and not too many."""

from __future__ import annotations

import pytest

from robot_node.core.events import MAX_TEXT_CHARACTERS, EventLog
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


def test_a_line_is_an_event_by_its_viewer(typed: Typed) -> None:
    assert typed.chat.receive("anna", "Where are you? \u4f60\u597d") == ""
    assert typed.told == [("chat", "anna", "Where are you? \u4f60\u597d")]


def test_it_is_one_line_without_control_characters(typed: Typed) -> None:
    typed.chat.receive("anna", "  a\r\n\x1b[2Jb\u202e\u2028c\x00 ")
    assert typed.told == [("chat", "anna", "a [2Jb c")]


def test_a_text_without_printable_characters_is_no_event(typed: Typed) -> None:
    for text in ("", "  \n", "\x00\u200b"):
        assert typed.chat.receive("anna", text) == ""
    assert typed.told == []


def test_a_long_text_is_cut(typed: Typed) -> None:
    typed.chat.receive("anna", "x" * 100_000)
    assert typed.told == [("chat", "anna", "x" * MAX_TEXT_CHARACTERS)]


def test_json_for_programs_is_an_event_of_its_own_kind(typed: Typed) -> None:
    assert typed.chat.receive_data("anna", {"type": "loading", "at": [1, None], "text": "\u4f60\n\ud800"}) == ""
    assert typed.chat.receive_data("anna", ["x" * 100_000]) == ""
    kept = '["' + "x" * (MAX_TEXT_CHARACTERS - 2)
    assert typed.told == [
        ("message", "anna", '{"type":"loading","at":[1,null],"text":"\u4f60\\n "}'),
        ("message", "anna", kept),
    ]


def test_a_viewer_who_types_too_fast_is_limited_and_others_are_not(typed: Typed) -> None:
    for number in range(5):
        assert typed.chat.receive("anna", str(number)) == ""
    assert "typing too fast. Try again in 3 s." in typed.chat.receive("anna", "one too many")
    assert typed.chat.receive("ben", "hello") == ""
    typed.now += 3
    assert typed.chat.receive("anna", "later") == ""
    assert typed.chat.receive("anna", "and again")
    assert [text for _, _, text in typed.told] == ["0", "1", "2", "3", "4", "hello", "later"]
