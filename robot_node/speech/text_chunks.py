"""A text, cut into pieces that are spoken and shown one after the other. Pure."""

from __future__ import annotations

import re

LONGEST_TEXT = 2000
"""Characters that are said at once."""

_LONGEST_PIECE = 240
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])\s+|(?<=[\u3002\uff01\uff1f])\s*")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+|(?<=[\uff0c\uff1b\uff1a\u3001])\s*|\s+")


def pieces_of(text: str) -> tuple[str, ...]:
    """Cut a text at the end of its sentences, and long sentences within.

    Returns:
        Pieces that together are the text, without what cannot be printed and with single spaces; none when nothing of
        it can be said.
    """
    clean = "".join(char if char.isprintable() else " " for char in text)
    clean = " ".join(clean.split())
    if not any(char.isalnum() for char in clean):
        return ()
    pieces: list[str] = []
    for sentence in _cut(clean, _SENTENCE_END):
        if pieces and not any(char.isalnum() for char in sentence):
            pieces[-1] += sentence  # a lone "!" makes no sound
        else:
            pieces += _shortened(sentence)
    return tuple(pieces)


def _shortened(sentence: str) -> list[str]:
    if len(sentence) <= _LONGEST_PIECE:
        return [sentence]
    parts: list[str] = [""]
    for word in _cut(sentence, _CLAUSE_END):
        for start in range(0, len(word), _LONGEST_PIECE):
            part = word[start : start + _LONGEST_PIECE]
            if len(parts[-1]) + len(part) <= _LONGEST_PIECE:
                parts[-1] += part
            else:
                parts.append(part)
    return [part for part in parts if part]


def _cut(text: str, end: re.Pattern[str]) -> list[str]:
    """Cut a text, with the space at the end of each part left in it."""
    ends = [match.end() for match in end.finditer(text)]
    return [text[start:stop] for start, stop in zip([0, *ends], [*ends, len(text)], strict=True) if start < stop]
