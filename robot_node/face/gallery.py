"""A picture of all expressions side by side, as on the displays' glass. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image, ImageDraw, ImageFont

from robot_node.face.expressions import EXPRESSIONS
from robot_node.face.renderer import Size, render
from robot_node.face.shapes import Expression

_GLASS = (8, 10, 14)
_PIXEL = (150, 220, 255)
_PAPER = (32, 36, 44)
_INK = (220, 226, 234)


def gallery(
    expressions: Mapping[str, Expression] = EXPRESSIONS,
    *,
    size: Size = (128, 64),
    columns: int = 4,
    zoom: int = 2,
) -> Image.Image:
    """Draw expressions with their names below, in rows.

    Args:
        expressions: What to draw, by name.
        size: Width and height of the display in pixels.
        columns: Faces in a row.
        zoom: Pixels of the picture per pixel of a display, each way.

    Returns:
        A picture of mode ``"RGB"``.
    """
    frame, gap, label = 4 * zoom, 6 * zoom, 11 * zoom
    cell_width = size[0] * zoom + 2 * frame + gap
    cell_height = size[1] * zoom + 2 * frame + label + gap
    rows = -(-len(expressions) // columns)
    sheet = Image.new("RGB", (columns * cell_width + gap, rows * cell_height + gap), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=8 * zoom)
    for index, (name, expression) in enumerate(expressions.items()):
        left = gap + index % columns * cell_width
        top = gap + index // columns * cell_height
        right, bottom = left + size[0] * zoom + 2 * frame, top + size[1] * zoom + 2 * frame
        draw.rounded_rectangle((left, top, right - 1, bottom - 1), radius=frame, fill=_GLASS)
        face = render(expression, size).resize((size[0] * zoom, size[1] * zoom), Image.Resampling.NEAREST)
        sheet.paste(_PIXEL, (left + frame, top + frame), face)
        draw.text(((left + right) / 2, bottom + 8 * zoom), str(name), fill=_INK, font=font, anchor="ms")
    return sheet
