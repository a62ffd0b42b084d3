"""Debouncing: when something that is seen now and then begins, and when it has ended. Pure.

state      seen          not seen
quiet      starting      quiet
starting   active: BEGAN quiet
active     active        ending
ending     active        ending; quiet: ENDED once it was not seen for long enough
"""

from __future__ import annotations

import enum
import math


class Phase(enum.StrEnum):
    """States of something that may be seen."""

    QUIET = "quiet"
    STARTING = "starting"
    ACTIVE = "active"
    ENDING = "ending"


class Change(enum.StrEnum):
    """What changes."""

    BEGAN = "began"
    ENDED = "ended"


class Debounce:
    """Whether something is there: it begins when it is seen twice in a row, and ends when it was not for a while.

    Args:
        end_after_s: Seconds without it after which it has ended.
    """

    def __init__(self, end_after_s: float) -> None:
        self._end_after_s = end_after_s
        self._last_seen = -math.inf
        self.phase = Phase.QUIET

    def update(self, *, seen: bool, now: float) -> Change | None:
        """Take a look into account; return what changes by it.

        Args:
            seen: It is seen.
            now: Monotonic time in seconds.
        """
        if seen:
            self._last_seen = now
            before, self.phase = self.phase, _SEEN[self.phase]
            return Change.BEGAN if before is Phase.STARTING else None
        self.phase = _NOT_SEEN[self.phase]
        if self.phase is Phase.ENDING and now - self._last_seen >= self._end_after_s:
            self.phase = Phase.QUIET
            return Change.ENDED
        return None


_SEEN = {
    Phase.QUIET: Phase.STARTING,
    Phase.STARTING: Phase.ACTIVE,
    Phase.ACTIVE: Phase.ACTIVE,
    Phase.ENDING: Phase.ACTIVE,
}
_NOT_SEEN = {
    Phase.QUIET: Phase.QUIET,
    Phase.STARTING: Phase.QUIET,
    Phase.ACTIVE: Phase.ENDING,
    Phase.ENDING: Phase.ENDING,
}
