"""Whether the robot is to be in a call, and how a call ended. Needs no media stack, unlike the call itself."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass

from robot_node.core.state import CallState, RobotState


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


class CallControl:
    """The wish to be in a call. Used from the event loop only; exists before the media stack is loaded.

    Args:
        state: Is told what becomes of the call.
        wanted: Call as soon as possible.
    """

    def __init__(self, state: RobotState, *, wanted: bool = False) -> None:
        self._state = state
        self._wanted = asyncio.Event()
        self._given_up = asyncio.Event()
        self._over = asyncio.Event()
        self._over.set()
        if wanted:
            self.call()

    @property
    def wanted(self) -> bool:
        """The robot shall be in a call."""
        return self._wanted.is_set()

    def call(self) -> None:
        """Call the backend, and again whenever the call fails, until somebody hangs up."""
        if self.wanted:
            return
        # A new one for each wish: whoever hangs up and calls again at once ends what belonged to the first.
        self._given_up = asyncio.Event()
        self._wanted.set()
        self._state.update(call=CallState.CONNECTING, call_error="")

    async def hang_up(self) -> None:
        """End the call or the attempts; returns when nothing is sent any more."""
        self._give_up_wish()
        if self._over.is_set():
            self._note_closed()
        await self._over.wait()

    def ended(self, state: CallState, reason: str) -> None:
        """The call has ended for good: the backend hung up, or too many attempts failed."""
        self._give_up_wish()
        self._state.update(call=state, call_error=reason)

    def begins(self) -> None:
        """An attempt begins: from now on there is something to hang up."""
        self._over.clear()
        self._state.update(call=CallState.CONNECTING)

    def connected(self) -> None:
        """Media can flow."""
        self._state.update(call=CallState.CONNECTED, call_error="")

    def failed(self, reason: str) -> None:
        """An attempt, or the call, has failed; another attempt follows."""
        self._state.update(call=CallState.CONNECTING, call_error=reason)

    def is_over(self) -> None:
        """The attempt has ended, and everything that belongs to it is closed."""
        self._over.set()
        if not self.wanted:
            self._note_closed()

    async def until_wanted(self) -> asyncio.Event:
        """Wait until the robot shall be in a call; the event returned is set when that wish is given up."""
        await self._wanted.wait()
        return self._given_up

    def _note_closed(self) -> None:
        if self._state.snapshot.call in {CallState.CONNECTING, CallState.CONNECTED}:
            self._state.update(call=CallState.CLOSED, call_error="")

    def _give_up_wish(self) -> None:
        self._wanted.clear()
        self._given_up.set()
