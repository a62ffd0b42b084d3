"""The levels of H.264 that a video needs (Rec. ITU-T H.264, table A-1). Pure."""

from __future__ import annotations

from robot_node.core.media import VideoMode

_MACROBLOCK = 16
_LEVELS = (
    # Level, macroblocks per second and per picture, bit/s of the baseline profile.
    ("3.1", 108_000, 3_600, 14_000_000),
    ("3.2", 216_000, 5_120, 20_000_000),
    ("4.0", 245_760, 8_192, 20_000_000),
    ("4.1", 245_760, 8_192, 50_000_000),
    ("4.2", 522_240, 8_704, 50_000_000),
    ("5.1", 983_040, 36_864, 240_000_000),
)
AGREED = "3.1"
"""That of profile-level-id 42e01f and 42001f, which viewers and robot agree on: every decoder can do it."""


def level_of(video: VideoMode) -> str:
    """Return the lowest level from 3.1 on that permits a video, e.g. ``"4.0"``."""
    columns, rows = (-(-side // _MACROBLOCK) for side in (video.width, video.height))
    for level, per_second, per_picture, bitrate in _LEVELS:
        if (
            columns * rows <= per_picture
            and columns * rows * video.frame_rate <= per_second
            and video.bitrate <= bitrate
            and max(columns, rows) ** 2 <= 8 * per_picture
        ):
            return level
    return "6.2"
