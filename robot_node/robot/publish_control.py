"""When the robot publishes its stream, and what becomes of it: one table. Needs no media stack."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType

from robot_node.core.counters import Counters
from robot_node.core.events import EventLog
from robot_node.core.state import CameraState, PublishState, RobotSnapshot, RobotState
from robot_node.settings.publish import PublishSettings
from robot_node.webrtc.call_control import CallEnd

FAULT = "publish"
"""Name of its fault in the robot's state."""


class Step(enum.Enum):
    """What happens to the publication."""

    BEGIN = "it is wanted, or the delay after a failure has passed"
    CONNECTED = "media can flow"
    FAILED = "the attempt, or the connection, has ended"
    UNWANTED = "it is not wanted any more, and ended"


STEPS: Mapping[tuple[PublishState, Step], PublishState] = MappingProxyType(
    {
        (PublishState.OFF, Step.BEGIN): PublishState.CONNECTING,
        (PublishState.CONNECTING, Step.CONNECTED): PublishState.LIVE,
        (PublishState.CONNECTING, Step.FAILED): PublishState.WAITING,
        (PublishState.CONNECTING, Step.UNWANTED): PublishState.OFF,
        (PublishState.LIVE, Step.FAILED): PublishState.WAITING,
        (PublishState.LIVE, Step.UNWANTED): PublishState.OFF,
        (PublishState.WAITING, Step.BEGIN): PublishState.CONNECTING,
        (PublishState.WAITING, Step.UNWANTED): PublishState.OFF,
    }
)
"""The next state; what is not listed changes nothing."""


def next_state(state: PublishState, step: Step) -> PublishState:
    """Return the state after a step."""
    return STEPS.get((state, step), state)


def is_wanted(settings: PublishSettings, now: RobotSnapshot, *, requested: bool) -> bool:
    """Say whether the robot is to publish now; ``requested``: an agent has asked for it."""
    match settings.when:
        case "always":
            return True
        case "camera":
            return now.camera is CameraState.ON
        case "on_demand":
            return requested


class PublishControl:
    """Switches publishing on and off, and reports what becomes of it. Used from the event loop only.

    Args:
        settings: When.
        state: Gets the state and the fault.
        events: Get what happens, as ``publish``.
        counters: Count attempts.
    """

    def __init__(self, settings: PublishSettings, state: RobotState, events: EventLog, counters: Counters) -> None:
        self.settings = settings
        self._state = state
        self._events = events
        self._counters = counters
        self._requested = False
        self._reported = ""
        self._listeners: list[Callable[[bool], None]] = []
        state.update(publishing=PublishState.OFF)

    def wanted(self) -> bool:
        """The robot is to publish now."""
        return is_wanted(self.settings, self._state.snapshot, requested=self._requested)

    @property
    def state(self) -> PublishState:
        """What becomes of it."""
        return self._state.snapshot.publishing or PublishState.OFF

    def request(self, *, wanted: bool) -> None:
        """Publish, or end it, on behalf of an agent; counts where publishing is on demand."""
        self._requested = wanted
        for listener in tuple(self._listeners):
            listener(wanted)

    async def ended(self) -> None:
        """Wait until nothing is published any more."""
        async for now in self._state.changes():
            if now.publishing is PublishState.OFF:
                return

    def listen(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Call ``listener`` when an agent has asked for something, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def begin(self) -> None:
        """Report that an attempt begins."""
        self._counters.publish_attempts += 1
        self._enter(Step.BEGIN)

    def report_connected(self) -> None:
        """Report that media can flow."""
        self._counters.publish_connected += 1
        self._reported = ""
        self._enter(Step.CONNECTED, fault="")
        self._events.add("publish", "The video is published.")

    def report_failed(self, end: CallEnd) -> None:
        """Report that an attempt, or the publication, has ended by itself; another attempt follows."""
        self._counters.publish_ends[end.cause.name.lower()] += 1
        if end.reason != self._reported:  # not once for every attempt
            self._events.add("publish", f"The video is not published: {end.reason}")
        self._reported = end.reason
        self._enter(Step.FAILED, fault=end.reason)

    def report_unwanted(self) -> None:
        """Report that it is ended because nobody wants it."""
        if self.state is PublishState.LIVE:
            self._events.add("publish", "The video is not published any more.")
        self._reported = ""
        self._enter(Step.UNWANTED, fault="")

    def _enter(self, step: Step, *, fault: str | None = None) -> None:
        state = next_state(self.state, step)
        if fault is None:
            self._state.update(publishing=state)
        else:
            self._state.set_fault(FAULT, fault, publishing=state)
