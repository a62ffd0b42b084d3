"""The built-in expressions: shapes and motion as data; units as in shapes.py."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from robot_node.errors import SettingsError
from robot_node.face.shapes import Anchor, Brow, Expression, Eye, Lid, Mark, MarkShape, Motion, Mouth


class Emotion(enum.StrEnum):
    """The emotions that the face can show (protocol: ``change_emotion``), and the neutral face."""

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
            Mouth(width=44, curve=9, opening=11, teeth=1, lift=3),
            gaze=(0, -0.6),
            marks=(Mark(MarkShape.SPARKLE, Anchor.RIGHT_EYE, x=28, y=-15, size=14),),
            motion=Motion(transition=0.25, blink=(2, 5), glance=0.3, bob=1, bob_period=1.8),
        ),
        Emotion.SAD: _both(
            Eye(height=32, upper=Lid(cover=0.22, slant=-0.44), brow=Brow(lift=18, tilt=-10, length=26)),
            Mouth(width=26, curve=-9),
            gaze=(0, 0.8),
            marks=(Mark(MarkShape.TEAR, Anchor.LEFT_EYE, x=-13, y=18, size=14, sway=2, period=1.6),),
            motion=Motion(transition=0.5, blink=(2, 5), blink_length=1.5, glance=0.2, breath_period=5),
        ),
        Emotion.ANGRY: _both(
            Eye(height=30, pupil=6, upper=Lid(cover=0.28, slant=0.56), brow=Brow(lift=15, tilt=14, thickness=6)),
            Mouth(width=34, curve=-7, thickness=5),
            gaze=(0, 0.3),
            spacing=48,
            marks=(Mark(MarkShape.ANGER, Anchor.RIGHT_EYE, x=30, y=-14, size=16),),
            motion=Motion(
                transition=0.18, blink=(2.5, 5), glance=0.15, shake=1, shake_period=0.16, burst=0.5, bursts=1.8
            ),
        ),
        Emotion.SURPRISED: _both(
            Eye(width=38, height=37, radius=18.5, pupil=4.5, brow=Brow(lift=20.5, bend=4, length=26, thickness=3)),
            Mouth(width=14, opening=13),
            motion=Motion(transition=0.12, blink=(2, 5), blink_length=0.8, glance=0.15),
        ),
        Emotion.THINKING: Expression(
            left=Eye(height=32, upper=Lid(cover=0.15), brow=Brow(lift=17, tilt=3)),
            right=Eye(height=34, brow=Brow(lift=20.5, tilt=-3, bend=3)),
            mouth=Mouth(width=20, tilt=-5, offset=-6),
            gaze=(0.8, -0.8),
            spacing=50,
            marks=(Mark(MarkShape.THOUGHT, Anchor.RIGHT_EYE, x=30, y=-8, size=28, sway=1, period=2.4),),
            motion=Motion(transition=0.35, glance=0.35, glances=(0.8, 2.4)),
        ),
        Emotion.PLAYFUL: Expression(
            left=Eye(height=34, pupil=9, brow=Brow(lift=20, tilt=-2, bend=3)),
            right=_SMILING_EYE,
            mouth=Mouth(width=36, curve=6, lift=5, tongue=13, tongue_offset=6.5),
            motion=Motion(transition=0.25, glance=0.4, bob=1, bob_period=1.2),
        ),
        Emotion.RELAXED: _both(
            _RESTING_EYE,
            Mouth(width=26, curve=5),
            motion=Motion(transition=0.6, bob=1, bob_period=4),
        ),
        Emotion.SERIOUS: _both(
            Eye(height=30, radius=5, upper=Lid(cover=0.42), brow=Brow(lift=9, length=40, thickness=6)),
            Mouth(width=42),
            gaze=(0, 0.4),
            motion=Motion(transition=0.4, blink=(3, 5), glance=0.2, breath=0),
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
                Mark(MarkShape.BLUSH, Anchor.LEFT_EYE, x=-8, y=20.5, size=8),
                Mark(MarkShape.BLUSH, Anchor.RIGHT_EYE, x=8, y=20.5, size=8),
            ),
            motion=Motion(transition=0.35, blink=(1, 3), glance=0.4, glances=(0.5, 1.8), bob=1, bob_period=2.2),
        ),
        Emotion.TIRED: _both(
            Eye(height=32, pupil=7, upper=Lid(cover=0.5, slant=-0.34)),
            Mouth(width=13, opening=10, thickness=3),
            gaze=(0, 0.7),
            marks=(Mark(MarkShape.SLEEP, Anchor.RIGHT_EYE, x=25, y=-11.5, size=20, sway=2, period=2.4),),
            motion=Motion(transition=0.7, blink=(1.5, 4), blink_length=2.4, glance=0.1, bob=1, bob_period=5),
        ),
        Emotion.DISAPPOINTED: _both(
            Eye(width=32, height=32, upper=Lid(cover=0.45)),
            Mouth(width=28, curve=-5, tilt=4),
            gaze=(0.7, 0.8),
            marks=(Mark(MarkShape.SWEAT, Anchor.LEFT_EYE, x=-24, y=-8, size=17, sway=2, period=2),),
            motion=Motion(transition=0.5, blink=(2, 5), blink_length=1.6, glance=0.2, breath_period=5),
        ),
        Emotion.LAUGH: _both(
            _SMILING_EYE,
            Mouth(width=50, curve=10, opening=17, teeth=1, lift=6),
            marks=(
                Mark(MarkShape.TEAR, Anchor.LEFT_EYE, x=-25, y=9, size=13),
                Mark(MarkShape.TEAR, Anchor.RIGHT_EYE, x=25, y=9, size=13),
            ),
            motion=Motion(transition=0.2, bounce=3, shake_period=0.24, burst=1.0, bursts=1.8),
        ),
    }
)
"""The expression of each emotion."""


# Names from other vocabularies, mainly xiaozhi's, and "laug" of protocol.md.
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
"""Alternative names, each with the nearest emotion."""


def parse_emotion(name: str) -> Emotion:
    """Return the emotion of that name; case and surrounding blanks are ignored.

    Args:
        name: The value of an :class:`Emotion`, or one of :data:`ALIASES`.

    Raises:
        SettingsError: No emotion has this name; the remedy lists all names.
    """
    key = name.strip().lower()
    if key in ALIASES:
        return ALIASES[key]
    try:
        return Emotion(key)
    except ValueError:
        known = ", ".join(Emotion)
        raise SettingsError(f"There is no emotion {name[:40]!r}.", remedy=f"Use one of: {known}.") from None
