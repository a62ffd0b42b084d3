"""Draws shapes in face units on an oversampled canvas."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw

Point = tuple[float, float]

LIT = 255
DARK = 0
OVERSAMPLING = 4
"""Canvas pixels per display pixel, in both directions: for even edges of slanted and round shapes."""


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws on a canvas, in units around an origin.

    Attributes:
        canvas: A greyscale picture.
        brush: Pillow's drawing object, shared since creating one costs more than most strokes.
        origin: Position of (0, 0), in canvas pixels.
        scale: Canvas pixels per unit.
        corner: Position of a layer on the canvas below it.
    """

    canvas: Image.Image
    brush: ImageDraw.ImageDraw
    origin: Point
    scale: float
    corner: tuple[int, int] = (0, 0)

    @classmethod
    def on_canvas(cls, size: tuple[int, int], origin: Point, scale: float, corner: tuple[int, int] = (0, 0)) -> Pen:
        """Return a pen on a new, dark canvas."""
        canvas = Image.new("L", size)
        return cls(canvas, ImageDraw.Draw(canvas), origin, scale, corner)

    def at(self, point: Point) -> Pen:
        """Return the same pen with ``point`` as its origin."""
        return Pen(self.canvas, self.brush, self._place(point), self.scale, self.corner)

    def scaled(self, factor: float) -> Pen:
        """Return the same pen with units ``factor`` times as large."""
        return Pen(self.canvas, self.brush, self.origin, self.scale * factor, self.corner)

    def layer(self, across: float, down: float) -> Pen:
        """Return the same pen on an empty canvas, where dark strokes do not affect other features.

        Args:
            across: Extent of the canvas to the left and right of the origin, in units.
            down: Extent upwards and downwards.
        """
        left, top = math.floor(self.origin[0] - across * self.scale), math.floor(self.origin[1] - down * self.scale)
        size = math.ceil(2 * across * self.scale) + 1, math.ceil(2 * down * self.scale) + 1
        origin = self.origin[0] - left, self.origin[1] - top
        return Pen.on_canvas(size, origin, self.scale, corner=(left, top))

    def add(self, layer: Pen) -> None:
        """Add the lit pixels of a layer to this pen's canvas."""
        left, top = layer.corner
        width, height = layer.canvas.size
        below = self.canvas.crop((left, top, left + width, top + height))
        self.canvas.paste(ImageChops.lighter(below, layer.canvas), layer.corner)

    def polygon(self, points: Iterable[Point], fill: int = LIT) -> None:
        """Fill a polygon."""
        self.brush.polygon([self._place(point) for point in points], fill=fill)

    def ellipse(self, centre: Point, radius_x: float, radius_y: float | None = None, fill: int = LIT) -> None:
        """Fill an ellipse, or a disc if there is one radius."""
        x, y = self._place(centre)
        across, down = radius_x * self.scale, (radius_x if radius_y is None else radius_y) * self.scale
        if min(across, down) >= 0.5:  # canvas pixels
            self.brush.ellipse((x - across, y - down, x + across - 1, y + down - 1), fill=fill)

    def stroke(self, points: Iterable[Point], thickness: float, fill: int = LIT, *, smooth: bool = False) -> None:
        """Draw a line of constant thickness with round ends and, unless it is ``smooth``, round joints."""
        path = list(points)
        width = max(1, round(thickness * self.scale))
        self.brush.line([self._place(point) for point in path], fill=fill, width=width)
        for point in (path[0], path[-1]) if smooth else path:
            self.ellipse(point, thickness / 2, fill=fill)

    def _place(self, point: Point) -> Point:
        return self.origin[0] + point[0] * self.scale, self.origin[1] + point[1] * self.scale
