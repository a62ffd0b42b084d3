"""Formats a record as a line of text or as a JSON object. docs/logs.md describes both."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from robot_node.core.log_context import current_session
from robot_node.core.text import LINE_CHARACTERS, bounded, one_line
from robot_node.logs.categories import category_of
from robot_node.logs.text import indented_trace

SESSION_CHARACTERS = 300


def add_session(record: logging.LogRecord) -> bool:
    """Log filter: add the current session to the record, which another thread may write later."""
    record.__dict__.setdefault("session", current_session())
    return True


def session_of(record: logging.LogRecord) -> str:
    """Return the session of a record, as one bounded line; empty outside of sessions."""
    return one_line(getattr(record, "session", ""), SESSION_CHARACTERS)


def trace_of(record: logging.LogRecord) -> str:
    """Return the traceback of a record, escaped and indented; empty without one."""
    if record.exc_info and record.exc_info[0] is not None:
        return indented_trace(logging.Formatter().formatException(record.exc_info))
    return ""


class TextFormatter(logging.Formatter):
    """Formats a record as one line: time, level, logger, session if any, message; a traceback follows, indented.

    Args:
        stamped: Whether to begin with the time.
    """

    def __init__(self, *, stamped: bool) -> None:
        super().__init__()
        self._stamped = stamped

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line end."""
        stamp = f"{self.formatTime(record)} " if self._stamped else ""
        session = session_of(record)
        origin = f"{record.name} [{session}]" if session else record.name
        line = f"{stamp}{record.levelname} {origin}: {one_line(record.getMessage())}"
        trace = trace_of(record)
        return f"{line}\n{trace}" if trace else line


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object in one line of ASCII: JSON escapes control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line end."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "category": category_of(record.name),
            "logger": record.name,
            "message": bounded(record.getMessage(), LINE_CHARACTERS),
            "code": f"{record.filename}:{record.lineno}",
        }
        if session := session_of(record):
            fields["session"] = session
        if repeated := getattr(record, "repeated", 0):
            fields["repeated"] = repeated
        if trace := trace_of(record):
            fields["trace"] = trace
        return json.dumps(fields)
