"""The robot's events: a bounded log, and the events that changes of the state become."""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from robot_node.core.faults import FaultChange, FaultTracker
from robot_node.core.state import CallState, CameraState, Device, RobotSnapshot, RobotState, acting_for, camera_fault

logger = logging.getLogger(__name__)

_CAPACITY = 200
_MAX_DIGITS = 18
"""Of the number in a cursor."""
MAX_TEXT_CHARACTERS = 500
"""Longer texts are cut."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        sequence: 1 for the first since the robot started; later ones have greater numbers, whatever the clock does.
        time: When, in ISO 8601 with milliseconds, in UTC. A Pi without network may have it wrong.
        kind: What it is about: ``robot``, ``link``, ``camera``, ``privacy``, ``input``, ``microphone``, ``speech``,
            ``heard``, ``wake_word``, ``stop_word``, ``turn``, ``interrupted``, ``conversation``, ``motion``,
            ``detection``, ``chat``, ``message``, ``emotion``, ``viewers``, ``call``, ``volume``, ``fault``,
            ``recovered``, ``confirmation``, ``question``, ``recording``, ``publish``, ``stopped``; devices that are
            added bring their own.
        text: A sentence.
        by: Client id of the agent that caused it, or of the viewer who was heard or wrote; empty when nobody did,
            when it was heard near the robot, or when it isn't known.
        device: Which device, input, zone, label or fault it is about, where the kind alone does not say it; empty
            otherwise.
        details: Further facts by name, where there are any; of ``heard``: confidence (0 to 1), language, duration_s.
    """

    sequence: int
    time: str
    kind: str
    text: str
    by: str = ""
    device: str = ""
    details: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some of the events, read in order.

    Attributes:
        events: The oldest first.
        cursor: Read on from here: the events after this page are those that happen, or were left out, later.
        missed: Why events between the cursor that was given and this page are lost, in a sentence; empty: none is.
    """

    events: tuple[Event, ...]
    cursor: str
    missed: str = ""


class EventLog:
    """The latest events. Used from the event loop only.

    Args:
        clock: The time now, with its time zone.
        capacity: How many events are kept; the oldest are dropped first.
        start: What tells this log's cursors from those of an earlier start of the robot; None: something random.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        capacity: int = _CAPACITY,
        start: str | None = None,
    ) -> None:
        self._clock = clock
        self._start = secrets.token_hex(4) if start is None else start
        self._events: deque[Event] = deque(maxlen=capacity)
        self._last = 0
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def last(self) -> int:
        """Sequence number of the newest event; 0 before the first."""
        return self._last

    @property
    def cursor(self) -> str:
        """Where the log ends now: :meth:`read` after it gives what happens later."""
        return self._cursor(self._last)

    def add(
        self,
        kind: str,
        text: str,
        *,
        by: str = "",
        device: str = "",
        details: Mapping[str, float | str] = MappingProxyType({}),
    ) -> Event:
        """Add an event that happens now.

        Args:
            kind: One short word.
            text: One sentence; it is cut when it is too long.
            by: Client id of the agent that caused it.
            device: Which device, input or fault it is about.
            details: Further facts by name.
        """
        self._last += 1
        time = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        event = Event(self._last, time, kind, text[:MAX_TEXT_CHARACTERS], by, device, dict(details))
        self._events.append(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # one listener's bug must not affect the others
                logger.exception("A listener failed at an event")
        return event

    def after(self, sequence: int = 0) -> tuple[Event, ...]:
        """Return the kept events after that sequence number, the newest last."""
        return tuple(event for event in self._events if event.sequence > sequence)

    def read(
        self, after: str = "", *, kinds: Collection[str] = (), limit: int = _CAPACITY, not_by: str = ""
    ) -> EventPage:
        """Read events in order, from page to page: none is lost and none comes twice.

        Args:
            after: The cursor of the page before; empty: the latest events. After a cursor of an earlier start of the
                robot follow all events of this one.
            kinds: Only events of these kinds; empty: of all kinds.
            limit: How many events at most.
            not_by: Leave out what this client has caused; empty: leave out nothing.
        """
        start, _, number = after.rpartition(".")
        from_this_start = start == self._start and number.isdecimal() and len(number) <= _MAX_DIGITS
        sequence = int(number) if from_this_start else 0
        kept = self.after(sequence)
        found = [event for event in kept if (not kinds or event.kind in kinds) and not (not_by and event.by == not_by)]
        page = tuple(found[:limit] if after else found[-limit:])
        end = page[-1].sequence if len(found) > limit and after else self._last
        return EventPage(page, self._cursor(end), self._missed(after, kept, sequence, from_this_start=from_this_start))

    def _missed(self, after: str, kept: tuple[Event, ...], sequence: int, *, from_this_start: bool) -> str:
        if not after:
            return ""
        lost = kept[0].sequence - sequence - 1 if kept else 0
        if from_this_start:
            return f"{lost} events are no longer kept." if lost else ""
        no_longer = f", and {lost} events since then are no longer kept" if lost else ""
        return f"The robot has been restarted since: what happened before is not known{no_longer}."

    def _cursor(self, sequence: int) -> str:
        return f"{self._start}.{sequence}"

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` with each event, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


def record(state: RobotState, log: EventLog) -> Callable[[], None]:
    """Add each change of the state to the log as events, until the returned function is called."""
    before, faults = state.snapshot, FaultTracker(state.snapshot)

    def on_change(now: RobotSnapshot) -> None:
        nonlocal before
        previous, before = before, now
        for kind, text, *device in _events_of(previous, now):
            log.add(kind, text, by=acting_for() if kind in _CAUSED_BY_AGENTS else "", device="".join(device))
        for zone, moves in now.motion.items():
            if moves is not previous.motion.get(zone, False):
                log.add("motion", f"Motion {'began' if moves else 'ended'} in {zone}.", device=zone)
        for label in sorted({*previous.detected} ^ {*now.detected}):
            log.add("detection", f"{'Seen' if label in now.detected else 'Gone'}: {label}.", device=label)
        for change in faults.update(now):
            log.add(*_fault_event(change, now), device=change.name)

    return state.listen(on_change)


# A fault may come to light while an agent acts, but no agent has caused it.
_CAUSED_BY_AGENTS = frozenset({"camera", "emotion", "call", "microphone", "volume"})

_PRIVACY = {
    True: "The privacy switch is engaged: the camera cannot be switched on.",
    False: "The privacy switch is disengaged: the camera may be switched on.",
}

_MICROPHONE_SWITCH = {
    True: "The microphone switch is engaged: the microphone cannot be opened.",
    False: "The microphone switch is disengaged: the microphone may be opened.",
}

_DEVICES: dict[str, str] = {
    Device.DISPLAY: "The display",
    Device.HEARING: "The speech recognition",
    Device.LOUDSPEAKER: "The loudspeaker",
    Device.MICROPHONE: "The microphone",
    Device.MICROPHONE_SWITCH: "The microphone switch",
    Device.PRIVACY: "The privacy switch",
    Device.VOICE: "The voice",
}

_CALLS = {
    CallState.CONNECTING: "The robot calls its media backend",
    CallState.CONNECTED: "The call to the media backend is connected",
    CallState.FAILED: "The call to the media backend failed",
    CallState.CLOSED: "The call to the media backend has ended",
}


def _events_of(before: RobotSnapshot, now: RobotSnapshot) -> Iterator[tuple[str, ...]]:
    """Yield kind and text of each event, and of a camera its name when there are several."""
    yield from _links(before, now)
    if now.privacy != before.privacy:
        yield "privacy", _PRIVACY[now.privacy]
    if now.microphone_privacy != before.microphone_privacy:
        yield "privacy", _MICROPHONE_SWITCH[now.microphone_privacy], Device.MICROPHONE
    cameras_before = before.every_camera
    for name, camera in now.every_camera.items():
        was = cameras_before.get(name)
        if was is not None and camera.state is not was.state and camera.state in {CameraState.ON, CameraState.OFF}:
            yield "camera", f"The camera{_quoted(name)} was switched {camera.state}.", name
    if now.emotion != before.emotion:
        yield "emotion", f"The face shows {now.emotion}."
    if before.microphone_enabled is not None and now.microphone_enabled is not before.microphone_enabled:
        yield "microphone", f"The microphone was switched {'on' if now.microphone_enabled else 'off'}."
    if now.microphone_on != before.microphone_on:
        yield "microphone", "The microphone was opened." if now.microphone_on else "The microphone was closed."
    if before.volume is not None and (now.volume, now.muted) != (before.volume, before.muted):
        yield "volume", f"The loudspeaker's volume is {now.volume} of 100{', muted' if now.muted else ''}."
    if now.viewers != before.viewers:
        what = "A viewer came" if now.viewers > before.viewers else "A viewer left"
        yield "viewers", f"{what}: {now.viewers} now."
    if now.call is not before.call and now.call in _CALLS:
        yield "call", _CALLS[now.call] + (f": {now.call_error}" if now.call_error else ".")


def _fault_event(change: FaultChange, now: RobotSnapshot) -> tuple[str, str]:
    camera = now.cameras_by_fault().get(change.name)
    # Of anything else the error says itself what it is about.
    device = _DEVICES.get(change.name) if camera is None else _camera_of_fault(change.name, now)
    if not change.error:
        return "recovered", f"{device} works again." if device else f"{_capital(change.name)}: works again."
    if camera is not None and camera.state is not CameraState.FAILED:  # an encoder failed: there are photos
        return "fault", f"{device} gives no video: {change.error}"
    return "fault", f"{device} failed: {change.error}" if device else change.error


def _camera_of_fault(fault: str, now: RobotSnapshot) -> str:
    name = fault.removeprefix(camera_fault("")).strip() or now.first_camera
    return f"The camera{_quoted(name)}"


def _quoted(name: str) -> str:
    return f" {name!r}" if name else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _links(before: RobotSnapshot, now: RobotSnapshot) -> Iterator[tuple[str, str]]:
    if now.mcp_connected and not before.mcp_connected:
        yield "link", "Connected to the broker: agents can reach the robot."
    elif before.mcp_connected and not now.mcp_connected:
        yield "link", f"The connection to the broker is lost: {now.link_error or 'no reason is known.'}"
    if now.signaling_connected != before.signaling_connected:
        what = "up: viewers can come" if now.signaling_connected else "lost: no viewer can come"
        yield "link", f"The connection for signalling is {what}."
