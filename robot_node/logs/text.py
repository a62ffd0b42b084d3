"""Sanitises untrusted text for logs and terminals: one line, bounded, without control characters. Pure.

Client ids, topics, reasons and file names may contain line ends, which would forge a line, and escape sequences.
"""

from __future__ import annotations

import codecs

MESSAGE_CHARACTERS = 2000
"""Maximum length of a message; longer ones are truncated."""

# Loaded now: without free descriptors it could not be loaded later, and Python would not try again.
_ESCAPE = codecs.lookup("unicode_escape").encode

_TRACE_FIRST_LINES = 10
_TRACE_LAST_LINES = 70
_TRACE_LINE_CHARACTERS = 500


def bounded(text: str, limit: int) -> str:
    """Truncate a text that is too long, and say how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text) - limit} more characters)"


def escaped(text: str) -> str:
    r"""Replace all non-printable characters by escape sequences, e.g. ``\n`` and ``\x1b``.

    That includes line ends of any kind, control characters, bidirectional controls, and surrogates, which UTF-8 cannot
    encode.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _ESCAPE(c)[0].decode() for c in text)


def one_line(text: str, limit: int = MESSAGE_CHARACTERS) -> str:
    """Return the text as one bounded line."""
    return escaped(bounded(text, limit))


def indented_trace(trace: str) -> str:
    """Bound, escape and indent a traceback, so that none of its lines looks like a line of the log."""
    lines = trace.split("\n")
    omitted = len(lines) - _TRACE_FIRST_LINES - _TRACE_LAST_LINES
    if omitted > 0:
        lines[_TRACE_FIRST_LINES:-_TRACE_LAST_LINES] = [f"... {omitted} lines omitted"]
    return "\n".join("  " + one_line(line, _TRACE_LINE_CHARACTERS) for line in lines)
