"""Limits of JSON texts, checked before they are parsed. Pure.

A text of 1 MiB can hold 350 000 lists: they take the parser, and above all the garbage collector that it sets off, most
of a second, and 30 times the memory of the text. A thread does not help: parsers keep Python's lock until they are
done. Counting commas, colons and brackets takes a few milliseconds.
"""

from __future__ import annotations

MAX_DEPTH = 100
"""Maximum nesting of lists and objects. Parsers have their own limits, from 200 to some thousands."""

_OPENING = b"[{"
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[{]}")


def count_values(text: bytes) -> int:
    """Return an upper bound of the number of values in a JSON text, keys of objects included."""
    return _count(text)[0]


def check_json(text: bytes, *, max_values: int) -> int:
    """Reject a JSON text with too many values or levels, before it is parsed.

    Args:
        text: As it came; whether it is JSON at all is the parser's business.
        max_values: Values that it may hold, those in lists and objects and the keys of objects included.

    Returns:
        How many values it holds at most.

    Raises:
        ValueError: too many, or nested too deeply; its text is a sentence.
    """
    values, opened = _count(text)
    if values <= max_values and opened <= MAX_DEPTH:
        return values
    # Brackets inside strings are not structure.
    text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    if text.count(b'"') > 2 * max_values:
        raise _too_many(max_values)
    text = b"".join(text.split(b'"')[::2])
    values, opened = _count(text)
    if values > max_values:
        raise _too_many(max_values)
    if opened > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ValueError(f"Its lists and objects are nested more than {MAX_DEPTH} deep.")
    return values


def _too_many(max_values: int) -> ValueError:
    return ValueError(f"It holds more than {max_values} values.")


def _count(text: bytes) -> tuple[int, int]:
    """Values, each of which follows a comma, a colon or a bracket but for the outermost; lists and objects."""
    opened = text.count(b"[") + text.count(b"{")
    return 1 + text.count(b",") + text.count(b":") + opened, opened


def _depth(text: bytes) -> int:
    depth = deepest = 0
    for bracket in text.translate(None, _NO_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        deepest = max(deepest, depth)
    return deepest
