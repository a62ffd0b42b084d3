"""Sanitises tracebacks for the log. Pure."""

from __future__ import annotations

from robot_node.core.text import one_line

_TRACE_FIRST_LINES = 10
_TRACE_LAST_LINES = 70
_TRACE_LINE_CHARACTERS = 500


def indented_trace(trace: str) -> str:
    """Bound, escape and indent a traceback, so that none of its lines looks like a line of the log."""
    lines = trace.split("\n")
    omitted = len(lines) - _TRACE_FIRST_LINES - _TRACE_LAST_LINES
    if omitted > 0:
        lines[_TRACE_FIRST_LINES:-_TRACE_LAST_LINES] = [f"... {omitted} lines omitted"]
    return "\n".join("  " + one_line(line, _TRACE_LINE_CHARACTERS) for line in lines)
