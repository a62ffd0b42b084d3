"""Counters since the start: tool calls, connections, sessions, faults, bus errors, lag of the event loop.

Metrics and health messages read them. What is true at one moment is in :mod:`robot_node.core.state`; streaming has
counters of its own in :mod:`robot_node.webrtc.stats`. Pure, and bounded whatever clients send: only tools that exist
have a name here. Used from the event loop only.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from robot_node.core.faults import FaultTracker
from robot_node.core.state import RobotSnapshot, RobotState

OTHER_TOOLS = "other"
"""Name under which calls of tools that the robot does not have are counted."""

TOOL_CALL_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LOOP_LAG_BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Outcome(enum.StrEnum):
    """Outcome of a tool call."""

    OK = "ok"
    ERROR = "error"  # the tool, or a limit before it, answered with an error that a model can read
    REFUSED = "refused"  # by the rules of access, or as no valid request
    ASKED = "asked"  # a person must confirm it first: the agent repeats the call with the answer
    CANCELLED = "cancelled"  # by the agent, or because it has left


class Link(enum.StrEnum):
    """The robot's MQTT connections: for agents, for viewers and, if it may call, for its calls."""

    MCP = "mcp"
    SIGNALING = "signaling"
    DIALER = "dialer"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram of durations.

    Attributes:
        bounds_s: Upper bounds in seconds, inclusive, ascending.
        counts: Observations within each bound and above the one before; the last one counts those above all bounds.
        sum_s: Sum of the observations, in seconds.
    """

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    sum_s: float

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self.counts)

    def cumulative(self) -> tuple[tuple[float, int], ...]:
        """Return for each bound, and at last for infinity, the number of observations within it."""
        total, pairs = 0, []
        for bound, count in zip((*self.bounds_s, float("inf")), self.counts, strict=True):
            total += count
            pairs.append((bound, total))
        return tuple(pairs)


class _Histogram:
    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def now(self) -> Distribution:
        return Distribution(self._bounds_s, tuple(self._counts), self._sum_s)


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """The calls of one tool since the robot started.

    Attributes:
        outcomes: Number of calls by outcome.
        seconds: Their durations, whatever their outcome.
    """

    outcomes: Mapping[Outcome, int]
    seconds: Distribution


class Counters:
    """Counts since the robot started."""

    def __init__(self) -> None:
        self._tools: frozenset[str] = frozenset()
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._seconds: dict[str, _Histogram] = {}
        self._loop_lag = _Histogram(LOOP_LAG_BOUNDS_S)
        self.connects: Counter[Link] = Counter()
        self.sessions_opened = 0
        self.faults: Counter[str] = Counter()
        self.bus_errors: Counter[str] = Counter()
        self.calls = self.calls_connected = 0
        self.call_ends: Counter[str] = Counter()
        self.publish_attempts = self.publish_connected = 0
        self.publish_ends: Counter[str] = Counter()
        self.recordings_saved = self.recording_lost_frames = 0
        self.dialer_connected: bool | None = None
        """The connection for calls is up; None when the robot may not call."""

    @property
    def tools(self) -> Mapping[str, ToolCalls]:
        """The tools that were called, by name."""
        return {
            name: ToolCalls({outcome: counts[outcome] for outcome in Outcome}, self._seconds[name].now())
            for name, counts in self._outcomes.items()
        }

    @property
    def loop_lag(self) -> Distribution:
        """Lag of the event loop: how much later than scheduled it ran a timer."""
        return self._loop_lag.now()

    def reconnects(self, link: Link) -> int:
        """Return how often a connection was re-established."""
        return max(0, self.connects[link] - 1)

    def register_tools(self, names: Iterable[str]) -> None:
        """Count calls of these tools by name, and calls of all others as :data:`OTHER_TOOLS`."""
        self._tools = frozenset(names)

    def record_tool_call(self, name: str, outcome: Outcome, seconds: float) -> None:
        """Count a completed tool call.

        Args:
            name: The tool's name as the agent sent it.
            outcome: How it ended.
            seconds: From the request to the result.
        """
        known = name if name in self._tools else OTHER_TOOLS
        self._outcomes.setdefault(known, Counter())[outcome] += 1
        self._seconds.setdefault(known, _Histogram(TOOL_CALL_BOUNDS_S)).add(seconds)

    def record_bus_error(self, bus: str) -> None:
        """Count a device that did not respond on its bus.

        Args:
            bus: ``"i2c"`` or ``"spi"``.
        """
        self.bus_errors[bus] += 1

    def set_dialer_connected(self, *, connected: bool) -> None:
        """Report that the connection for calls came up or went down."""
        self.connects[Link.DIALER] += connected and not self.dialer_connected
        self.dialer_connected = connected

    def record_loop_lag(self, seconds: float) -> None:
        """Record that the event loop ran a timer so many seconds late."""
        self._loop_lag.add(seconds)


def count_changes(state: RobotState, counters: Counters) -> Callable[[], None]:
    """Count connections, sessions and faults as the state changes, until the returned function is called."""
    before, faults = state.snapshot, FaultTracker(state.snapshot)

    def on_change(now: RobotSnapshot) -> None:
        nonlocal before
        previous, before = before, now
        counters.connects[Link.MCP] += now.mcp_connected and not previous.mcp_connected
        counters.connects[Link.SIGNALING] += now.signaling_connected and not previous.signaling_connected
        counters.sessions_opened += max(0, now.sessions - previous.sessions)
        counters.faults.update(change.name for change in faults.update(now) if change.began)

    return state.listen(on_change)
