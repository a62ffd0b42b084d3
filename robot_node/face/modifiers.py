"""Functions that modify an expression (blend, blink, glance, speak); they can be combined. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from itertools import chain
from typing import TypeVar

from robot_node.face.shapes import Brow, Expression, Eye, Lid, Mark, Mouth

Weighed = Sequence[tuple[Expression, float]]
"""Expressions with their weights; the weights add up to 1."""

_Part = TypeVar("_Part", Lid, Brow, Mouth)

_LID = ("cover", "slant", "bow")
_BROW = ("lift", "tilt", "bend", "length", "thickness")
_EYE = ("width", "height", "radius", "bend", "pupil")
_MOUTH = tuple(field.name for field in fields(Mouth))
_CLOSED = 8.0
"""Eyes lower than this are drawn closed."""


def blend(parts: Weighed) -> Expression:
    """Return the weighted mean of some expressions, without motion."""
    if len(parts) == 1:
        return parts[0][0]
    return Expression(
        left=_eye([(face.left, share) for face, share in parts]),
        right=_eye([(face.right, share) for face, share in parts]),
        mouth=_mean(Mouth, _MOUTH, [(face.mouth, share) for face, share in parts]),
        gaze=(
            _sum((face.gaze[0], share) for face, share in parts),
            _sum((face.gaze[1], share) for face, share in parts),
        ),
        spacing=_sum((face.spacing, share) for face, share in parts),
        marks=_marks(parts),
    )


def glance(face: Expression, across: float, down: float) -> Expression:
    """Add an offset to the gaze, which stays between -1 and 1."""
    if not across and not down:
        return face
    gaze = (max(-1.0, min(1.0, face.gaze[0] + across)), max(-1.0, min(1.0, face.gaze[1] + down)))
    # The eye on the side of the gaze seems a little larger, as if nearer.
    nearer = 1 + 0.05 * abs(across)
    if across > 0:
        return replace(face, gaze=gaze, right=_taller(face.right, nearer))
    return replace(face, gaze=gaze, left=_taller(face.left, nearer))


def breathe(face: Expression, taller: float) -> Expression:
    """Make open eyes taller, by a number of units."""
    if not taller:
        return face
    return replace(
        face,
        left=_taller(face.left, 1 + taller / max(face.left.height, 1)),
        right=_taller(face.right, 1 + taller / max(face.right.height, 1)),
    )


def blink(face: Expression, closed: float) -> Expression:
    """Close the eyes: 0 is open, 1 is a line."""
    if not closed:
        return face
    return replace(face, left=_closed(face.left, closed), right=_closed(face.right, closed))


def speak(face: Expression, presence: float, level: float) -> Expression:
    """Open the mouth for speech.

    Args:
        face: The expression.
        presence: Weight of the speaking mouth, from 0 (the expression's mouth) to 1.
        level: Loudness, 0 to 1.
    """
    if not presence:
        return face
    mouth = face.mouth
    speaking = replace(
        mouth,
        width=max(16.0, mouth.width * (0.85 - 0.2 * level)),
        curve=mouth.curve * (0.7 - 0.4 * level),
        opening=(0.35 + 0.65 * level) * mouth.opening if mouth.opening > 10 else 2 + 10 * level,
        wave=mouth.wave * (1 - level),
        thickness=min(mouth.thickness, 3.5),
        tongue=0.0,
    )
    return replace(face, mouth=_mean(Mouth, _MOUTH, [(mouth, 1 - presence), (speaking, presence)]))


def sway(face: Expression, wave: Callable[[float], float]) -> Expression:
    """Move the marks up and down.

    Args:
        face: The expression.
        wave: Returns the position, from -1 to 1, of an oscillation with a given period.
    """
    if not any(mark.sway for mark in face.marks):
        return face
    swayed = (replace(mark, y=mark.y + round(mark.sway * wave(mark.period))) for mark in face.marks)
    return replace(face, marks=tuple(swayed))


def move(face: Expression, across: float, down: float) -> Expression:
    """Move the whole face, to the right and down."""
    if not across and not down:
        return face
    return replace(face, shift=(face.shift[0] + across, face.shift[1] + down))


def _taller(eye: Eye, factor: float) -> Eye:
    return eye if eye.height < _CLOSED else replace(eye, height=eye.height * factor)


def _closed(eye: Eye, closed: float) -> Eye:
    if eye.height < _CLOSED or not eye.pupil:
        return eye
    # Leave a line as thick as that of a closed eye, along the lower lid or the rounded lower border.
    bow = -eye.lower.bow if eye.lower.bow else 0.6 * min(eye.radius, 14) / eye.height
    line = max(0.0, 1 - eye.lower.cover - max(bow, 0.0) - 5 / eye.height)
    upper, share = eye.upper, 1 - closed
    return replace(
        eye,
        upper=Lid(
            cover=upper.cover * share + line * closed,
            slant=upper.slant * share,
            bow=upper.bow * share + bow * closed,
        ),
    )


def _sum(weighed: Iterable[tuple[float, float]]) -> float:
    return sum(value * share for value, share in weighed)


def _mean(kind: type[_Part], names: tuple[str, ...], parts: Sequence[tuple[_Part, float]]) -> _Part:
    return kind(*[sum(getattr(part, name) * share for part, share in parts) for name in names])


def _eye(parts: Sequence[tuple[Eye, float]]) -> Eye:
    first = parts[0][0]
    if all(eye is first for eye, _ in parts):
        return first
    width, height, radius, bend, pupil = (_sum((getattr(eye, name), share) for eye, share in parts) for name in _EYE)
    return Eye(
        width=width,
        height=height,
        radius=radius,
        bend=bend,
        pupil=pupil,
        upper=_mean(Lid, _LID, [(eye.upper, share) for eye, share in parts]),
        lower=_mean(Lid, _LID, [(eye.lower, share) for eye, share in parts]),
        brow=_brow([(eye.brow, share) for eye, share in parts]),
    )


def _brow(parts: Sequence[tuple[Brow | None, float]]) -> Brow | None:
    """Blend brows; one that not all expressions have grows in its place."""
    present = [(brow, share) for brow, share in parts if brow is not None]
    whole = sum(share for _, share in present)
    if not present or whole <= 0:
        return None
    brow = _mean(Brow, _BROW, [(brow, share / whole) for brow, share in present])
    if whole >= 1:
        return brow
    length, thickness = brow.length * whole, brow.thickness * whole
    return replace(brow, tilt=brow.tilt * whole, bend=brow.bend * whole, length=length, thickness=thickness)


def _marks(parts: Weighed) -> tuple[Mark, ...]:
    """Blend marks: each grows or shrinks in its place; equal marks are merged."""
    shares: dict[Mark, float] = {}
    for mark, share in chain.from_iterable(((mark, share) for mark in face.marks) for face, share in parts):
        shares[mark] = shares.get(mark, 0.0) + share
    return tuple(replace(mark, size=mark.size * share) for mark, share in shares.items())
