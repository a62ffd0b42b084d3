"""Cuts a text into chunks that are spoken and shown in order. Pure."""

from __future__ import annotations

import re

from robot_node.core.text import printable

LONGEST_TEXT = 2000
"""Characters of one text to say."""

_LONGEST_CHUNK = 240
_LONG_START = 60
"""Characters of a first sentence above which its first clause is a chunk, so that something is heard soon."""

_SHORTEST_START = 12
_CLAUSE = re.compile(r"(?<=[,;:])\s+|(?<=[\uff0c\uff1b\uff1a\u3001])")
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])\s+|(?<=[\u3002\uff01\uff1f])\s*")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+|(?<=[\uff0c\uff1b\uff1a\u3001])\s*|\s+")


def text_chunks(text: str) -> tuple[str, ...]:
    """Cut a text at the end of its sentences, long sentences within, and a long first one after its first clause.

    Returns:
        Chunks that together are the text, without unprintable characters and with single spaces; none when nothing of
        it can be spoken.
    """
    clean = printable(text)
    if not any(char.isalnum() for char in clean):
        return ()
    chunks: list[str] = []
    for sentence in sentences(clean):
        if chunks and not any(char.isalnum() for char in sentence):
            chunks[-1] += sentence  # a lone "!" makes no sound
        else:
            chunks += _split_long(sentence)
    if len(chunks) > 1 and not any(char.isalnum() for char in chunks[0]):
        chunks[:2] = [chunks[0] + chunks[1]]
    return (*_start(chunks[0]), *chunks[1:])


def _start(chunk: str) -> tuple[str, ...]:
    """Split the first clause off a long chunk."""
    if len(chunk) > _LONG_START:
        for end in _CLAUSE.finditer(chunk):
            head = chunk[: end.end()]
            if _SHORTEST_START <= len(head) <= _LONG_START and any(char.isalnum() for char in head):
                return head, chunk[len(head) :]
    return (chunk,)


def sentences(text: str) -> list[str]:
    """Split a text at the end of its sentences; together they are the text."""
    return _split(text, _SENTENCE_END)


def _split_long(sentence: str) -> list[str]:
    if len(sentence) <= _LONGEST_CHUNK:
        return [sentence]
    chunks: list[str] = [""]
    for word in _split(sentence, _CLAUSE_END):
        for start in range(0, len(word), _LONGEST_CHUNK):
            part = word[start : start + _LONGEST_CHUNK]
            if len(chunks[-1]) + len(part) <= _LONGEST_CHUNK:
                chunks[-1] += part
            else:
                chunks.append(part)
    return [chunk for chunk in chunks if chunk]


def _split(text: str, end: re.Pattern[str]) -> list[str]:
    """Split a text after each match, with the space at the end of each part left in it."""
    ends = [match.end() for match in end.finditer(text)]
    return [text[start:stop] for start, stop in zip([0, *ends], [*ends, len(text)], strict=True) if start < stop]
