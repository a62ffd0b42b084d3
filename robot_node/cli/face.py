"""``robot-node face``: show the face in a terminal or save it to a file, without a robot."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from robot_node.errors import SettingsError
from robot_node.face.animator import Animator
from robot_node.face.custom import find
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.gallery import gallery, gif
from robot_node.face.renderer import Size, render
from robot_node.face.shapes import Expression
from robot_node.face.terminal import braille

_FRAME_S = 1 / 25
_NEUTRAL_S = 0.2
"""Duration of the neutral face at the start, in seconds."""

_HIDE_CURSOR, _SHOW_CURSOR, _UP = "\x1b[?25l", "\x1b[?25h", "\x1b[{}A"


async def play(
    name: str,
    *,
    expressions: Mapping[str, Expression] = EXPRESSIONS,
    size: Size = (128, 64),
    seconds: float | None = None,
    output: TextIO | None = None,
) -> None:
    """Animate an expression in the terminal; if the output is not a terminal, print one picture of it.

    Args:
        name: Name or alias of the expression.
        expressions: Available expressions, by name.
        size: Width and height of the display in pixels.
        seconds: Duration; until cancelled by default.
        output: Stream to write to; stdout by default.

    Raises:
        SettingsError: There is no such expression.
    """
    screen = sys.stdout if output is None else output
    expression = expressions[find(name, expressions)]
    if not screen.isatty():
        screen.write(braille(render(expression, size)) + "\n")
        return
    animator = Animator(size, seed=time.time_ns(), expression=expressions[Emotion.NEUTRAL])
    animator.show(expression, _NEUTRAL_S)
    started_at, shown = time.monotonic(), None
    screen.write(_HIDE_CURSOR)
    try:
        while seconds is None or time.monotonic() - started_at < seconds:
            picture = animator.picture(time.monotonic() - started_at)
            if picture is not shown:
                lines = braille(picture)
                screen.write((_UP.format(lines.count("\n") + 1) + "\r" if shown else "") + lines + "\n")
                screen.flush()
                shown = picture
            await asyncio.sleep(_FRAME_S)
    finally:
        screen.write(_SHOW_CURSOR)
        screen.flush()


def save_gallery(file: Path, *, expressions: Mapping[str, Expression] = EXPRESSIONS, size: Size = (128, 64)) -> None:
    """Save a picture of all expressions with their names; the file's suffix sets the format.

    Raises:
        SettingsError: The file cannot be written.
    """
    try:
        gallery(expressions, size=size, columns=5).save(file)
    except (OSError, ValueError) as error:
        raise _write_error(file, error) from error


def save_gif(
    name: str, file: Path, *, expressions: Mapping[str, Expression] = EXPRESSIONS, size: Size = (128, 64)
) -> None:
    """Save an animation of one expression.

    Raises:
        SettingsError: There is no such expression, or the file cannot be written.
    """
    animation = gif(expressions[find(name, expressions)], size=size)
    try:
        file.write_bytes(animation)
    except OSError as error:
        raise _write_error(file, error) from error


def _write_error(file: Path, error: Exception) -> SettingsError:
    return SettingsError(f"The picture {file} cannot be written: {error}.", remedy="Name a .png or .gif file.")
