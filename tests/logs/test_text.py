"""None of a traceback's lines can pass for a line of the log."""

from __future__ import annotations

from robot_node.logs.text import indented_trace


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
