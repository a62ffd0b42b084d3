"""Makes text that strangers had a hand in fit for a log: one line, bounded, nothing that a terminal obeys. Pure.

Client ids, topics, reasons and names of files may hold line ends, which would forge a line, and escape sequences.
"""

from __future__ import annotations

MESSAGE_CHARACTERS = 2000
"""Longest message that is kept whole."""

_TRACE_FIRST_LINES = 10
_TRACE_LAST_LINES = 70
_TRACE_LINE_CHARACTERS = 500


def bounded(text: str, limit: int) -> str:
    """The beginning of a text that is too long, and how much more there was."""
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text) - limit} more characters)"


def escaped(text: str) -> str:
    r"""The text with everything that isn't printable written as an escape, e.g. ``\n`` and ``\x1b``.

    That includes line ends of any kind, control characters, marks that turn the direction of what is shown, and
    surrogates, which UTF-8 cannot carry.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str, limit: int = MESSAGE_CHARACTERS) -> str:
    """The text as one bounded line."""
    return escaped(bounded(text, limit))


def indented_trace(trace: str) -> str:
    """A traceback, bounded, each line escaped and set in: no line of an error's text looks like one of the log's."""
    lines = trace.split("\n")
    left_out = len(lines) - _TRACE_FIRST_LINES - _TRACE_LAST_LINES
    if left_out > 0:
        lines[_TRACE_FIRST_LINES:-_TRACE_LAST_LINES] = [f"... {left_out} lines left out"]
    return "\n".join("  " + one_line(line, _TRACE_LINE_CHARACTERS) for line in lines)
