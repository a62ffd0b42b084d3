"""What is counted while the robot runs: calls of tools, connections, sessions, faults, errors on a bus, lateness.

Who does something reports it here and knows nothing of who shows it: metrics, health messages. What is true at one
moment is in :mod:`robot_node.core.state`; what is told of streaming, in :mod:`robot_node.webrtc.stats`. Pure, and
bounded whatever strangers do: only tools that exist have a name here. Used from the event loop only.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from robot_node.core.state import CameraState, RobotSnapshot, RobotState

SERVICES = "services"
"""The part whose faults are those of the robot's services that crashed."""

OTHER_TOOLS = "other"
"""Stands for every tool that the robot does not have."""

TOOL_CALL_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LATENESS_BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Outcome(enum.StrEnum):
    """What became of a call of a tool."""

    OK = "ok"
    ERROR = "error"  # the tool, or a limit before it, answered with an error that a model can read
    REFUSED = "refused"  # by the rules of access, or as no valid request
    ASKED = "asked"  # a person must confirm it first: the agent calls anew with the answer
    CANCELLED = "cancelled"  # by the agent, or because it has left


class Link(enum.StrEnum):
    """The robot's MQTT connections: for agents, for viewers, and, when it may call, for its calls."""

    MCP = "mcp"
    SIGNALING = "signaling"
    DIALER = "dialer"


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often something took how long.

    Attributes:
        bounds_s: Upper bounds in seconds, inclusive, ascending.
        counts: How many were within each bound and above the one before; a last one counts those above all bounds.
        sum_s: All of them together, in seconds.
    """

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    sum_s: float

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def cumulative(self) -> tuple[tuple[float, int], ...]:
        """For each bound, and at last for infinity, how many were within it."""
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
        outcomes: How many had which outcome.
        seconds: How long they took, whatever their outcome.
    """

    outcomes: Mapping[Outcome, int]
    seconds: Distribution


class Measurements:
    """Counts, since the robot started."""

    def __init__(self) -> None:
        self._tools: frozenset[str] = frozenset()
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._seconds: dict[str, _Histogram] = {}
        self._lateness = _Histogram(LATENESS_BOUNDS_S)
        self.connects: Counter[Link] = Counter()
        self.sessions_opened = 0
        self.faults: Counter[str] = Counter()
        self.bus_errors: Counter[str] = Counter()
        self.calls = self.calls_connected = 0
        self.call_ends: Counter[str] = Counter()
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
    def lateness(self) -> Distribution:
        """How much later than asked for the event loop did what it should do at a time."""
        return self._lateness.now()

    def reconnects(self, link: Link) -> int:
        """How often a connection was made again."""
        return max(0, self.connects[link] - 1)

    def know_tools(self, names: Iterable[str]) -> None:
        """Count the calls of these tools by name, and those of all others as :data:`OTHER_TOOLS`."""
        self._tools = frozenset(names)

    def tool_called(self, name: str, outcome: Outcome, seconds: float) -> None:
        """A call of a tool is over.

        Args:
            name: As the agent said it.
            outcome: What became of it.
            seconds: From the request to the result.
        """
        known = name if name in self._tools else OTHER_TOOLS
        self._outcomes.setdefault(known, Counter())[outcome] += 1
        self._seconds.setdefault(known, _Histogram(TOOL_CALL_BOUNDS_S)).add(seconds)

    def bus_failed(self, bus: str) -> None:
        """A device did not answer on its bus.

        Args:
            bus: ``"i2c"`` or ``"spi"``.
        """
        self.bus_errors[bus] += 1

    def dialer_is(self, *, connected: bool) -> None:
        """The connection for calls came up, or went down."""
        self.connects[Link.DIALER] += connected and not self.dialer_connected
        self.dialer_connected = connected

    def loop_was_late(self, seconds: float) -> None:
        """The event loop did something so much later than it should."""
        self._lateness.add(seconds)


def faults_of(now: RobotSnapshot) -> dict[str, str]:
    """What does not work, by part: why. Every part has a text; it is empty while the part works."""
    camera_error = now.camera_error or ("The camera failed." if now.camera is CameraState.FAILED else "")
    return {
        "camera": camera_error,
        "display": now.display_error,
        "hearing": now.hearing_error,
        "loudspeaker": now.loudspeaker_error,
        "microphone": now.microphone_error,
        "privacy": now.privacy_error,
        SERVICES: " ".join(now.faults.values()),
        "voice": now.voice_error,
    }


def count_changes(state: RobotState, measurements: Measurements) -> Callable[[], None]:
    """Count what the changes of the state mean, until the returned function is called."""
    before, faults = state.snapshot, faults_of(state.snapshot)

    def changed(now: RobotSnapshot) -> None:
        nonlocal before, faults
        previous, before = before, now
        measurements.connects[Link.MCP] += now.mcp_connected and not previous.mcp_connected
        measurements.connects[Link.SIGNALING] += now.signaling_connected and not previous.signaling_connected
        measurements.sessions_opened += max(0, now.sessions - previous.sessions)
        was, faults = faults, faults_of(now)
        if now.camera is CameraState.STARTING:  # its error is cleared, but only a picture shows that it works again
            faults["camera"] = faults["camera"] or was["camera"]
        measurements.faults.update(
            part for part, error in faults.items() if error and not was[part] and part != SERVICES
        )
        measurements.faults[SERVICES] += len(now.faults.keys() - previous.faults.keys())

    return state.listen(changed)
