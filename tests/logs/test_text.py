"""What strangers write must not forge lines of the log, nor steer the terminal of who reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.logs.text import MESSAGE_CHARACTERS, indented_trace, one_line


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
    assert len(line) <= MESSAGE_CHARACTERS * len("\\U00000000") + 50
    line.encode()


def test_of_what_is_too_long_the_beginning_is_kept_and_the_rest_counted() -> None:
    assert one_line("x" * 100_000) == "x" * MESSAGE_CHARACTERS + f"... ({100_000 - MESSAGE_CHARACTERS} more characters)"


def test_a_traceback_keeps_its_lines_and_none_of_them_looks_like_a_line_of_the_log() -> None:
    trace = "Traceback (most recent call last):\n  ...\nValueError: \x1b]0;x\x07\nERROR robot_node: on fire"
    lines = indented_trace(trace).split("\n")
    assert all(line.startswith("  ") and line.isprintable() for line in lines)
    assert lines[-1] == "  ERROR robot_node: on fire"


def test_of_an_endless_traceback_both_ends_are_kept() -> None:
    lines = indented_trace("\n".join(str(number) for number in range(10_000))).split("\n")
    assert len(lines) < 100
    assert (lines[0], lines[-1]) == ("  0", "  9999")
    assert any("lines omitted" in line for line in lines)
