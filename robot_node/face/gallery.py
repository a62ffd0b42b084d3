"""Pictures of expressions as on a display: all in one picture, or one as an animation. Pure."""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image, ImageDraw, ImageFont

from robot_node.face.animator import Animator
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import Size, render
from robot_node.face.shapes import Expression

_GLASS = (8, 10, 14)
_PIXEL = (150, 220, 255)
_PAPER = (32, 36, 44)
_INK = (220, 226, 234)
_GIF_FRAME_MS = 40


def gallery(
    expressions: Mapping[str, Expression] = EXPRESSIONS,
    *,
    size: Size = (128, 64),
    columns: int = 4,
    zoom: int = 2,
) -> Image.Image:
    """Draw expressions with their names, in rows.

    Args:
        expressions: Expressions to draw, by name.
        size: Width and height of the display in pixels.
        columns: Faces in a row.
        zoom: Pixels of the picture per pixel of a display, in both directions.

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


def animation_frames(
    expression: Expression, *, seconds: float = 8.0, size: Size = (128, 64), seed: int = 0
) -> list[tuple[Image.Image, int]]:
    """Return the frames, with their duration in ms, of a face that turns from neutral to an expression and back.

    Args:
        expression: Expression from 0.5 s on.
        seconds: Total duration; the last second shows the neutral face again.
        size: Width and height of the display in pixels.
        seed: Seed of the random blinks and glances.
    """
    neutral = EXPRESSIONS[Emotion.NEUTRAL]
    animator = Animator(size, seed=seed, expression=neutral)
    frames: list[tuple[Image.Image, int]] = []
    for frame in range(round(seconds * 1000 / _GIF_FRAME_MS)):
        time = frame * _GIF_FRAME_MS / 1000
        if time >= seconds - 1:
            animator.show(neutral, seconds - 1)
        elif time >= 0.5:
            animator.show(expression, 0.5)
        picture = animator.picture(time)
        if frames and frames[-1][0] is picture:
            frames[-1] = picture, frames[-1][1] + _GIF_FRAME_MS
        else:
            frames.append((picture, _GIF_FRAME_MS))
    return frames


def gif(expression: Expression, *, seconds: float = 8.0, size: Size = (128, 64), seed: int = 0, zoom: int = 3) -> bytes:
    """Return an animated GIF of :func:`animation_frames`, in an endless loop.

    Args:
        expression: Expression to show.
        seconds: Total duration.
        size: Width and height of the display in pixels.
        seed: Seed of the random blinks and glances.
        zoom: Pixels of the picture per pixel of the display, in both directions.
    """
    frames = animation_frames(expression, seconds=seconds, size=size, seed=seed)
    pictures = []
    for picture, _ in frames:
        glass = picture.convert("L").resize((size[0] * zoom, size[1] * zoom), Image.Resampling.NEAREST)
        colours = glass.point([0] * 128 + [1] * 128).convert("P")
        colours.putpalette([*_GLASS, *_PIXEL])
        pictures.append(colours)
    file = io.BytesIO()
    durations = [milliseconds for _, milliseconds in frames]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return file.getvalue()
