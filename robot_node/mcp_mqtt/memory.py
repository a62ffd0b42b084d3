"""How much memory the messages of all sessions may hold at once, from their arrival to their answer. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

SMALL_BYTES = 16 * 1024
"""What takes no more is never refused: clients that hold all memory with large messages take no call from the others.
The number of such messages is limited anyway."""


class MemoryBudget:
    """Memory of the messages that wait or are being answered.

    A message that is larger than a limit passes nevertheless when nothing else is held, so that a limit below the
    largest message slows clients down instead of locking them out.

    Args:
        of_one: Bytes that the messages of one session may hold.
        of_all: Bytes that those of all sessions may hold.
    """

    def __init__(self, of_one: int, of_all: int) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._held: Counter[Hashable] = Counter()
        self.held = 0
        """Bytes that are held now."""

    def take(self, session: Hashable, size: int) -> bool:
        """Count a message of a session; False, and nothing counted, when there is no room for it."""
        if size <= SMALL_BYTES:
            return True
        if _exceeds(self._held[session], size, self._of_one) or _exceeds(self.held, size, self._of_all):
            return False
        self._held[session] += size
        self.held += size
        return True

    def give_back(self, session: Hashable, size: int) -> None:
        """A message that was counted holds nothing any more."""
        if size > SMALL_BYTES and session in self._held:  # else it is closed
            self._held[session] -= size
            self.held -= size

    def close(self, session: Hashable) -> None:
        """Release the memory of an ended session."""
        self.held -= self._held.pop(session, 0)


def _exceeds(held: int, size: int, limit: int) -> bool:
    return held > 0 and held + size > limit
