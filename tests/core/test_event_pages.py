"""Reading the event log from page to page: nothing is lost, nothing comes twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.core.events import EventLog, EventPage


def log_of(*texts: str, capacity: int = 200, start: str = "a") -> EventLog:
    log = EventLog(capacity=capacity, start=start)
    for text in texts:
        log.add("input", text)
    return log


def texts(page: EventPage) -> list[str]:
    return [event.text for event in page.events]


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(1, 4))
def test_pages_in_a_row_give_each_event_once(bursts: list[int], limit: int) -> None:
    log, read, added = log_of(), list[str](), 0
    cursor = log.cursor
    for burst in bursts:
        for _ in range(burst):
            added += 1
            log.add("input", str(added))
        page = log.read(cursor, limit=limit)
        cursor = page.cursor
        read += texts(page)
        assert not page.missed
    while more := texts(page := log.read(cursor, limit=limit)):
        cursor = page.cursor
        read += more
    assert read == [str(number + 1) for number in range(added)]


def test_without_a_cursor_come_the_latest() -> None:
    page = log_of("one", "two", "three").read(limit=2)
    assert texts(page) == ["two", "three"]
    assert page.cursor == "a.3"


def test_of_some_kinds_only_and_not_what_the_reader_has_caused() -> None:
    log = log_of("pressed")
    log.add("camera", "on", by="me")
    log.add("camera", "off", by="you")
    log.add("chat", "hello", by="me")
    assert texts(log.read(kinds=["camera"])) == ["on", "off"]
    page = log.read("a.0", kinds=["camera", "chat"], not_by="me")
    assert texts(page) == ["off"]
    assert texts(log.read(page.cursor)) == []  # what was left out does not come later either


def test_events_that_are_no_longer_kept_are_said_to_be_lost() -> None:
    log = log_of("1", "2", "3", "4", "5", capacity=2)
    assert log.read("a.1") == EventPage(log.after(3), "a.5", "2 events are no longer kept.")
    assert not log.read("a.3").missed


@pytest.mark.parametrize("cursor", ["b.7", "nonsense", "a.", "a.-1", "a.x", "a." + "9" * 30])
def test_a_cursor_of_an_earlier_start_gives_everything_since_this_one(cursor: str) -> None:
    page = log_of("started").read(cursor)
    assert texts(page) == ["started"]
    assert "restarted" in page.missed
    assert page.cursor == "a.1"


def test_cursors_of_two_starts_differ() -> None:
    assert EventLog().cursor != EventLog().cursor
