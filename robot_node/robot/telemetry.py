"""What a robot reports of itself: its state, events, counters and streaming statistics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from robot_node.core.counters import Counters, count_changes
from robot_node.core.events import EventLog, record
from robot_node.core.state import RobotState
from robot_node.webrtc.stats import Statistics


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where devices and sessions report, and where tools, resources and monitoring read.

    The events and counters that derive from the state follow it from the beginning.

    Attributes:
        state: What is true now.
        events: What has happened.
        counters: What is counted since the start.
        statistics: Statistics of the streams to viewers.
        clock: Monotonic time in seconds.
        started_at: When the robot started, by that clock.
    """

    state: RobotState = field(default_factory=RobotState)
    events: EventLog = field(default_factory=EventLog)
    counters: Counters = field(default_factory=Counters)
    statistics: Statistics = field(default_factory=Statistics)
    clock: Callable[[], float] = time.monotonic
    started_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Follow the state."""
        record(self.state, self.events)
        count_changes(self.state, self.counters)

    @property
    def uptime_s(self) -> float:
        """Seconds since the robot started."""
        return round(self.clock() - self.started_at, 3)
