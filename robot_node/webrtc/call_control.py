"""Switches calls on and off, and how a call ended. Needs no media stack, unlike the call itself."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from robot_node.core.state import CallState, RobotState
from robot_node.webrtc.stats import CallStats


class CallCause(enum.Enum):
    """Why a call, or another connection that the robot offered, ended."""

    HUNG_UP = "the robot has hung up"
    LEAVING = "the robot is leaving"
    TERMINATED = "ended by {peer}"
    CLOSED = "closed by {peer}"
    VANISHED = "{peer} has vanished"
    NOT_ANSWERED = "{peer} did not answer"
    UNUSABLE = "the answer of {peer} cannot be used"
    NOT_CONNECTED = "no connection came about"
    FAILED = "the connection failed"

    def sentence(self, peer: str) -> str:
        """Say it for people; ``peer`` is the other side, e.g. ``"the backend"``."""
        text = self.value.format(peer=peer)
        return f"{text[:1].upper()}{text[1:]}."


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
    def notify_peer(self) -> bool:
        """Whether the backend must be notified, since it does not know yet."""
        return self.cause not in {CallCause.TERMINATED, CallCause.CLOSED}


class CallControl:
    """Switches calls on and off. Used from the event loop only; exists before the media stack is loaded.

    Args:
        state: Gets the state of the call.
        enabled: Call as soon as possible.
        backend: Name of the backend that is called.
        clock: The time now, with its time zone.
    """

    def __init__(
        self,
        state: RobotState,
        *,
        enabled: bool = False,
        backend: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._state = state
        self._backend = backend
        self._clock = clock
        self._since = clock()
        self._on = asyncio.Event()
        self._off = asyncio.Event()
        self._closed = asyncio.Event()
        self._closed.set()
        if enabled:
            self.call()

    @property
    def enabled(self) -> bool:
        """Calls are switched on."""
        return self._on.is_set()

    def stats(self) -> CallStats:
        """The call, for the statistics of streaming."""
        since = self._since.astimezone(UTC).isoformat(timespec="milliseconds")
        return CallStats(self._state.snapshot.call, self._backend, since)

    def call(self) -> None:
        """Switch calls on: call the backend, and again whenever a call fails, until :meth:`hang_up`."""
        if self.enabled:
            return
        # A new event each time: hanging up and calling again at once must end the first call.
        self._off = asyncio.Event()
        self._on.set()
        self._enter(CallState.CONNECTING, "")

    async def hang_up(self) -> None:
        """Switch calls off; return when nothing is sent any more."""
        self._switch_off()
        if self._closed.is_set():
            self._note_closed()
        await self._closed.wait()

    def report_ended(self, state: CallState, reason: str) -> None:
        """Report that calls end for good: the backend hung up, or too many attempts failed."""
        self._switch_off()
        self._enter(state, reason)

    def report_attempt(self) -> None:
        """Report that an attempt begins."""
        self._closed.clear()
        self._enter(CallState.CONNECTING, self._state.snapshot.call_error)

    def report_connected(self) -> None:
        """Report that media can flow."""
        self._enter(CallState.CONNECTED, "")

    def report_failed(self, reason: str) -> None:
        """Report that an attempt, or the call, has failed; another attempt follows."""
        self._enter(CallState.CONNECTING, reason)

    def report_closed(self) -> None:
        """Report that the attempt has ended, and is closed."""
        self._closed.set()
        if not self.enabled:
            self._note_closed()

    async def wait_until_on(self) -> asyncio.Event:
        """Wait until calls are switched on; return an event that is set when they are switched off again."""
        await self._on.wait()
        return self._off

    def _note_closed(self) -> None:
        if self._state.snapshot.call in {CallState.CONNECTING, CallState.CONNECTED}:
            self._enter(CallState.CLOSED, "")

    def _enter(self, call: CallState, error: str) -> None:
        if call is not self._state.snapshot.call:
            self._since = self._clock()
        self._state.update(call=call, call_error=error)

    def _switch_off(self) -> None:
        self._on.clear()
        self._off.set()
