"""Where speech begins and ends, from how likely each frame is speech. Pure."""

from __future__ import annotations

import enum

BEGIN_S = 0.1
"""So long must be speech before it counts: a click or a knock is shorter than a word."""

_HYSTERESIS = 0.15
"""What was speech remains it down to so much below the threshold."""


class Edge(enum.Enum):
    """A change between speech and silence."""

    BEGINS = enum.auto()
    ENDS = enum.auto()


class Endpointer:
    """Finds the beginning and the end of speech.

    Args:
        frame_s: Seconds of each frame.
        threshold: Probability from which a frame is speech, 0 to 1.
        end_s: Silence, in seconds, after which speech has ended.
    """

    def __init__(self, frame_s: float, *, threshold: float, end_s: float) -> None:
        self._frame_s = frame_s
        self._threshold = threshold
        self._frames_to_begin = max(1, round(BEGIN_S / frame_s))
        self._frames_to_end = max(1, round(end_s / frame_s))
        self._in_speech = False
        self._against = 0

    @property
    def in_speech(self) -> bool:
        """Speech has begun and not ended."""
        return self._in_speech

    @property
    def silent_s(self) -> float:
        """Seconds of silence so far in speech that has not ended yet."""
        return self._against * self._frame_s if self._in_speech else 0.0

    def update(self, probability: float) -> Edge | None:
        """Take the next frame's probability of speech, 0 to 1; return whether speech begins or ends with it."""
        is_speech = probability >= self._threshold - (_HYSTERESIS if self._in_speech else 0.0)
        # Frames in a row that contradict the present state.
        self._against = self._against + 1 if is_speech is not self._in_speech else 0
        if self._against < (self._frames_to_end if self._in_speech else self._frames_to_begin):
            return None
        self._in_speech, self._against = not self._in_speech, 0
        return Edge.BEGINS if self._in_speech else Edge.ENDS

    def begin(self) -> None:
        """Begin again in speech."""
        self._in_speech = True
        self._against = 0

    def forget(self) -> None:
        """Begin again in silence."""
        self._in_speech = False
        self._against = 0
