"""Zones of the picture: which cells of the grid belong to each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from robot_node.settings.vision import PICTURE, Point, ZoneSettings

Mask = npt.NDArray[np.bool_]
"""True for the cells that belong to something: rows by columns."""


def zone_masks(zones: Mapping[str, ZoneSettings], rows: int, columns: int) -> dict[str, Mask]:
    """Return the cells of each included zone, by its name, without those of excluded zones.

    Args:
        zones: By name; without an included one the whole picture is the zone ``picture``.
        rows: Of the grid.
        columns: Of the grid.
    """
    masks = {name: polygon_mask(zone.points, rows, columns) for name, zone in zones.items()}
    excluded = np.zeros((rows, columns), np.bool_)
    for name, zone in zones.items():
        if zone.exclude:
            excluded |= masks.pop(name)
    included = masks or {PICTURE: np.ones((rows, columns), np.bool_)}
    return {name: mask & ~excluded for name, mask in included.items()}


def polygon_mask(points: Sequence[Point], rows: int, columns: int) -> Mask:
    """Return the cells whose centre is in a polygon, by the even-odd rule.

    Args:
        points: The corners, x and y from 0 to 1.
        rows: Of the grid.
        columns: Of the grid.
    """
    y = (np.arange(rows)[:, None] + 0.5) / rows
    x = (np.arange(columns)[None, :] + 0.5) / columns
    inside = np.zeros((rows, columns), np.bool_)
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
        if y1 != y2:  # a level edge is crossed by no ray to the right
            crossed = ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
            inside ^= crossed
    return inside
