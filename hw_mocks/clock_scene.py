"""The synthetic scene: a running clock, a moving ball, and a machine-readable time stamp."""

from __future__ import annotations

import functools

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

_CHARACTERS = "0123456789:."
_BLACK, _WHITE = 16, 235
_BALL_YUV = (160, 60, 190)
_BALL_PERIOD_S = 4.0
MARKERS = (
    (0, 0, 0),
    (81, 90, 240),
    (145, 54, 34),
    (16, 128, 128),
    (210, 16, 146),
    (170, 166, 16),
    (106, 202, 222),
    (235, 128, 128),
)
"""Colours of the square in the corner, as Y, U, V: none, red, green, black, yellow, cyan, magenta, white."""
_STAMP_BITS = 24
_CHECK_BITS = 8
_MARKER_TOLERANCE = 24


class ClockScene:
    """A clock with tenths of a second, above a ball that crosses the picture every 4 seconds.

    The black and white blocks at the bottom encode the capture time (:func:`read_stamp`), so that a receiver can
    measure the latency. The picture depends on the time only.

    Args:
        width: Width in pixels, even.
        height: Height in pixels, even.
        utc_offset_s: Difference between the time of day that the clock shows and the monotonic clock, in seconds.
        marker: Colour of the square in the upper left corner (:data:`MARKERS`); 0: no square.
    """

    def __init__(self, width: int, height: int, *, utc_offset_s: float, marker: int = 0) -> None:
        self._size = width, height
        self._offset_s = utc_offset_s
        self._background = _background(width, height)
        if marker:
            self._background = self._background.copy()
            _fill(self._background, width, height, (0, 0, marker_side(height)), MARKERS[marker])
        self._glyphs = _glyphs(width, height)

    def picture(self, monotonic_s: float) -> npt.NDArray[np.uint8]:
        """Return the picture at a time."""
        width, height = self._size
        picture = self._background.copy()
        self._draw_time(picture, monotonic_s + self._offset_s)
        _draw_ball(picture, width, height, monotonic_s)
        _draw_stamp(picture, width, height, monotonic_s)
        return picture

    def close(self) -> None:
        """Do nothing: there are no resources."""

    def _draw_time(self, picture: npt.NDArray[np.uint8], time_of_day_s: float) -> None:
        width, height = self._size
        seconds = int(time_of_day_s) % 86_400
        text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{int(time_of_day_s * 10) % 10}"
        rows, columns = self._glyphs["0"].shape
        top, left = height // 8, (width - columns * len(text)) // 2
        for index, character in enumerate(text):
            x = left + index * columns
            picture[top : top + rows, x : x + columns] = self._glyphs[character]


def ball_box(width: int, height: int, monotonic_s: float) -> tuple[int, int, int]:
    """Return left, top and side length of the ball (a square) in pixels, all even."""
    side = max(2, height // 6 // 2 * 2)
    left = int((width - side) * (monotonic_s % _BALL_PERIOD_S) / _BALL_PERIOD_S) // 2 * 2
    return left, height // 2 // 2 * 2, side


def read_stamp(luma: npt.NDArray[np.uint8]) -> int | None:
    """Read the capture time from the Y plane of a decoded picture.

    Returns:
        Milliseconds of the monotonic clock modulo 2 ** 24 (4.6 hours), or None when the blocks cannot be read.
    """
    height, width = luma.shape
    number = 0
    for left, top, side in _stamp_blocks(width, height):
        inner = luma[top + side // 4 : top + side - side // 4, left + side // 4 : left + side - side // 4]
        number = number << 1 | int(inner.mean() > (_BLACK + _WHITE) / 2)
    stamp, check = number >> _CHECK_BITS, number & (1 << _CHECK_BITS) - 1
    return stamp if check == _check(stamp) else None


def _check(stamp: int) -> int:
    return (stamp ^ stamp >> 8 ^ stamp >> 16 ^ 0x5A) & 0xFF


def _stamp_blocks(width: int, height: int) -> list[tuple[int, int, int]]:
    count = _STAMP_BITS + _CHECK_BITS
    side = max(2, width // (count + 4) // 2 * 2)
    left, top = (width - side * count) // 4 * 2, (height - 2 * side) // 2 * 2
    return [(left + index * side, top, side) for index in range(count)]


def _draw_stamp(picture: npt.NDArray[np.uint8], width: int, height: int, monotonic_s: float) -> None:
    stamp = int(monotonic_s * 1000) & (1 << _STAMP_BITS) - 1
    number = stamp << _CHECK_BITS | _check(stamp)
    blocks = _stamp_blocks(width, height)
    for index, (left, top, side) in enumerate(blocks):
        white = number >> (len(blocks) - 1 - index) & 1
        picture[top : top + side, left : left + side] = _WHITE if white else _BLACK


def _draw_ball(picture: npt.NDArray[np.uint8], width: int, height: int, monotonic_s: float) -> None:
    _fill(picture, width, height, ball_box(width, height, monotonic_s), _BALL_YUV)


def _fill(
    picture: npt.NDArray[np.uint8], width: int, height: int, square: tuple[int, int, int], yuv: tuple[int, int, int]
) -> None:
    left, top, side = square
    picture[top : top + side, left : left + side] = yuv[0]
    chroma = picture.reshape(-1)[height * width :].reshape(2, height // 2, width // 2)
    box = slice(top // 2, (top + side) // 2), slice(left // 2, (left + side) // 2)
    chroma[0][box], chroma[1][box] = yuv[1], yuv[2]


def marker_side(height: int) -> int:
    """Return the side length of the square in the corner of a picture, in pixels, even."""
    return max(4, height // 9 // 2 * 2)


def read_marker(picture: npt.NDArray[np.uint8], width: int, height: int) -> int:
    """Read the marker of an I420 picture; 0 without one."""
    side = marker_side(height)
    inner = slice(side // 4, side - side // 4)
    half = slice(side // 8, side // 2 - side // 8)
    chroma = picture.reshape(-1)[height * width : height * width * 3 // 2].reshape(2, height // 2, width // 2)
    found = np.array([picture[inner, inner].mean(), *(plane[half, half].mean() for plane in chroma)])
    distances = [float(np.abs(found - colour).max()) for colour in MARKERS]
    nearest = min(range(1, len(MARKERS)), key=distances.__getitem__)
    return nearest if distances[nearest] < _MARKER_TOLERANCE else 0


@functools.lru_cache(maxsize=2)  # of the video and of a photo in full size, which takes a fifth of a second to draw
def _background(width: int, height: int) -> npt.NDArray[np.uint8]:
    image = Image.linear_gradient("L").resize((width, height))
    coloured = Image.merge("RGB", (image.point([30 + value // 4 for value in range(256)]), image, image.rotate(180)))
    draw = ImageDraw.Draw(coloured)
    spacing = max(8, height // 9)
    for x in range(0, width, spacing):
        draw.line((x, 0, x, height), fill=(90, 90, 90))
    for y in range(0, height, spacing):
        draw.line((0, y, width, y), fill=(90, 90, 90))
    side = _stamp_blocks(width, height)[0][2]
    top = _stamp_blocks(width, height)[0][1]
    draw.rectangle((0, max(0, top - side), width, height), fill=(0, 0, 0))
    columns, rows = _glyph_size(width, height)
    draw.rectangle(
        (width // 2 - columns * 5 - 4, height // 8 - 4, width // 2 + columns * 5 + 4, height // 8 + rows + 4), 0
    )
    rgb = av.VideoFrame.from_ndarray(np.asarray(coloured), "rgb24")
    return rgb.reformat(format="yuv420p").to_ndarray().astype(np.uint8, copy=False)


def _glyph_size(width: int, height: int) -> tuple[int, int]:
    return max(2, min(width // 12, height // 8)), max(4, min(width // 8, height // 5))


@functools.lru_cache(maxsize=2)
def _glyphs(width: int, height: int) -> dict[str, npt.NDArray[np.uint8]]:
    columns, rows = _glyph_size(width, height)
    font = ImageFont.load_default(max(4, int(rows * 0.9)))
    glyphs = {}
    for character in _CHARACTERS:
        image = Image.new("L", (columns, rows), _BLACK)
        ImageDraw.Draw(image).text((columns // 2, rows // 2), character, fill=_WHITE, font=font, anchor="mm")
        glyphs[character] = np.asarray(image)
    return glyphs
