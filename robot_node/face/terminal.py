"""Converts a picture to text for a terminal. Pure."""

from __future__ import annotations

from PIL import Image

_FIRST_PATTERN = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot in a pattern, by row and column (Unicode, Braille Patterns)."""


def braille(picture: Image.Image) -> str:
    """Return a picture of mode ``"1"`` as braille patterns: 2x4 pixels per character."""
    width, height = picture.size
    lines = []
    for top in range(0, height, 4):
        letters = []
        for left in range(0, width, 2):
            pattern = 0
            for row, bits in enumerate(_DOTS):
                for column, bit in enumerate(bits):
                    if _is_lit(picture, left + column, top + row):
                        pattern |= bit
            letters.append(chr(_FIRST_PATTERN + pattern))
        lines.append("".join(letters))
    return "\n".join(lines)


def _is_lit(picture: Image.Image, x: int, y: int) -> bool:
    return x < picture.width and y < picture.height and bool(picture.getpixel((x, y)))
