"""Which part of a display's memory has to be sent for the next picture. Pure.

The memory is kept in pages of eight rows, a byte a column. A window costs some bytes on the bus for itself, so that
two near ones are cheaper as one, and two far ones are not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

_MANY = 16
"""To find the best way to join more windows than this takes longer than sending a few bytes too many."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of a display's memory; all four edges belong to it."""

    first_page: int
    last_page: int
    first_column: int
    last_column: int

    @property
    def size(self) -> int:
        """In bytes."""
        return (self.last_page - self.first_page + 1) * (self.last_column - self.first_column + 1)

    def together_with(self, other: Window) -> Window:
        """The smallest window that holds both."""
        return Window(
            min(self.first_page, other.first_page),
            max(self.last_page, other.last_page),
            min(self.first_column, other.first_column),
            max(self.last_column, other.last_column),
        )

    def cut_from(self, pages: Sequence[bytes]) -> bytes:
        """What it shows of a picture, page after page."""
        columns = slice(self.first_column, self.last_column + 1)
        return b"".join(page[columns] for page in pages[self.first_page : self.last_page + 1])


def pack(image: Image.Image) -> list[bytes]:
    """Return a picture of mode ``"1"`` as the controllers keep it.

    One ``bytes`` for each page of eight rows, in it a byte for each column, whose lowest bit is the top row.
    """
    width, height = image.size
    return [
        image.crop((0, top, width, top + 8)).transpose(Image.Transpose.ROTATE_270).tobytes()
        for top in range(0, height, 8)
    ]


def changed_windows(
    shown: Sequence[bytes], wanted: Sequence[bytes], *, cost: int, across_pages: bool
) -> tuple[Window, ...]:
    """The windows that turn one picture into another.

    Args:
        shown: Pages that the display holds.
        wanted: Pages that it shall hold; as many, of the same width.
        cost: What a window costs on the bus beside its content, in bytes.
        across_pages: The controller can fill a window of several pages in one go.
    """
    spans = [
        (number, _changed_spans(before, after, cost))
        for number, (before, after) in enumerate(zip(shown, wanted, strict=True))
        if before != after
    ]
    if across_pages and sum(len(in_page) for _, in_page in spans) > _MANY:
        spans = [(number, [(in_page[0][0], in_page[-1][1])]) for number, in_page in spans]
    windows = [Window(number, number, first, last) for number, in_page in spans for first, last in in_page]
    return tuple(_joined(windows, cost) if across_pages else windows)


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


def _joined(windows: list[Window], cost: int) -> list[Window]:
    """Join windows as long as that saves bytes."""
    while len(windows) > 1:
        saving, one, other = max(
            (
                (one.size + other.size + cost - one.together_with(other).size, one, other)
                for one, other in itertools.combinations(windows, 2)
            ),
            key=lambda candidate: candidate[0],
        )
        if saving < 0:
            break
        windows = [window for window in windows if window not in {one, other}]
        windows.append(one.together_with(other))
    return windows
