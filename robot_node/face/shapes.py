"""Data model of an expression: shapes of the features, and motion.

All lengths are in face units: one pixel of a 128x64 display. The renderer scales them to other displays.
Positive directions are right and down, as in an image; "inner" is the side of the nose.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Length = Annotated[float, Field(ge=0, le=64)]
Offset = Annotated[float, Field(ge=-64, le=64)]
Sway = Annotated[float, Field(ge=0, le=8)]
Seconds = Annotated[float, Field(ge=0.1, le=60)]
Interval = Annotated[float, Field(ge=0.5, le=60)]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Lid:
    """An eyelid, defined by its edge across the eye.

    Attributes:
        cover: Share of the eye's height that is covered, 0 to 1.
        slant: How much more is covered at the inner end than at the outer one, as a share of the height.
        bow: How much more is covered in the middle than at the ends, as a share of the height.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    cover: Share = 0.0
    slant: Signed = 0.0
    bow: Signed = 0.0


@dataclass(frozen=True, slots=True)
class Brow:
    """An eyebrow.

    Attributes:
        lift: Height of its middle above the middle of the eye.
        tilt: How much lower the inner end is than the outer one; negative is worried.
        bend: How much the middle arches above the ends.
        length: Distance between the ends.
        thickness: Thickness of the stroke.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    lift: Offset
    tilt: Offset = 0.0
    bend: Offset = 0.0
    length: Length = 28.0
    thickness: Length = 4.0


@dataclass(frozen=True, slots=True)
class Eye:
    """An eye: a lit rounded rectangle with a dark pupil, cut by two lids.

    Attributes:
        width: Width of the open eye.
        height: Height of the open eye. A closed eye has a few units.
        radius: Radius of the corners.
        bend: How much the middle arches above the ends: a closed eye smiles upwards or rests downwards.
        pupil: Radius of the pupil; 0 for none.
        upper: The upper lid.
        lower: The lower lid.
        brow: The eyebrow; None for none.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    width: Length = 34.0
    height: Length = 34.0
    radius: Length = 13.0
    bend: Offset = 0.0
    pupil: Length = 8.0
    upper: Lid = Lid()
    lower: Lid = Lid()
    brow: Brow | None = None


@dataclass(frozen=True, slots=True)
class Mouth:
    """The mouth: a stroke, or two lips with an opening between them.

    Attributes:
        width: Distance between the corners.
        curve: How far the middle is below the corners: positive smiles, negative frowns.
        opening: Greatest distance between the lips; 0 is a closed mouth.
        tilt: How much lower the right corner is than the left one.
        wave: Height of a wave along the lips.
        thickness: Thickness of the lips' stroke.
        teeth: Share of the opening that is lit instead of dark.
        offset: Offset from the centre, to the right.
        lift: Offset upwards; large mouths need the room.
        tongue: Width of the tongue; 0 for none.
        tongue_offset: Offset of the tongue from the centre of the mouth, to the right.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    width: Length
    curve: Offset = 0.0
    opening: Length = 0.0
    tilt: Offset = 0.0
    wave: Offset = 0.0
    thickness: Length = 4.0
    teeth: Share = 0.0
    offset: Offset = 0.0
    lift: Offset = 0.0
    tongue: Length = 0.0
    tongue_offset: Offset = 0.0


class MarkShape(enum.StrEnum):
    """Small marks next to the features, as in comics."""

    TEAR = "tear"
    SWEAT = "sweat"
    ANGER = "anger"
    BLUSH = "blush"
    THOUGHT = "thought"
    SLEEP = "sleep"
    SPARKLE = "sparkle"
    HEART = "heart"
    STEAM = "steam"
    DOTS = "dots"


class Anchor(enum.StrEnum):
    """The feature that a mark is positioned relative to. Left and right are those of the picture."""

    LEFT_EYE = "left_eye"
    RIGHT_EYE = "right_eye"
    MOUTH = "mouth"


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark.

    Attributes:
        shape: Its shape.
        anchor: The feature it is positioned relative to.
        x: Offset to the right of the anchor's centre.
        y: Offset below the anchor's centre.
        size: Approximate height.
        sway: Amplitude of its movement up and down.
        period: Period of that movement, in seconds.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    shape: MarkShape
    anchor: Anchor
    x: Offset
    y: Offset
    size: Length
    sway: Annotated[float, Field(ge=0, le=8)] = 0.0
    period: Seconds = 1.6


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion of a face. Intervals are random between two bounds, in seconds.

    Attributes:
        transition: Duration of the transition to this expression, in seconds.
        blink: Interval between blinks; eyes without a pupil do not blink.
        blink_length: Duration of a blink, relative to the usual one.
        glance: Amplitude of glances, as a share of the way to the eye's border; 0 for none.
        glances: Interval between glances.
        bob: Amplitude of a slow movement up and down.
        bob_period: Its period in seconds.
        shake: Amplitude of shaking sideways, in bursts.
        shake_period: Its period in seconds.
        bounce: Height of bounces, in bursts, with the period of the shake.
        burst: Duration of a burst, in seconds.
        bursts: Period of the bursts, in seconds.
        breath: How much taller the eyes become with each breath.
        breath_period: Period of breathing, in seconds.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    transition: Annotated[float, Field(ge=0.05, le=2)] = 0.3
    blink: tuple[Interval, Interval] = (1.0, 5.0)
    blink_length: Annotated[float, Field(ge=0.5, le=4)] = 1.0
    glance: Share = 0.5
    glances: tuple[Interval, Interval] = (0.6, 3.0)
    bob: Sway = 0.0
    bob_period: Seconds = 2.4
    shake: Sway = 0.0
    shake_period: Seconds = 0.24
    bounce: Sway = 0.0
    burst: Seconds = 0.7
    bursts: Seconds = 2.2
    breath: Sway = 1.0
    breath_period: Seconds = 4.0


@dataclass(frozen=True, slots=True)
class Expression:
    """A face.

    Attributes:
        left: The eye on the picture's left.
        right: The eye on the picture's right.
        mouth: The mouth.
        gaze: Direction of the pupils, each coordinate from -1 to 1; (1, 0) is to the picture's right.
        spacing: Distance between the centres of the eyes.
        marks: Marks next to the features.
        motion: Its motion.
        shift: Offset of the whole face, right and down.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    left: Eye
    right: Eye
    mouth: Mouth
    gaze: tuple[Signed, Signed] = (0.0, 0.0)
    spacing: Length = 52.0
    marks: Annotated[tuple[Mark, ...], Field(max_length=6)] = ()
    motion: Motion = Motion()
    shift: tuple[float, float] = (0.0, 0.0)
