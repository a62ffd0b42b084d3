"""A model of the still picture, and where a new picture differs from it. Pure: pictures and times in, masks out.

The picture is a grid of cells, each the mean of 4x4 pixels, which takes most of a sensor's noise away. Light that
changes everywhere, or little by little, is learned; so is a thing that was put down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robot_node.vision.zones import Mask

Cells = npt.NDArray[np.float32]
"""Brightness of each cell, 0 to 255: rows by columns."""

CELL = 4
"""Width and height of a cell in pixels of the small picture."""

_QUIET_S = 5.0
"""Time constant with which an unchanged cell follows the picture: dusk."""
_STATIC_S = 3.0
"""The same of a cell that has changed and is still: a thing that was put down, a lamp that was switched on."""
_MOVING_S = 60.0
"""The same of a cell in motion: the background behind a passer-by is hardly touched."""
_STEP_FACTOR = 1.2
"""Two pictures have the noise of both."""
_NOISE_S = 10.0
_NOISE_FACTOR = 4.0
_LONGEST_STEP_S = 1.0
"""Longest time between two pictures that counts."""

_NEIGHBOURS = 3
"""A changed cell counts when so many of its eight neighbours have changed as well."""

_GLOBAL_SHARE = 0.4
_GLOBAL_BEFORE = 0.2
"""More of the picture has changed than the first, and less than the second had just before: the light, perhaps."""
_SAME_PATTERN = 0.75
"""Correlation of the edges in two pictures of the same scene, whatever the light; another scene has less."""

_STABLE_SHARE = 0.02
_STABLE_S = 0.8
_LONGEST_SETTLING_S = 5.0
_DARKEST = 8.0
"""Darker cells say nothing about the light."""
_SATURATED = 235.0


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a picture differs from the background.

    Attributes:
        changed: Cells that differ from the background.
        active: Those among them that differ from the picture before as well.
        settling: The background is being learned: nothing is known.
    """

    changed: Mask
    active: Mask
    settling: bool


class Background:
    """Learns what the still picture looks like.

    Args:
        threshold: Brightness, 0 to 255, by which a cell must differ at least.

    Attributes:
        threshold: The same.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._background: Cells | None = None
        self._before: Cells = np.zeros((0, 0), np.float32)
        self._noise: Cells = self._before
        self._share_before = 0.0
        self._last = -math.inf
        self._settling_since: float | None = None
        self._stable_since = 0.0

    def settle(self) -> None:
        """Learn the background again, from the next picture on until the picture is stable, or for 5 s."""
        self._background = None

    def update(self, cells: Cells, now: float) -> Difference:
        """Compare a picture with the background, and learn from it.

        Args:
            cells: The picture.
            now: Monotonic time in seconds.
        """
        if self._background is None or self._background.shape != cells.shape:
            self._restart(cells, now)
        elapsed_s, self._last = min(max(now - self._last, 0.0), _LONGEST_STEP_S), now
        step = np.abs(cells - self._before)
        self._before = cells
        if self._settling_since is not None:
            self._learn_all(cells, step, now, elapsed_s)
            return self._nothing(cells)
        return self._compare(cells, step, now, elapsed_s)

    def _restart(self, cells: Cells, now: float) -> None:
        if self._noise.shape != cells.shape:
            self._noise = np.full(cells.shape, self.threshold / _NOISE_FACTOR, np.float32)
        self._background, self._before = cells, cells
        self._settling_since, self._stable_since = now, now
        self._share_before = 0.0

    def _learn_all(self, cells: Cells, step: Cells, now: float, elapsed_s: float) -> None:
        """Take the picture as the background; done when it is stable."""
        assert self._settling_since is not None
        self._background = cells
        limit = self._limit()
        self._noise += (np.minimum(step, limit) - self._noise) * _weight(elapsed_s, 1.0)
        if (step > limit).mean() > _STABLE_SHARE:
            self._stable_since = now
        if now - self._stable_since >= _STABLE_S or now - self._settling_since >= _LONGEST_SETTLING_S:
            self._settling_since = None

    def _compare(self, cells: Cells, step: Cells, now: float, elapsed_s: float) -> Difference:
        assert self._background is not None
        expected = np.minimum(self._background * _gain(cells, self._background), 255.0)
        difference, limit = cells - expected, self._limit()
        distance = np.abs(difference)
        changed = _with_neighbours(distance > limit)
        share = float(changed.mean())
        jumped = share > _GLOBAL_SHARE and self._share_before < _GLOBAL_BEFORE
        if jumped and _correlation(_edges(cells), _edges(self._background)) > _SAME_PATTERN:
            self._restart(cells, now)
            return self._nothing(cells)
        self._share_before = share
        moved = step > limit * _STEP_FACTOR
        weights = np.where(
            changed,
            np.where(moved, _weight(elapsed_s, _MOVING_S), _weight(elapsed_s, _STATIC_S)),
            _weight(elapsed_s, _QUIET_S),
        ).astype(np.float32)
        self._background = expected + difference * weights
        self._noise += (np.where(changed, self._noise, distance) - self._noise) * _weight(elapsed_s, _NOISE_S)
        return Difference(changed, changed & moved, settling=False)

    def _limit(self) -> Cells:
        # Where it was too dark or too bright for noise there may be some in the next light.
        noise = np.maximum(self._noise, np.median(self._noise))
        limit: Cells = np.maximum(self.threshold, noise * _NOISE_FACTOR)
        return limit

    @staticmethod
    def _nothing(cells: Cells) -> Difference:
        nothing = np.zeros(cells.shape, np.bool_)
        return Difference(nothing, nothing, settling=True)


def cells_of(pixels: npt.NDArray[np.uint8]) -> Cells:
    """Return the grid of a picture's brightness; pixels at the right and lower edge that fill no cell are left out."""
    rows, columns = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    blocks = pixels[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    cells: Cells = blocks.sum(axis=(1, 3), dtype=np.uint16).astype(np.float32) / (CELL * CELL)
    return cells


def _gain(cells: Cells, background: Cells) -> float:
    """By how much the light has changed everywhere: clouds, and the camera's own exposure."""
    lit = (background > _DARKEST) & (background < _SATURATED) & (cells > _DARKEST) & (cells < _SATURATED)
    if lit.sum() < lit.size // 10:
        return 1.0
    return float(np.median(cells[lit] / background[lit]))


def _edges(cells: Cells) -> Cells:
    """Return by how much each cell differs from its right and its lower neighbour."""
    edges: Cells = np.concatenate((np.diff(cells, axis=1).ravel(), np.diff(cells, axis=0).ravel()))
    return edges


def _correlation(some: Cells, others: Cells) -> float:
    """Return the correlation of two series whose mean is about 0: -1 to 1."""
    scale = math.sqrt(float(some @ some) * float(others @ others))
    return float(some @ others) / scale if scale else 0.0


def _weight(elapsed_s: float, time_constant_s: float) -> np.float32:
    return np.float32(1.0 - math.exp(-elapsed_s / time_constant_s))


def _with_neighbours(mask: Mask) -> Mask:
    """Leave out cells with few neighbours: noise."""
    rows, columns = mask.shape
    padded = np.zeros((rows + 2, columns + 2), np.uint8)
    padded[1:-1, 1:-1] = mask
    lines = padded[:-2] + padded[1:-1] + padded[2:]
    counts = lines[:, :-2] + lines[:, 1:-1] + lines[:, 2:]
    kept: Mask = mask & (counts > _NEIGHBOURS)  # itself is counted too
    return kept
