"""How a call to the media backend ended. Apart from the call, so that it can be told without the media stack."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class CallCause(enum.Enum):
    """Why a call ended."""

    HUNG_UP = "the robot has hung up"
    LEAVING = "the robot is leaving"
    TERMINATED = "ended by the backend"
    CLOSED = "closed by the backend"
    VANISHED = "the backend has vanished"
    NOT_ANSWERED = "the backend did not answer"
    UNUSABLE = "the backend's answer cannot be used"
    NOT_CONNECTED = "no connection came about"
    FAILED = "the connection failed"


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended.

    Attributes:
        cause: Why.
        reason: The same for people, as one sentence.
        connected_s: How long it was connected, in seconds; None when it never was.
    """

    cause: CallCause
    reason: str
    connected_s: float | None = None

    @property
    def worth_telling(self) -> bool:
        """The backend does not know yet."""
        return self.cause not in {CallCause.TERMINATED, CallCause.CLOSED}
