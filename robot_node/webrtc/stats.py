"""Statistics of streaming: totals since the start, the open sessions, the last ones that ended, and why.

Counted here, shown by ``get_status`` and by the metrics. Needs no media stack.
"""

from __future__ import annotations

import enum
import itertools
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from robot_node.core.state import CallState

_KEPT_SESSIONS = 16

TOO_MANY_VIEWERS = "too_many_viewers"
TOO_MANY_OFFERS = "too_many_offers"
"""Why an offer that can be read does not become a session."""


class Cause(enum.Enum):
    """Why a session ended."""

    TERMINATED = "terminated by the viewer"
    CLOSED = "closed by the viewer"
    VANISHED = "the viewer has vanished"
    NOT_CONNECTED = "no connection came about"
    FAILED = "the connection failed"
    REFUSED = "the offer cannot be used"
    REPLACED = "replaced by a new offer"
    YIELDED = "another of the viewers needs the place"
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
    def notify_peer(self) -> bool:
        """Whether the viewer must be notified; after a new offer it would take the message for that session's end."""
        return self.cause not in {Cause.TERMINATED, Cause.CLOSED, Cause.REPLACED}


@dataclass(frozen=True, slots=True)
class SessionStats:
    """One viewer's session.

    Attributes:
        viewer: The client id.
        codec: Of the video.
        connected: Media can flow, or could while the session lasted.
        duration_s: Since the offer, or from offer to end.
        first_packet_ms: From the offer to the first RTP packet; None before that.
        bitrate: Of the video as sent lately, in bits per second.
        packet_loss: Share of the packets that the viewer has missed, 0 to 1.
        round_trip_ms: To the viewer and back; None before it is known.
        frames_sent: Frames handed to the network.
        frames_dropped: Frames that this viewer lost because it, or its network, was behind.
        keyframes_asked: How often it asked for a keyframe.
        end: How it ended; empty while it is open.
    """

    viewer: str
    codec: str = ""
    connected: bool = False
    duration_s: float = 0.0
    first_packet_ms: float | None = None
    bitrate: int = 0
    packet_loss: float = 0.0
    round_trip_ms: float | None = None
    frames_sent: int = 0
    frames_dropped: int = 0
    keyframes_asked: int = 0
    end: str = ""


@dataclass(frozen=True, slots=True)
class StreamingTotals:
    """Totals since the robot started.

    Attributes:
        offers: Offers received.
        answers: Offers that were answered.
        connected: Sessions that were connected.
        ended: Ended offers and sessions, by reason.
        frames_sent: Frames handed to the network, once for each viewer.
        frames_dropped: Frames that viewers lost because they were behind.
        keyframes_forced: Keyframes that the encoders were asked for.
    """

    offers: int = 0
    answers: int = 0
    connected: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    frames_sent: int = 0
    frames_dropped: int = 0
    keyframes_forced: int = 0


@dataclass(frozen=True, slots=True)
class CallStats:
    """The robot's call to its media backend.

    Attributes:
        state: ``disconnected``, ``connecting``, ``connected``, ``failed`` or ``closed``.
        backend: Name of the backend.
        since: When the state was entered, in ISO 8601 with milliseconds, in UTC.
    """

    state: CallState
    backend: str
    since: str


@dataclass(frozen=True, slots=True)
class StreamingStats:
    """A snapshot of the statistics.

    Attributes:
        totals: Since the start.
        sessions: Those that are open.
        ended: The last ones that ended, the newest last.
        call: The robot's call to its media backend; None when it may not call.
    """

    totals: StreamingTotals = StreamingTotals()
    sessions: tuple[SessionStats, ...] = ()
    ended: tuple[SessionStats, ...] = ()
    call: CallStats | None = None


class OpenSession:
    """One session in the statistics, from its offer to its end. Created by :meth:`Statistics.begin`."""

    def __init__(self, statistics: Statistics, number: int, measure: Callable[[], SessionStats]) -> None:
        self._statistics = statistics
        self._number = number
        self.measure = measure

    def end(self, end: SessionEnd) -> None:
        """Count the session as ended."""
        self._statistics._ended(self._number, self.measure(), end)  # noqa: SLF001  # the two are one thing


class Statistics:
    """Counters of streaming. Used from the event loop only; bounded for any number of viewers."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._open: dict[int, OpenSession] = {}
        self._last: deque[SessionStats] = deque(maxlen=_KEPT_SESSIONS)
        self._reasons: Counter[str] = Counter()
        self._offers = self._answers = self._connected = self._sent = self._dropped = 0
        self._keyframes_forced: Callable[[], int] = lambda: 0
        self._call: Callable[[], CallStats | None] = lambda: None

    def count_keyframes_with(self, forced: Callable[[], int]) -> None:
        """Set the function that returns how many keyframes the encoders were asked for."""
        self._keyframes_forced = forced

    def show_call(self, call: Callable[[], CallStats]) -> None:
        """Set the function that describes the robot's call to its media backend."""
        self._call = call

    def offer(self) -> None:
        """Count an offer."""
        self._offers += 1

    def refused(self, reason: str) -> None:
        """Count an offer that became no session."""
        self._reasons[reason] += 1

    def answer(self) -> None:
        """Count an answer."""
        self._answers += 1

    def connected(self) -> None:
        """Count a session that is connected."""
        self._connected += 1

    def begin(self, measure: Callable[[], SessionStats]) -> OpenSession:
        """Add a session.

        Args:
            measure: Returns its figures; called until it has ended.
        """
        number = next(self._numbers)
        session = self._open[number] = OpenSession(self, number, measure)
        return session

    def snapshot(self) -> StreamingStats:
        """The statistics now."""
        sessions = tuple(session.measure() for session in self._open.values())
        totals = StreamingTotals(
            offers=self._offers,
            answers=self._answers,
            connected=self._connected,
            ended=dict(self._reasons),
            frames_sent=self._sent + sum(session.frames_sent for session in sessions),
            frames_dropped=self._dropped + sum(session.frames_dropped for session in sessions),
            keyframes_forced=self._keyframes_forced(),
        )
        return StreamingStats(totals, sessions, tuple(self._last), self._call())

    def _ended(self, number: int, last: SessionStats, end: SessionEnd) -> None:
        if self._open.pop(number, None) is None:
            return
        self._reasons[end.cause.name.lower()] += 1
        self._sent += last.frames_sent
        self._dropped += last.frames_dropped
        self._last.append(replace(last, end=end.reason))
