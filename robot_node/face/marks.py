"""Draws marks such as tears: each in a square from (-0.5, -0.5) to (0.5, 0.5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from robot_node.face.pen import DARK, Pen
from robot_node.face.shapes import MarkShape


def draw_mark(shape: MarkShape, pen: Pen) -> None:
    """Draw a mark of size 1 around the pen's origin."""
    _DRAWINGS[shape](pen)


def _drop(pen: Pen) -> None:
    pen.ellipse((0, 0.19), 0.31)
    pen.polygon([(0, -0.5), (0.28, 0.08), (-0.28, 0.08)])


def _sweat(pen: Pen) -> None:
    _drop(pen)
    pen.ellipse((-0.06, 0.22), 0.13, fill=DARK)


def _anger(pen: Pen) -> None:
    for corner_x in (-1, 1):
        for corner_y in (-1, 1):
            bend = (corner_x * 0.16, corner_y * 0.16)
            pen.stroke([(corner_x * 0.45, bend[1]), bend, (bend[0], corner_y * 0.45)], 0.15)


def _blush(pen: Pen) -> None:
    for x in (-0.7, 0.0, 0.7):
        pen.stroke([(x + 0.25, -0.4), (x - 0.25, 0.4)], 0.3)


def _thought(pen: Pen) -> None:
    for x, y, radius in ((-0.26, 0.38, 0.07), (-0.1, 0.14, 0.11), (0.08, -0.27, 0.22)):
        pen.ellipse((x, y), radius)


def _sleep(pen: Pen) -> None:
    for x, y, size in ((-0.2, 0.2, 0.55), (0.3, -0.32, 0.36)):
        half = size / 2
        corners = [(x - half, y - half), (x + half, y - half), (x - half, y + half), (x + half, y + half)]
        pen.stroke(corners, size / 4)


def _sparkle(pen: Pen) -> None:
    points = []
    for step in range(8):
        radius = 0.5 if step % 2 == 0 else 0.14
        angle = step * math.pi / 4
        points.append((radius * math.sin(angle), -radius * math.cos(angle)))
    pen.polygon(points)


def _heart(pen: Pen) -> None:
    for x in (-0.22, 0.22):
        pen.ellipse((x, -0.2), 0.26)
    pen.polygon([(-0.46, -0.1), (0.46, -0.1), (0, 0.48)])


def _steam(pen: Pen) -> None:
    for x in (-0.3, 0.15):
        points = [(x + 0.12 * math.sin(step * math.pi / 4), 0.45 - step * 0.11) for step in range(9)]
        pen.stroke(points, 0.16)


def _dots(pen: Pen) -> None:
    for x in (-0.7, 0.0, 0.7):
        pen.ellipse((x, 0), 0.24)


_DRAWINGS: Mapping[MarkShape, Callable[[Pen], None]] = MappingProxyType(
    {
        MarkShape.TEAR: _drop,
        MarkShape.SWEAT: _sweat,
        MarkShape.ANGER: _anger,
        MarkShape.BLUSH: _blush,
        MarkShape.THOUGHT: _thought,
        MarkShape.SLEEP: _sleep,
        MarkShape.SPARKLE: _sparkle,
        MarkShape.HEART: _heart,
        MarkShape.STEAM: _steam,
        MarkShape.DOTS: _dots,
    }
)
