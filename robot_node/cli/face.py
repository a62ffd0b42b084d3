"""``robot-node face``: the face in a terminal, and in files, without a robot."""

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
_BEGIN_S = 0.2
"""Seconds for which it is neutral at first."""

_HIDE_CURSOR, _SHOW_CURSOR, _UP = "\x1b[?25l", "\x1b[?25h", "\x1b[{}A"


async def play(
    name: str,
    *,
    expressions: Mapping[str, Expression] = EXPRESSIONS,
    size: Size = (128, 64),
    seconds: float | None = None,
    output: TextIO | None = None,
) -> None:
    """Show an expression in the terminal, moving; on anything else than a terminal, one picture of it.

    Args:
        name: Of the expression, or an alias.
        expressions: What there is.
        size: Width and height of the display in pixels.
        seconds: How long; by default until cancelled.
        output: Where to; by default stdout.

    Raises:
        SettingsError: There is no such expression.
    """
    screen = sys.stdout if output is None else output
    expression = expressions[find(name, expressions)]
    if not screen.isatty():
        screen.write(braille(render(expression, size)) + "\n")
        return
    animator = Animator(size, seed=time.time_ns(), expression=expressions[Emotion.NEUTRAL])
    animator.show(expression, _BEGIN_S)
    began, shown = time.monotonic(), None
    screen.write(_HIDE_CURSOR)
    try:
        while seconds is None or time.monotonic() - began < seconds:
            picture = animator.picture(time.monotonic() - began)
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
    """Draw all expressions with their names; the file's name says in which format.

    Raises:
        SettingsError: The file cannot be written.
    """
    try:
        gallery(expressions, size=size, columns=5).save(file)
    except (OSError, ValueError) as error:
        raise _not_written(file, error) from error


def save_gif(
    name: str, file: Path, *, expressions: Mapping[str, Expression] = EXPRESSIONS, size: Size = (128, 64)
) -> None:
    """Film one expression.

    Raises:
        SettingsError: There is no such expression, or the file cannot be written.
    """
    film = gif(expressions[find(name, expressions)], size=size)
    try:
        file.write_bytes(film)
    except OSError as error:
        raise _not_written(file, error) from error


def _not_written(file: Path, error: Exception) -> SettingsError:
    return SettingsError(f"The picture {file} cannot be written: {error}.", remedy="Name a .png or .gif file.")
