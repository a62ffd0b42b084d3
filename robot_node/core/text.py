"""Makes strangers' texts safe to show: bounded, on one line, without control and bidirectional characters. Pure.

Names, descriptions, questions, results and errors come from robots, brokers, clients and files. They may contain line
ends, which forge a line; escape sequences, which a terminal obeys; and characters that reverse the order of others.
"""

from __future__ import annotations

import codecs
import html
import json
import re

# Loaded now: without free descriptors it could not be loaded later, and Python would not try again.
_ESCAPE = codecs.lookup("unicode_escape").encode

LINE_CHARACTERS = 2000
"""Longest line."""

SHOWN_CHARACTERS = 80
"""Longest name or value of a stranger that a sentence repeats."""

# What JSON escapes already is ASCII. Every other character that cannot be printed stands inside a string.
_NOT_ASCII = re.compile(r"[^ -~]")


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


def printable(text: str) -> str:
    """Return the text as one line of words: what cannot be printed becomes a space, and spaces are single."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def one_line(text: str, limit: int = LINE_CHARACTERS) -> str:
    """Return the text as one bounded line."""
    return escaped(bounded(text, limit))


def shown(name: str) -> str:
    """Return a stranger's name as a sentence repeats it: one line, shortened with a visible mark."""
    return one_line(name, SHOWN_CHARACTERS)


def for_markup(text: str, limit: int = LINE_CHARACTERS) -> str:
    """Return the text as one bounded line for an element or an attribute: ``<``, ``>``, ``&`` and quotes are escaped.

    A text cannot end the element that it is in, and begin another.
    """
    return html.escape(one_line(text, limit))


def quoted(value: object, limit: int = SHOWN_CHARACTERS) -> str:
    """Return a value as JSON on one bounded line: a text cannot pass for more than a text.

    Args:
        value: As parsed from JSON.
        limit: Most characters before they are escaped. What is missing is said after the closing quotation mark.
    """
    text = json.dumps(value[:limit] if isinstance(value, str) else value, ensure_ascii=False)
    length = len(value) if isinstance(value, str) else len(text)
    mark = f"... ({length - limit} more characters)" if length > limit else ""
    return escaped(text if isinstance(value, str) else text[:limit]) + mark


def json_line(value: object) -> str:
    r"""Return a value as a JSON document on one line: a character that cannot be printed is a ``\u`` escape.

    Raises:
        ValueError: A number is infinite or not a number, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else _NOT_ASCII.sub(_json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]
