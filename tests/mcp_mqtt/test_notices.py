"""Log lines that strangers can cause."""

from __future__ import annotations

from robot_node.mcp_mqtt.notices import Notices


def test_lines_of_one_kind_are_thinned_out_and_counted() -> None:
    lines: list[str] = []
    time = 0.0
    notices = Notices(lines.append, lambda: time, burst=2, interval_s=10)
    for number in range(100):
        notices.note("malformed", f"line {number}")
    assert lines == ["line 0", "line 1"]
    time = 10.0
    notices.note("malformed", "later")
    notices.note("malformed", "too soon")
    assert lines[2:] == ["later (98 more of this kind were not logged.)"]


def test_one_kind_does_not_silence_another() -> None:
    lines: list[str] = []
    notices = Notices(lines.append, lambda: 0.0, burst=1)
    for kind in ("one", "two", "one"):
        notices.note(kind, kind)
    assert lines == ["one", "two"]
