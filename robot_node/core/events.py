"""What happened to the robot: a bounded log, and what a change of state means in it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from robot_node.core.state import CallState, CameraState, RobotSnapshot, RobotState, acting_for

logger = logging.getLogger(__name__)

_KEPT = 200
LONGEST_TEXT = 500
"""Characters of an event's text; what is longer is cut."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        sequence: 1 for the first since the robot started; later ones have greater numbers, whatever the clock does.
        time: When, in ISO 8601 with milliseconds, in UTC. A Pi without network may have it wrong.
        kind: What it is about: ``robot``, ``link``, ``camera``, ``privacy``, ``input``, ``microphone``, ``speech``,
            ``heard``, ``chat``, ``emotion``, ``viewers``, ``call``, ``volume``, ``fault``, ``recovered``; devices that
            are added bring their own.
        text: What happened, in a sentence.
        by: Client id of the agent that asked for it, or of the viewer who was heard or wrote; empty when nobody did,
            when it was heard near the robot, or when it isn't known.
    """

    sequence: int
    time: str
    kind: str
    text: str
    by: str = ""


class EventLog:
    """The latest events. A device adds what happens to it; whoever shows them listens. Used from the event loop only.

    Args:
        clock: The time now, with its time zone.
        kept: How many events are kept; the oldest are forgotten first.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC), *, kept: int = _KEPT) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=kept)
        self._last = 0
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def last(self) -> int:
        """Sequence number of the newest event; 0 before the first."""
        return self._last

    def add(self, kind: str, text: str, *, by: str = "") -> Event:
        """Add an event that happens now.

        Args:
            kind: One short word.
            text: One sentence; it is cut when it is too long.
            by: Client id of the agent that asked for it.
        """
        self._last += 1
        time = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        event = Event(self._last, time, kind, text[:LONGEST_TEXT], by)
        self._events.append(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # a reader's mistake is neither the writer's nor the other readers'
                logger.exception("A listener failed at an event")
        return event

    def after(self, sequence: int = 0) -> tuple[Event, ...]:
        """The events after that sequence number which are still kept, the newest last."""
        return tuple(event for event in self._events if event.sequence > sequence)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` with each event, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


def record(state: RobotState, log: EventLog) -> Callable[[], None]:
    """Add to the log what each change of the state means, until the returned function is called."""
    before, camera_has_failed = state.snapshot, state.snapshot.camera is CameraState.FAILED
    told_failure = _camera_failure(state.snapshot)

    def changed(now: RobotSnapshot) -> None:
        nonlocal before, camera_has_failed, told_failure
        previous, before = before, now
        for kind, text in _happened(previous, now):
            if text != told_failure:  # else the camera was tried again in vain, perhaps for days
                log.add(kind, text, by=acting_for() if kind in _ASKED_FOR else "")
        # Switching a failed camera on clears its error, but only a picture shows that it works again.
        if now.camera is CameraState.FAILED:
            camera_has_failed, told_failure = True, _camera_failure(now)
        elif now.camera is CameraState.OFF:
            told_failure = ""
        elif camera_has_failed and now.camera is CameraState.ON:
            camera_has_failed, told_failure = False, ""
            log.add("recovered", "The camera works again.")

    return state.listen(changed)


# What agents do. A fault may come to light while an agent acts, but no agent asked for it.
_ASKED_FOR = frozenset({"camera", "emotion", "call", "volume"})

_PRIVACY = {
    True: "The privacy switch was engaged: the camera cannot be switched on.",
    False: "The privacy switch was disengaged: the camera may be switched on.",
}

_DEVICES = {
    "privacy_error": "The privacy switch",
    "display_error": "The display",
    "microphone_error": "The microphone",
    "loudspeaker_error": "The loudspeaker",
    "hearing_error": "The speech recognition",
}

_CALLS = {
    CallState.CONNECTING: "The robot calls its media backend",
    CallState.CONNECTED: "The call to the media backend is connected",
    CallState.FAILED: "The call to the media backend failed",
    CallState.CLOSED: "The call to the media backend has ended",
}


def _happened(before: RobotSnapshot, now: RobotSnapshot) -> Iterator[tuple[str, str]]:
    yield from _links(before, now)
    if now.privacy != before.privacy:
        yield "privacy", _PRIVACY[now.privacy]
    yield from _camera(before, now)
    for field, device in _DEVICES.items():
        was, error = getattr(before, field), getattr(now, field)
        if error and error != was:
            yield "fault", f"{device} failed: {error}"
        elif was and not error:
            yield "recovered", f"{device} works again."
    yield from _faults(before.faults, now.faults)
    if now.emotion != before.emotion:
        yield "emotion", f"The face shows {now.emotion}."
    if now.microphone_on != before.microphone_on:
        yield "microphone", "The microphone was opened." if now.microphone_on else "The microphone was closed."
    if before.volume is not None and (now.volume, now.muted) != (before.volume, before.muted):
        yield "volume", f"The loudspeaker's volume is {now.volume} of 100{', muted' if now.muted else ''}."
    if now.viewers != before.viewers:
        what = "A viewer came" if now.viewers > before.viewers else "A viewer left"
        yield "viewers", f"{what}: {now.viewers} now."
    if now.call is not before.call and now.call in _CALLS:
        yield "call", _CALLS[now.call] + (f": {now.call_error}" if now.call_error else ".")


def _faults(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, error in now.items():
        if error != before.get(name):
            yield "fault", error
    for name in before.keys() - now.keys():
        yield "recovered", f"{name[:1].upper()}{name[1:]}: works again."


def _links(before: RobotSnapshot, now: RobotSnapshot) -> Iterator[tuple[str, str]]:
    if now.mcp_connected and not before.mcp_connected:
        yield "link", "Connected to the broker: agents can reach the robot."
    elif before.mcp_connected and not now.mcp_connected:
        yield "link", f"The connection to the broker is lost: {now.link_error or 'no reason is known.'}"
    if now.signaling_connected != before.signaling_connected:
        what = "up: viewers can come" if now.signaling_connected else "lost: no viewer can come"
        yield "link", f"The connection for signalling is {what}."


def _camera_failure(now: RobotSnapshot) -> str:
    return f"The camera failed: {now.camera_error}" if now.camera is CameraState.FAILED else ""


def _camera(before: RobotSnapshot, now: RobotSnapshot) -> Iterator[tuple[str, str]]:
    if now.camera is not before.camera and now.camera in {CameraState.ON, CameraState.OFF}:
        yield "camera", f"The camera was switched {now.camera}."
    if now.camera is CameraState.FAILED:
        if before.camera is not CameraState.FAILED or now.camera_error != before.camera_error:
            yield "fault", _camera_failure(now)
    # Otherwise an error means an encoder that failed: there are photos and no video.
    elif now.camera_error and now.camera_error != before.camera_error:
        yield "fault", f"The camera gives no video: {now.camera_error}"
    elif before.camera_error and not now.camera_error and before.camera is now.camera is CameraState.ON:
        yield "recovered", "The camera gives video again."
