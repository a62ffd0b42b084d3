"""Renders expressions to pictures of one bit per pixel. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from PIL import Image

from robot_node.errors import SettingsError
from robot_node.face.marks import draw_mark
from robot_node.face.pen import DARK, LIT, OVERSAMPLING, Pen, Point
from robot_node.face.shapes import Anchor, Brow, Expression, Eye, Lid, Mouth

Size = tuple[int, int]
Box = tuple[int, int, int, int]

TEXT_ROWS = 13
"""Rows for text at the bottom, which a raised face leaves free."""

_CURVE_STEPS = 24
_FAINT = 0.5
_TO_BITS = [255 if value > 127 else 0 for value in range(256)]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Positions of the features on a display.

    Attributes:
        scale: Pixels per face unit.
        eye_y: Y coordinate of the centre of the eyes, in pixels.
        mouth_y: Y coordinate of the centre of the mouth, in pixels.
        mouth_scale: Pixels per face unit for the mouth.
        extra_spacing: Pixels added to the distance between the eyes.
    """

    scale: float
    eye_y: float
    mouth_y: float
    mouth_scale: float
    extra_spacing: float = 0.0


# For a face on the whole display, and above a line of text.
_LAYOUTS: Mapping[Size, tuple[_Layout, _Layout]] = MappingProxyType(
    {
        (128, 64): (
            _Layout(scale=1.0, eye_y=26.0, mouth_y=54.0, mouth_scale=1.0),
            _Layout(scale=0.76, eye_y=20.0, mouth_y=41.5, mouth_scale=0.8, extra_spacing=8.0),
        ),
        # Too low for a mouth below the eyes: it is between them.
        (128, 32): (
            _Layout(scale=0.6, eye_y=15.8, mouth_y=18.0, mouth_scale=0.8, extra_spacing=43.0),
            _Layout(scale=0.36, eye_y=9.4, mouth_y=10.5, mouth_scale=0.5, extra_spacing=43.0),
        ),
    }
)

SIZES: tuple[Size, ...] = tuple(_LAYOUTS)
"""Supported displays: width and height in pixels."""


def render(expression: Expression, size: Size = (128, 64), *, raised: float = 0.0) -> Image.Image:
    """Render an expression.

    Args:
        expression: Expression to render.
        size: Width and height of the display in pixels, one of :data:`SIZES`.
        raised: From 0 (the face fills the display) to 1 (it leaves :data:`TEXT_ROWS` free at the bottom).

    Returns:
        A picture of mode ``"1"``; lit pixels are 1.

    Raises:
        SettingsError: The size is not supported.
    """
    return _draw(expression, size, raised, margin=0)


def extent(expression: Expression, size: Size = (128, 64), *, raised: float = 0.0) -> Box:
    """Return the bounding box (left, top, right, bottom) of an expression, which may exceed the display."""
    margin = size[1]
    box = _draw(expression, size, raised, margin=margin).getbbox() or (margin, margin, margin, margin)
    return box[0] - margin, box[1] - margin, box[2] - margin, box[3] - margin


def _layout(size: Size, raised: float) -> _Layout:
    if size not in _LAYOUTS:
        known = ", ".join(f"{width}x{height}" for width, height in SIZES)
        raise SettingsError(f"There is no face for a display of {size[0]}x{size[1]} pixels.", remedy=f"Use {known}.")
    whole, above_text = _LAYOUTS[size]
    if not raised:
        return whole
    if raised == 1:
        return above_text

    def between(start: float, end: float) -> float:
        return start + (end - start) * raised

    return _Layout(
        scale=between(whole.scale, above_text.scale),
        eye_y=between(whole.eye_y, above_text.eye_y),
        mouth_y=between(whole.mouth_y, above_text.mouth_y),
        mouth_scale=between(whole.mouth_scale, above_text.mouth_scale),
        extra_spacing=between(whole.extra_spacing, above_text.extra_spacing),
    )


def _draw(expression: Expression, size: Size, raised: float, *, margin: int) -> Image.Image:
    layout = _layout(size, raised)
    width, height = size[0] + 2 * margin, size[1] + 2 * margin
    # Whole pixels: outlines stay the same while the face moves, and few bytes of the display change.
    right, down = (round(along * layout.scale) + margin for along in expression.shift)
    origin = (right * OVERSAMPLING, down * OVERSAMPLING)
    pixels = Pen.on_canvas((width * OVERSAMPLING, height * OVERSAMPLING), origin, OVERSAMPLING)

    middle = size[0] / 2
    reach = (expression.spacing * layout.scale + layout.extra_spacing) / 2
    anchors = {
        Anchor.LEFT_EYE: (middle - reach, layout.eye_y),
        Anchor.RIGHT_EYE: (middle + reach, layout.eye_y),
        Anchor.MOUTH: (middle, layout.mouth_y),
    }
    for anchor, eye, inner in ((Anchor.LEFT_EYE, expression.left, 1), (Anchor.RIGHT_EYE, expression.right, -1)):
        pen = pixels.at(anchors[anchor]).scaled(layout.scale)
        _draw_eye(pen, eye, expression.gaze, inner)
        if eye.brow is not None and eye.brow.thickness > _FAINT:
            _draw_brow(pen, eye.brow, inner)
    mouth = expression.mouth
    mouth_pen = pixels.at(anchors[Anchor.MOUTH]).scaled(layout.mouth_scale)
    _draw_mouth(mouth_pen.at((mouth.offset, -mouth.lift)), mouth)
    for mark in expression.marks:
        if mark.size > _FAINT:
            anchor_pen = pixels.at(anchors[mark.anchor]).scaled(layout.scale)
            draw_mark(mark.shape, anchor_pen.at((mark.x, mark.y)).scaled(mark.size))

    reduced = pixels.canvas.reduce(OVERSAMPLING)
    return reduced.point(_TO_BITS, mode="1")


def _draw_eye(pen: Pen, eye: Eye, gaze: Point, inner: int) -> None:
    """Draw an eye; ``inner`` is the direction of the nose: 1 for the left eye, -1 for the right one."""
    if min(eye.width, eye.height) < _FAINT:
        return
    # The bend extends the outline up and down, and its ends outwards.
    layer = pen.layer((eye.width + min(abs(eye.bend), eye.height)) / 2 + 1, (eye.height + abs(eye.bend)) / 2 + 1)
    layer.polygon(_eye_outline(eye))
    pupil = min(eye.pupil, eye.height / 2 - 4)
    if pupil > _FAINT:
        room_x, room_y = max(eye.width / 2 - pupil - 3, 0), max(eye.height / 2 - pupil - 2, 0)
        x, y = gaze[0] * room_x, gaze[1] * room_y
        layer.ellipse((x, y), pupil, fill=DARK)
        layer.ellipse((x + pupil * 0.35, y - pupil * 0.4), pupil * 0.32)
    for lid, side in ((eye.upper, -1), (eye.lower, 1)):
        if lid != Lid():
            layer.polygon(_lid_outline(eye, lid, side, inner), fill=DARK)
    pen.add(layer)


def _eye_outline(eye: Eye) -> list[Point]:
    half_width, half_height = eye.width / 2, eye.height / 2
    radius = min(eye.radius, half_width, half_height)
    corners = (
        (half_width - radius, -half_height + radius, _quarter(-90)),
        (half_width - radius, half_height - radius, _quarter(0)),
        (-half_width + radius, half_height - radius, _quarter(90)),
        (-half_width + radius, -half_height + radius, _quarter(180)),
    )
    points: list[Point] = []
    for centre_x, centre_y, arc in corners:
        if points:
            points += _between(points[-1], (centre_x + radius * arc[0][0], centre_y + radius * arc[0][1]))
        points += [(centre_x + radius * x, centre_y + radius * y) for x, y in arc]
    points += _between(points[-1], points[0])
    return [_bent(point, half_width, eye.bend) for point in points] if eye.bend else points


@cache
def _quarter(start: int) -> list[Point]:
    """Return points on a quarter of the unit circle, from an angle in degrees."""
    angles = [math.radians(start + degrees) for degrees in range(0, 91, 10)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def _bent(point: Point, half_width: float, bend: float) -> Point:
    """Map the horizontal axis to an arch; distances perpendicular to it are kept."""
    x, y = point
    slope = 2 * bend * x / half_width**2
    length = math.hypot(1, slope)
    return x - y * slope / length, bend * ((x / half_width) ** 2 - 0.5) + y / length


def _lid_outline(eye: Eye, lid: Lid, side: int, inner: int) -> list[Point]:
    """Return the covered area, outwards of the lid's edge; ``side`` is -1 for the upper lid and 1 for the lower one."""
    half_width = eye.width / 2
    reach, far = half_width + 1 + min(abs(eye.bend), eye.height) / 2, eye.height + abs(eye.bend)
    edge = []
    for step in range(_CURVE_STEPS + 1):
        across = 2 * step / _CURVE_STEPS - 1
        covered = lid.cover + lid.slant / 2 * across * inner + lid.bow * (1 - across**2)
        x = across * reach
        # The height of a bent eye is perpendicular to the arch: vertically it is larger where the arch is steep.
        steep = math.hypot(1, 2 * eye.bend * x / half_width**2)
        arch = eye.bend * ((x / half_width) ** 2 - 0.5)
        edge.append((x, side * eye.height * (0.5 - covered) * steep + arch))
    return [*edge, (reach, side * far), (-reach, side * far)]


def _draw_brow(pen: Pen, brow: Brow, inner: int) -> None:
    points = []
    for step in range(_CURVE_STEPS + 1):
        across = 2 * step / _CURVE_STEPS - 1
        y = -brow.lift + brow.tilt / 2 * across * inner - brow.bend * (1 - across**2)
        points.append((across * (brow.length - brow.thickness) / 2, y))
    pen.stroke(points, brow.thickness, smooth=True)


def _draw_mouth(pen: Pen, mouth: Mouth) -> None:
    upper, lower = [], []
    for step in range(_CURVE_STEPS + 1):
        across = -math.cos(math.pi * step / _CURVE_STEPS)  # denser at the corners, where the lips curve
        x = across * (mouth.width - mouth.thickness) / 2
        middle = (
            mouth.curve * (0.5 - across**2) + mouth.tilt / 2 * across + mouth.wave * math.sin(across * 1.5 * math.pi)
        )
        gap = mouth.opening / 2 * math.sin(math.pi * step / _CURVE_STEPS)
        upper.append((x, middle - gap))
        lower.append((x, middle + gap))
    if mouth.tongue > _FAINT:
        _draw_tongue(pen, mouth, lower)
    if mouth.opening > _FAINT:
        inside = [*upper, *reversed(lower)]
        pen.polygon(inside, fill=LIT if mouth.teeth else DARK)
        if mouth.teeth and (1 - mouth.teeth) * mouth.opening > _FAINT:
            pen.polygon(_shrunk(upper, lower, 1 - mouth.teeth), fill=DARK)
        pen.stroke(upper, mouth.thickness, smooth=True)
        pen.stroke(lower, mouth.thickness, smooth=True)
    else:
        pen.stroke(upper, mouth.thickness, smooth=not mouth.wave)


def _shrunk(upper: list[Point], lower: list[Point], factor: float) -> list[Point]:
    """Return the shape between two lips, scaled around its centre."""
    upper_edge, lower_edge = [], []
    for (x, top), (_, bottom) in zip(upper, lower, strict=True):
        middle, half = (top + bottom) / 2, (bottom - top) / 2 * factor
        upper_edge.append((x * factor, middle - half))
        lower_edge.append((x * factor, middle + half))
    return [*upper_edge, *reversed(lower_edge)]


def _draw_tongue(pen: Pen, mouth: Mouth, lip: list[Point]) -> None:
    """Draw a tongue below the lower lip, separated by a dark line."""
    half = mouth.tongue / 2
    root_x, root_y = mouth.tongue_offset, min((abs(x - mouth.tongue_offset), y) for x, y in lip)[1]
    layer = pen.layer(mouth.width, mouth.width)
    layer.ellipse((root_x, root_y + half * 0.7), half, half * 1.1)
    layer.stroke([(root_x, root_y), (root_x, root_y + half)], mouth.tongue / 11, fill=DARK)
    inside = [(x, y - mouth.tongue) for x, y in reversed(lip)]
    layer.polygon([*lip, *inside], fill=DARK)
    layer.stroke(lip, mouth.thickness + 2.5, fill=DARK)
    pen.add(layer)


def _between(start: Point, end: Point) -> list[Point]:
    steps = _CURVE_STEPS // 2
    return [
        (start[0] + (end[0] - start[0]) * step / steps, start[1] + (end[1] - start[1]) * step / steps)
        for step in range(1, steps)
    ]
