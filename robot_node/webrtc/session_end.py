"""How a session with a viewer ended. Apart from the session, so that it can be told without the media stack."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Cause(enum.Enum):
    """Why a session ended."""

    TERMINATED = "terminated by the viewer"
    CLOSED = "closed by the viewer"
    VANISHED = "the viewer has vanished"
    NOT_CONNECTED = "no connection came about"
    FAILED = "the connection failed"
    REFUSED = "the offer cannot be used"
    REPLACED = "replaced by a new offer"
    LEAVING = "the robot is leaving"


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended.

    Attributes:
        cause: Why.
        reason: The same for people, as one sentence.
        connected: It had been connected.
        frames_sent: Frames handed to the network.
        frames_dropped: Frames that this viewer lost because it was behind.
    """

    cause: Cause
    reason: str
    connected: bool = False
    frames_sent: int = 0
    frames_dropped: int = 0

    @property
    def worth_telling(self) -> bool:
        """The viewer does not know yet; after a new offer, it would take the message for the new session's end."""
        return self.cause not in {Cause.TERMINATED, Cause.CLOSED, Cause.REPLACED}
