"""Draws the zones of docs/motion.md over a scene: ``python -m scripts.motion_zones``, docs/images/motion-zones.svg.

The zones are those of the guide's settings, and the cells are those that the robot compares.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robot_node.settings.vision import MotionSettings, Point
from robot_node.vision.zones import polygon_mask, zone_masks

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "images" / "motion-zones.svg"
"""A test fails while it differs from what is drawn here."""

_WIDTH, _HEIGHT, _COLUMNS, _ROWS = 640, 360, 80, 45
_CELL = _WIDTH // _COLUMNS
_COLOURS = {"door": "#2b6cb0", "path": "#6b46c1", "tree": "#4a5568"}
_MOTION, _IGNORED, _INK = "#dd6b20", "#a0aec0", "#1a202c"

_HEAD = [(0.440, 0.46), (0.450, 0.43), (0.475, 0.43), (0.485, 0.46), (0.475, 0.52), (0.450, 0.52)]
_BODY = [
    (0.43, 0.53),
    (0.495, 0.53),
    (0.52, 0.70),
    (0.495, 0.72),
    (0.505, 0.94),
    (0.42, 0.94),
    (0.43, 0.72),
    (0.405, 0.70),
]
_LEAVES = [(0.72, 0.20), (0.82, 0.10), (0.92, 0.20), (0.94, 0.36), (0.82, 0.44), (0.71, 0.36)]


def settings() -> MotionSettings:
    """Return the first settings of the guide."""
    found = re.search(r"```toml\n(\[motion\].*?)```", (DOCS / "motion.md").read_text(), re.DOTALL)
    assert found is not None, "docs/motion.md begins with settings"
    return MotionSettings.model_validate(tomllib.loads(found[1])["motion"])


def picture() -> str:
    """Return the picture as SVG."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT + 34}" width="{_WIDTH}" '
        f'height="{_HEIGHT + 34}" font-family="Helvetica, Arial, sans-serif" font-size="15" role="img" '
        'aria-labelledby="title">'
    )
    legend = (
        f'<text x="8" y="{_HEIGHT + 22}" fill="{_INK}" font-size="13">Orange: cells that have changed and '
        "count. Grey: those that are in no zone, or in an excluded one.</text>"
    )
    lines = [
        head,
        '<title id="title">Zones over what a camera sees; in colour the cells in which something moves.</title>',
        *_scene(),
        *_cells(),
        *_zones(),
        legend,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _scene() -> Iterator[str]:
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT + 34}" fill="#f7fafc"/>'
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#e2ecf5"/>'
    yield f'<rect y="{0.55 * _HEIGHT:.0f}" width="{_WIDTH}" height="{0.45 * _HEIGHT:.0f}" fill="#dfe7d3"/>'
    yield _shape([(0.02, 0.14), (0.44, 0.14), (0.44, 0.80), (0.02, 0.80)], "#efe3d2")
    yield _shape([(0.14, 0.30), (0.30, 0.30), (0.30, 0.80), (0.14, 0.80)], "#c9ab87")
    yield _shape([(0.30, 0.80), (0.66, 0.64), (1.0, 0.74), (1.0, 1.0), (0.30, 1.0)], "#e8e2d8")
    yield _shape([(0.80, 0.40), (0.84, 0.40), (0.85, 0.66), (0.79, 0.66)], "#a58a6b")
    yield _shape([(0.69, 0.22), (0.82, 0.06), (0.95, 0.22), (0.96, 0.40), (0.82, 0.48), (0.68, 0.38)], "#b9cfa6")
    yield from (_shape(part, "#718096") for part in (_HEAD, _BODY))


def _cells() -> Iterator[str]:
    masks = zone_masks(settings().zones, _ROWS, _COLUMNS)
    watched = np.logical_or.reduce(list(masks.values()))
    changed = np.logical_or.reduce([polygon_mask(part, _ROWS, _COLUMNS) for part in (_HEAD, _BODY, _LEAVES)])
    for row, column in zip(*np.nonzero(changed), strict=True):
        colour = _MOTION if watched[row, column] else _IGNORED
        yield (
            f'<rect x="{column * _CELL}" y="{row * _CELL}" width="{_CELL - 1}" height="{_CELL - 1}" '
            f'fill="{colour}" fill-opacity="0.8"/>'
        )


def _zones() -> Iterator[str]:
    for name, zone in settings().zones.items():
        colour = _COLOURS[name]
        dashes = ' stroke-dasharray="7 5"' if zone.exclude else ""
        yield (
            f'<polygon points="{_points(zone.points)}" fill="{colour}" fill-opacity="0.1" stroke="{colour}" '
            f'stroke-width="2"{dashes}/>'
        )
        x, y = max(zone.points, key=lambda point: point[1] - point[0]) if name == "path" else zone.points[0]
        label = f"{name} (excluded)" if zone.exclude else name
        below = 20 if name != "path" else -10
        yield (
            f'<text x="{x * _WIDTH + 8:.0f}" y="{y * _HEIGHT + below:.0f}" fill="{colour}" '
            f'font-weight="bold">{label}</text>'
        )


def _shape(points: list[Point], colour: str) -> str:
    return f'<polygon points="{_points(points)}" fill="{colour}"/>'


def _points(points: list[Point] | tuple[Point, ...]) -> str:
    return " ".join(f"{x * _WIDTH:.0f},{y * _HEIGHT:.0f}" for x, y in points)


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
