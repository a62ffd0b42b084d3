"""When the microphone's samples were heard, although a busy machine hands them over late. Pure: times are passed in."""

from __future__ import annotations

from collections import deque

_RISE = 1e-6
"""No two clocks are quite the same."""

_LATELY = 100
_LOST_S = 0.02
"""All samples of the last two seconds came later than that: some before them were lost."""


class MicrophoneClock:
    """Of all that may have delayed the samples, the least counts."""

    def __init__(self) -> None:
        self._offset = float("inf")
        self._lately: deque[float] = deque(maxlen=_LATELY)

    def time_of(self, position_s: float, arrived: float) -> float:
        """Return when the newest sample was heard.

        Args:
            position_s: Seconds of sound so far.
            arrived: When the newest came.
        """
        offset = arrived - position_s
        self._lately.append(offset)
        self._offset = min(self._offset + _RISE, offset)
        if len(self._lately) == _LATELY and (least := min(self._lately)) > self._offset + _LOST_S:
            self._offset = least
        return self._offset + position_s

    def begin(self) -> None:
        """Begin again: the library says that samples were lost."""
        self._offset = float("inf")
        self._lately.clear()
