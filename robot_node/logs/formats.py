"""A record as a line: for people, or as one JSON object. docs/logs.md describes both."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from robot_node.core.log_context import current_session
from robot_node.logs.categories import category_of
from robot_node.logs.text import MESSAGE_CHARACTERS, bounded, indented_trace, one_line

SESSION_CHARACTERS = 300


def note_session(record: logging.LogRecord) -> bool:
    """A filter that writes down for whom we work; the record may be written later, by another thread."""
    record.__dict__.setdefault("session", current_session())
    return True


def session_of(record: logging.LogRecord) -> str:
    """The session that a record belongs to, as one short line; empty outside of sessions."""
    return one_line(getattr(record, "session", ""), SESSION_CHARACTERS)


def trace_of(record: logging.LogRecord) -> str:
    """The traceback of a record, fit for a log; empty without one."""
    if record.exc_info and record.exc_info[0] is not None:
        return indented_trace(logging.Formatter().formatException(record.exc_info))
    return ""


class TextFormatter(logging.Formatter):
    """One line a record: time, level, logger, session where there is one, message; a traceback is set in below it.

    Args:
        stamped: Begin with the time.
    """

    def __init__(self, *, stamped: bool) -> None:
        super().__init__()
        self._stamped = stamped

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line end."""
        stamp = f"{self.formatTime(record)} " if self._stamped else ""
        session = session_of(record)
        origin = f"{record.name} [{session}]" if session else record.name
        line = f"{stamp}{record.levelname} {origin}: {one_line(record.getMessage())}"
        trace = trace_of(record)
        return f"{line}\n{trace}" if trace else line


class JsonFormatter(logging.Formatter):
    """One JSON object a record, in one line of ASCII: control characters are escaped by JSON itself."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line end."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "category": category_of(record.name),
            "logger": record.name,
            "message": bounded(record.getMessage(), MESSAGE_CHARACTERS),
            "code": f"{record.filename}:{record.lineno}",
        }
        if session := session_of(record):
            said["session"] = session
        if repeated := getattr(record, "repeated", 0):
            said["repeated"] = repeated
        if trace := trace_of(record):
            said["trace"] = trace
        return json.dumps(said)
