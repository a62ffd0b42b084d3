"""The expressions of the face: one table of shapes, as data.

All lengths are in face units: one pixel of a 128x64 display. The renderer scales them to other displays.
Where a figure has a direction, positive means right and down, as in an image; "inner" is the side of the nose.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from robot_node.errors import SettingsError


class Emotion(enum.StrEnum):
    """The emotions that the face can show (protocol: ``change_emotion``), and its resting state."""

    NEUTRAL = "neutral"
    HAPPY = "happy"
    SAD = "sad"
    ANGRY = "angry"
    SURPRISED = "surprised"
    THINKING = "thinking"
    PLAYFUL = "playful"
    RELAXED = "relaxed"
    SERIOUS = "serious"
    SHY = "shy"
    TIRED = "tired"
    DISAPPOINTED = "disappointed"
    LAUGH = "laugh"


@dataclass(frozen=True, slots=True)
class Lid:
    """An eyelid, given by the edge that it draws across the eye.

    Attributes:
        cover: Share of the eye's height that is covered, 0 to 1.
        slant: How much more is covered at the inner end than at the outer one, as a share of the height.
        bow: How much more is covered in the middle than at the ends, as a share of the height.
    """

    cover: float = 0.0
    slant: float = 0.0
    bow: float = 0.0


@dataclass(frozen=True, slots=True)
class Brow:
    """An eyebrow.

    Attributes:
        lift: Height of its middle above the middle of the eye.
        tilt: How much lower the inner end is than the outer one; negative is worried.
        bend: How much the middle arches above the ends.
        length: From end to end.
        thickness: Of the stroke.
    """

    lift: float
    tilt: float = 0.0
    bend: float = 0.0
    length: float = 28.0
    thickness: float = 4.0


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye: a lit rounded rectangle with a dark pupil, cut by two lids.

    Attributes:
        width: Of the open eye.
        height: Of the open eye. A few units make a closed one.
        radius: Of the corners.
        bend: How much the middle arches above the ends: a closed eye smiles upwards or rests downwards.
        pupil: Radius of the pupil; 0 for none.
        upper: The upper lid.
        lower: The lower lid.
        brow: The eyebrow, if it shows.
    """

    width: float = 34.0
    height: float = 34.0
    radius: float = 13.0
    bend: float = 0.0
    pupil: float = 8.0
    upper: Lid = Lid()
    lower: Lid = Lid()
    brow: Brow | None = None


@dataclass(frozen=True, slots=True)
class Mouth:
    """The mouth: a stroke, or two lips with an opening between them.

    Attributes:
        width: From corner to corner.
        curve: How far the middle is below the corners: positive smiles, negative frowns.
        opening: Greatest distance between the lips; 0 is a closed mouth.
        tilt: How much lower the right corner is than the left one.
        wave: Height of a wave along the lips.
        thickness: Of the lips' stroke.
        teeth: The opening is lit instead of dark.
        offset: How far the mouth is from the middle, to the right.
        lift: How far the mouth is above its usual place; large ones need the room.
        tongue: Width of a tongue that is put out; 0 for none.
        tongue_offset: How far the tongue is from the middle of the mouth, to the right.
    """

    width: float
    curve: float = 0.0
    opening: float = 0.0
    tilt: float = 0.0
    wave: float = 0.0
    thickness: float = 4.0
    teeth: bool = False
    offset: float = 0.0
    lift: float = 0.0
    tongue: float = 0.0
    tongue_offset: float = 0.0


class MarkShape(enum.StrEnum):
    """Small signs beside the features, as comics use them."""

    TEAR = "tear"
    SWEAT = "sweat"
    ANGER = "anger"
    BLUSH = "blush"
    THOUGHT = "thought"
    SLEEP = "sleep"
    SPARKLE = "sparkle"


class Anchor(enum.StrEnum):
    """The feature that a mark keeps its place beside. Left and right are the picture's."""

    LEFT_EYE = "left_eye"
    RIGHT_EYE = "right_eye"
    MOUTH = "mouth"


@dataclass(frozen=True, slots=True)
class Mark:
    """One sign.

    Attributes:
        shape: What it is.
        anchor: The feature it belongs to.
        x: To the right of the anchor's middle.
        y: Below the anchor's middle.
        size: Its height, roughly.
    """

    shape: MarkShape
    anchor: Anchor
    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole face.

    Attributes:
        left: The eye on the picture's left.
        right: The eye on the picture's right.
        mouth: The mouth.
        gaze: Where the pupils look, each coordinate from -1 to 1; (1, 0) is to the picture's right.
        spacing: Distance between the middles of the eyes.
        marks: Signs beside the features.
    """

    left: Eye
    right: Eye
    mouth: Mouth
    gaze: tuple[float, float] = (0.0, 0.0)
    spacing: float = 52.0
    marks: tuple[Mark, ...] = ()


def _both(eye: Eye, mouth: Mouth, **rest: object) -> Expression:
    return Expression(left=eye, right=eye, mouth=mouth, **rest)  # type: ignore[arg-type]  # Expression's own fields


_SMILING_EYE = Eye(width=34, height=6, radius=3, bend=15, pupil=0)
_RESTING_EYE = Eye(width=34, height=5, radius=2.5, bend=-10, pupil=0)

EXPRESSIONS: Mapping[str, Expression] = MappingProxyType(
    {
        Emotion.NEUTRAL: _both(
            Eye(),
            Mouth(width=24, curve=3),
        ),
        Emotion.HAPPY: _both(
            Eye(height=36, pupil=8.5, lower=Lid(cover=0.1, bow=0.12)),
            Mouth(width=44, curve=9, opening=11, teeth=True, lift=3),
            gaze=(0, -0.6),
            marks=(Mark(MarkShape.SPARKLE, Anchor.RIGHT_EYE, x=28, y=-15, size=14),),
        ),
        Emotion.SAD: _both(
            Eye(height=32, upper=Lid(cover=0.22, slant=-0.44), brow=Brow(lift=18, tilt=-10, length=26)),
            Mouth(width=26, curve=-9),
            gaze=(0, 0.8),
            marks=(Mark(MarkShape.TEAR, Anchor.LEFT_EYE, x=-13, y=19, size=14),),
        ),
        Emotion.ANGRY: _both(
            Eye(height=30, pupil=6, upper=Lid(cover=0.28, slant=0.56), brow=Brow(lift=15, tilt=14, thickness=6)),
            Mouth(width=34, curve=-7, thickness=5),
            gaze=(0, 0.3),
            spacing=48,
            marks=(Mark(MarkShape.ANGER, Anchor.RIGHT_EYE, x=30, y=-14, size=16),),
        ),
        Emotion.SURPRISED: _both(
            Eye(width=36, height=36, radius=18, pupil=5, brow=Brow(lift=20.5, bend=4, length=26, thickness=3)),
            Mouth(width=14, opening=13),
        ),
        Emotion.THINKING: Expression(
            left=Eye(height=32, upper=Lid(cover=0.15), brow=Brow(lift=17, tilt=3)),
            right=Eye(height=34, brow=Brow(lift=20.5, tilt=-3, bend=3)),
            mouth=Mouth(width=20, tilt=-5, offset=-6),
            gaze=(0.8, -0.8),
            spacing=50,
            marks=(Mark(MarkShape.THOUGHT, Anchor.RIGHT_EYE, x=30, y=-8, size=28),),
        ),
        Emotion.PLAYFUL: Expression(
            left=Eye(height=34, pupil=9, brow=Brow(lift=21, tilt=-2, bend=3)),
            right=_SMILING_EYE,
            mouth=Mouth(width=36, curve=6, lift=4, tongue=13, tongue_offset=7),
        ),
        Emotion.RELAXED: _both(
            _RESTING_EYE,
            Mouth(width=26, curve=5),
        ),
        Emotion.SERIOUS: _both(
            Eye(height=30, radius=5, upper=Lid(cover=0.42), brow=Brow(lift=9, length=40, thickness=6)),
            Mouth(width=42),
            gaze=(0, 0.4),
        ),
        Emotion.SHY: _both(
            Eye(
                width=28,
                height=30,
                upper=Lid(cover=0.15, slant=-0.15),
                brow=Brow(lift=19, tilt=-5, length=18, thickness=3),
            ),
            Mouth(width=20, wave=2.5, thickness=3),
            gaze=(-0.8, 0.9),
            spacing=44,
            marks=(
                Mark(MarkShape.BLUSH, Anchor.LEFT_EYE, x=-8, y=22, size=8),
                Mark(MarkShape.BLUSH, Anchor.RIGHT_EYE, x=8, y=22, size=8),
            ),
        ),
        Emotion.TIRED: _both(
            Eye(height=32, pupil=7, upper=Lid(cover=0.5, slant=-0.34)),
            Mouth(width=13, opening=10, thickness=3),
            gaze=(0, 0.7),
            marks=(Mark(MarkShape.SLEEP, Anchor.RIGHT_EYE, x=25, y=-14, size=20),),
        ),
        Emotion.DISAPPOINTED: _both(
            Eye(width=32, height=32, upper=Lid(cover=0.45)),
            Mouth(width=28, curve=-5, tilt=4),
            gaze=(0.7, 0.8),
            marks=(Mark(MarkShape.SWEAT, Anchor.LEFT_EYE, x=-26, y=-8, size=17),),
        ),
        Emotion.LAUGH: _both(
            _SMILING_EYE,
            Mouth(width=50, curve=10, opening=17, teeth=True, lift=6),
            marks=(
                Mark(MarkShape.TEAR, Anchor.LEFT_EYE, x=-25, y=9, size=13),
                Mark(MarkShape.TEAR, Anchor.RIGHT_EYE, x=25, y=9, size=13),
            ),
        ),
    }
)
"""What each emotion looks like."""


# Names from other vocabularies, chiefly xiaozhi's, and protocol.md's "laug".
ALIASES: Mapping[str, Emotion] = MappingProxyType(
    {
        "laug": Emotion.LAUGH,
        "laughing": Emotion.LAUGH,
        "funny": Emotion.LAUGH,
        "joyful": Emotion.HAPPY,
        "loving": Emotion.HAPPY,
        "delicious": Emotion.HAPPY,
        "crying": Emotion.SAD,
        "mad": Emotion.ANGRY,
        "shocked": Emotion.SURPRISED,
        "confused": Emotion.THINKING,
        "silly": Emotion.PLAYFUL,
        "winking": Emotion.PLAYFUL,
        "kissy": Emotion.PLAYFUL,
        "calm": Emotion.RELAXED,
        "cool": Emotion.RELAXED,
        "confident": Emotion.SERIOUS,
        "embarrassed": Emotion.SHY,
        "sleepy": Emotion.TIRED,
    }
)
"""Other names that are understood, each with the nearest emotion."""


def parse_emotion(name: str) -> Emotion:
    """Return the emotion of that name; letter case and surrounding blanks don't matter.

    Args:
        name: The value of an :class:`Emotion`, or one of :data:`ALIASES`.

    Raises:
        SettingsError: No emotion has this name; the remedy lists those there are.
    """
    key = name.strip().lower()
    if key in ALIASES:
        return ALIASES[key]
    try:
        return Emotion(key)
    except ValueError:
        known = ", ".join(Emotion)
        raise SettingsError(f"There is no emotion called {name[:40]!r}.", remedy=f"Use one of: {known}.") from None
