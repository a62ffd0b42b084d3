"""Changed windows of a display's memory between pictures. Pure.

The memory is kept in pages of eight rows, a byte a column. A window costs some bytes on the bus for itself, so that
two near ones are cheaper as one, and two far ones are not. No window is more than a page high: to join windows of
neighbouring pages saves fewer bytes than it sends in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class Window:
    """A part of one page of a display's memory; both columns inclusive."""

    page: int
    first_column: int
    last_column: int

    def cut_from(self, pages: Sequence[bytes]) -> bytes:
        """Return its part of a picture."""
        return pages[self.page][self.first_column : self.last_column + 1]


def pack(image: Image.Image) -> list[bytes]:
    """Return a picture of mode ``"1"`` in the controllers' memory layout.

    One ``bytes`` for each page of eight rows, in it a byte for each column, whose lowest bit is the top row.
    """
    width, height = image.size
    return [
        image.crop((0, top, width, top + 8)).transpose(Image.Transpose.ROTATE_270).tobytes()
        for top in range(0, height, 8)
    ]


def changed_windows(shown: Sequence[bytes], wanted: Sequence[bytes], *, cost: int) -> tuple[Window, ...]:
    """The windows that turn one picture into another, page by page.

    Args:
        shown: Pages that the display holds.
        wanted: Pages that it shall hold; as many, of the same width.
        cost: Overhead of a window on the bus, in bytes.
    """
    return tuple(
        Window(number, first, last)
        for number, (before, after) in enumerate(zip(shown, wanted, strict=True))
        if before != after
        for first, last in _changed_spans(before, after, cost)
    )


def _changed_spans(before: bytes, after: bytes, cost: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for column, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        if spans and column - spans[-1][1] <= cost + 1:
            spans[-1] = spans[-1][0], column
        else:
            spans.append((column, column))
    return spans
