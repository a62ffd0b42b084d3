"""The words of a text that an engine of recognition writes."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")

_LOOP = re.compile(r"\b(\w+(?:\W+\w+){0,3}?)(?:\W+\1){3,}\b", re.IGNORECASE)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, without case and punctuation."""
    return tuple(_WORD.findall(text.lower().replace("\u2019", "'")))


def without_loops(text: str) -> str:
    """A text in which one to four words that follow one another four times and more stand once.

    Nobody says that; a network that writes word after word by what it wrote before may not find the end.
    """
    return _LOOP.sub(r"\1", text)
