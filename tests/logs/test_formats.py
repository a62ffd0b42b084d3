"""The line for people and the JSON object for programs."""

from __future__ import annotations

import contextlib
import json
import logging
import threading

from robot_node.core.log_context import current_session, in_session, new_session
from robot_node.logs.formats import JsonFormatter, TextFormatter, add_session


def record(text: str, *values: object, failed: bool = False, session: str = "") -> logging.LogRecord:
    """A record as a logger of ours makes it."""
    failure = ValueError("first\nERROR robot_node: forged")
    error = (ValueError, failure, None) if failed else None
    made = logging.LogRecord("robot_node.webrtc.session", logging.INFO, "/x/session.py", 12, text, values, error, "f")
    with in_session(session):
        add_session(made)
    return made


def test_a_line_names_level_logger_and_session() -> None:
    text = TextFormatter(stamped=False).format(record("The answer is sent", session="webrtc/tablet/4"))
    assert text == "INFO robot_node.webrtc.session [webrtc/tablet/4]: The answer is sent"


def test_outside_of_sessions_there_is_no_name() -> None:
    assert TextFormatter(stamped=False).format(record("x")) == "INFO robot_node.webrtc.session: x"


def test_a_stamped_line_begins_with_the_time() -> None:
    assert TextFormatter(stamped=True).format(record("x"))[:4].isdigit()


def test_neither_message_nor_session_nor_traceback_can_forge_a_line() -> None:
    evil = "a\nERROR robot_node: forged\x1b[2J"
    text = TextFormatter(stamped=False).format(record("From %s", evil, failed=True, session=evil))
    first, *further = text.split("\n")
    assert first.isprintable()
    assert further
    assert all(line.startswith("  ") for line in further)


def test_json_says_everything_in_one_line_of_ascii() -> None:
    line = JsonFormatter().format(record("From %s", "a\nb\u202e厨", failed=True, session="webrtc/tablet/4"))
    assert line.isascii()
    assert line.isprintable()
    said = json.loads(line)
    trace = said.pop("trace")
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "info",
        "category": "webrtc",
        "logger": "robot_node.webrtc.session",
        "message": "From a\nb\u202e厨",
        "code": "session.py:12",
        "session": "webrtc/tablet/4",
    }
    assert "ValueError" in trace


def test_json_is_bounded() -> None:
    assert len(JsonFormatter().format(record("%s", "x" * 1_000_000, session="y" * 1_000_000))) < 4000


def test_sessions_have_names_of_their_own() -> None:
    first, second = new_session("mcp", "agent"), new_session("mcp", "agent")
    assert first != second
    assert first.startswith("mcp/agent/")


def test_the_session_of_a_block_is_forgotten_after_it_even_when_it_fails() -> None:
    with contextlib.suppress(ValueError), in_session("mcp/a/1"):
        assert current_session() == "mcp/a/1"
        raise ValueError
    assert current_session() == ""


def test_a_record_that_another_thread_writes_keeps_its_session() -> None:
    made = record("x", session="mcp/a/1")
    thread = threading.Thread(target=add_session, args=(made,))
    thread.start()
    thread.join()
    assert "[mcp/a/1]" in TextFormatter(stamped=False).format(made)
