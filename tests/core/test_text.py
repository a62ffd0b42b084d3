"""What strangers write must not forge lines of the log, nor steer the terminal of who reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.core.text import LINE_CHARACTERS, SHOWN_CHARACTERS, json_line, one_line, printable, quoted, shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kitchen-tablet", "kitchen-tablet"),
        ("Küche 厨房", "Küche 厨房"),
        ("a\nERROR robot_node: on fire", "a\\nERROR robot_node: on fire"),
        ("a\r\nb\x0bc\x85d\u2028e", "a\\r\\nb\\x0bc\\x85d\\u2028e"),
        ("\x1b[2J\x9b31m", "\\x1b[2J\\x9b31m"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_not_printable_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(st.text(st.characters(), max_size=3000))
def test_any_text_becomes_one_bounded_line_that_utf8_can_carry(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= LINE_CHARACTERS * len("\\U00000000") + 50
    line.encode()


def test_of_what_is_too_long_the_beginning_is_kept_and_the_rest_counted() -> None:
    assert one_line("x" * 100_000) == "x" * LINE_CHARACTERS + f"... ({100_000 - LINE_CHARACTERS} more characters)"


def test_a_name_is_shortened_with_a_mark() -> None:
    assert shown("kitchen") == "kitchen"
    assert shown("\n" * 1_000_000) == "\\n" * SHOWN_CHARACTERS + f"... ({1_000_000 - SHOWN_CHARACTERS} more characters)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('a", enabled: "true', r'"a\", enabled: \"true"'),
        ("x" * 100, '"' + "x" * 80 + '"... (20 more characters)'),
        ("a\n\u202e", '"a\\n\\u202e"'),
        ({"\x9b": True}, '{"\\x9b": true}'),
        ([0] * 100, str([0] * 100)[:80] + "... (220 more characters)"),
    ],
)
def test_a_value_cannot_pass_for_more_than_one_value(value: object, text: str) -> None:
    assert quoted(value) == text


@given(st.text(st.characters(), max_size=300))
def test_json_is_one_printable_line_and_stays_what_it_was(text: str) -> None:
    line = json_line({text: [text]})
    assert line.isprintable()
    assert json.loads(line) == {text: [text]}


def test_json_keeps_what_people_can_read() -> None:
    assert json_line("Küche 厨房 \x7f\x9b\u2028\u202e\u200f\u2066\U000e0001\n") == (
        r'"Küche 厨房 \u007f\u009b\u2028\u202e\u200f\u2066\udb40\udc01\n"'
    )


def test_what_people_read_aloud_has_spaces_where_characters_cannot_be_printed() -> None:
    assert printable(" a\r\n\x1b[2Jb\u202e\u2028 c ") == "a [2Jb c"
