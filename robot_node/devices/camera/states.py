"""The camera's states as one table: what each event does in each state. Pure: no hardware, no clock, no task.

:mod:`robot_node.devices.camera` is the shell around it: it passes events in, and does what comes out.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from robot_node.core.state import CameraState
from robot_node.errors import DeviceError, NotReadyError, RobotNodeError

OFF, STARTING, ON, STOPPING, FAILED = CameraState


class CameraEvent(enum.Enum):
    """What can happen to a camera."""

    # Requests: each in its turn, so never while the camera starts or stops.
    SWITCH_ON = enum.auto()
    SWITCH_OFF = enum.auto()
    PHOTO = enum.auto()
    SWITCH_ON_FOR_PHOTO = enum.auto()  # before a photo, with camera.photo_switches_on
    PHOTOS_TAKEN = enum.auto()  # none is waiting any more
    RESTART = enum.auto()  # by the watchdog
    IDLE = enum.auto()  # unused for the time in the settings
    # Results of what the shell does.
    FIRST_PICTURE = enum.auto()
    FAULT = enum.auto()  # the library fails, or refuses
    STALL = enum.auto()  # there are no pictures, or a call hangs: a restart may help
    CLOSED = enum.auto()  # the sensor is off
    NOT_CLOSED = enum.auto()  # the sensor may still be on
    RELEASED = enum.auto()  # one that may still have been on is off
    # At any time, whatever is under way.
    PRIVACY = enum.auto()  # the switch was engaged
    INDICATOR_FAILED = enum.auto()  # the LED is dark, or may be
    CLOSE = enum.auto()  # the robot is shutting down


class Action(enum.Enum):
    """What the shell has to do. A refusal is an error for the caller."""

    NOTHING = enum.auto()
    OPEN = enum.auto()
    STOP = enum.auto()
    TAKE_PHOTO = enum.auto()
    REFUSE_OFF = enum.auto()
    REFUSE_FAILED = enum.auto()
    REFUSE_RESTARTING = enum.auto()
    REFUSE_NOT_CLOSED = enum.auto()
    REFUSE_PRIVACY = enum.auto()
    REFUSE_CLOSING = enum.auto()


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides what an event does.

    Attributes:
        state: The camera's state.
        wanted: Whether it was switched on (True) or off (False) last, by an agent or a hand; None: neither, or the
            robot itself has switched it off.
        failing: While stopping: because of a fault.
        resumes: It failed while it was on, and the watchdog is to switch it on again.
        for_photos: A photo has switched it on, and nobody else since then: it goes off after the last one.
        privacy: The privacy switch is engaged.
        closing: The robot is shutting down.
        unclosed: An earlier sensor could not be closed, and may still be on.
        off_when_closed: It failed only because it could not be closed when it was to go off.
    """

    state: CameraState = OFF
    wanted: bool | None = None
    failing: bool = False
    resumes: bool = False
    for_photos: bool = False
    privacy: bool = False
    closing: bool = False
    unclosed: bool = False
    off_when_closed: bool = False


_E, _A = CameraEvent, Action

TABLE: dict[CameraState, dict[CameraEvent, tuple[CameraState, Action]]] = {
    OFF: {
        _E.SWITCH_ON: (STARTING, _A.OPEN),
        _E.SWITCH_OFF: (OFF, _A.NOTHING),
        _E.PHOTO: (OFF, _A.REFUSE_OFF),
        _E.SWITCH_ON_FOR_PHOTO: (STARTING, _A.OPEN),
        _E.PHOTOS_TAKEN: (OFF, _A.NOTHING),
        _E.RESTART: (OFF, _A.NOTHING),
        _E.IDLE: (OFF, _A.NOTHING),
        _E.PRIVACY: (OFF, _A.NOTHING),
        _E.INDICATOR_FAILED: (OFF, _A.NOTHING),
        _E.CLOSE: (OFF, _A.NOTHING),
    },
    STARTING: {
        _E.FIRST_PICTURE: (ON, _A.NOTHING),
        _E.FAULT: (STOPPING, _A.STOP),
        _E.STALL: (STOPPING, _A.STOP),
        _E.PRIVACY: (STOPPING, _A.STOP),
        _E.INDICATOR_FAILED: (STOPPING, _A.STOP),
        _E.CLOSE: (STOPPING, _A.STOP),
    },
    ON: {
        _E.SWITCH_ON: (ON, _A.NOTHING),
        _E.SWITCH_OFF: (STOPPING, _A.STOP),
        _E.PHOTO: (ON, _A.TAKE_PHOTO),
        _E.SWITCH_ON_FOR_PHOTO: (ON, _A.NOTHING),
        _E.PHOTOS_TAKEN: (ON, _A.NOTHING),  # for_photos: (STOPPING, STOP)
        _E.RESTART: (ON, _A.NOTHING),
        _E.IDLE: (STOPPING, _A.STOP),
        _E.FAULT: (STOPPING, _A.STOP),
        _E.STALL: (STOPPING, _A.STOP),
        _E.PRIVACY: (STOPPING, _A.STOP),
        _E.INDICATOR_FAILED: (STOPPING, _A.STOP),
        _E.CLOSE: (STOPPING, _A.STOP),
    },
    STOPPING: {
        _E.PHOTO: (STOPPING, _A.REFUSE_OFF),
        _E.FAULT: (STOPPING, _A.NOTHING),  # of a call that was under way
        _E.STALL: (STOPPING, _A.NOTHING),
        _E.CLOSED: (OFF, _A.NOTHING),  # failing or unclosed: it is FAILED
        _E.NOT_CLOSED: (FAILED, _A.NOTHING),
        _E.PRIVACY: (STOPPING, _A.NOTHING),
        _E.INDICATOR_FAILED: (STOPPING, _A.NOTHING),
        _E.CLOSE: (STOPPING, _A.NOTHING),
    },
    FAILED: {
        _E.SWITCH_ON: (STARTING, _A.OPEN),  # unclosed: REFUSE_NOT_CLOSED
        _E.SWITCH_OFF: (OFF, _A.NOTHING),  # unclosed: it stays FAILED
        _E.PHOTO: (FAILED, _A.REFUSE_FAILED),  # resumes: REFUSE_RESTARTING
        _E.SWITCH_ON_FOR_PHOTO: (STARTING, _A.OPEN),  # resumes: REFUSE_RESTARTING; unclosed: REFUSE_NOT_CLOSED
        _E.PHOTOS_TAKEN: (FAILED, _A.NOTHING),
        _E.RESTART: (FAILED, _A.NOTHING),  # resumes: (STARTING, OPEN)
        _E.IDLE: (FAILED, _A.NOTHING),
        _E.RELEASED: (FAILED, _A.NOTHING),  # off_when_closed: it is OFF
        _E.PRIVACY: (FAILED, _A.NOTHING),
        _E.INDICATOR_FAILED: (FAILED, _A.NOTHING),
        _E.CLOSE: (OFF, _A.NOTHING),  # unclosed: it stays FAILED
    },
}

"""The next state, and what the shell has to do. An event that is missing in a state cannot happen there."""

_FAULTS = {_E.FAULT, _E.STALL, _E.INDICATOR_FAILED}
_CANCEL_RESUMING = {_E.FIRST_PICTURE, _E.SWITCH_OFF, _E.IDLE, _E.PRIVACY, _E.INDICATOR_FAILED, _E.CLOSE}


def decide(now: Situation, event: CameraEvent) -> tuple[Situation, Action]:
    """Return the situation after an event, and what is to be done.

    Raises:
        ValueError: The event cannot happen in that state: a mistake in the shell.
    """
    try:
        state, action = TABLE[now.state][event]
    except KeyError:
        raise ValueError(f"{event.name} cannot happen to a camera that is {now.state}.") from None
    state, action = _with_flags(now, event) or (state, action)
    return (
        replace(
            now,
            state=state,
            wanted=_wanted(now, event, state),
            failing=state is STOPPING and _failing(now, event),
            resumes=_resumes(now, event),
            for_photos=_for_photos(now, event, state),
            off_when_closed=state is FAILED and _off_when_closed(now, event),
        ),
        action,
    )


def _with_flags(now: Situation, event: CameraEvent) -> tuple[CameraState, Action] | None:
    """The cell that takes the place of the table's because of the situation's flags; None for the table's own."""
    refused = _A.REFUSE_CLOSING if now.closing else _A.REFUSE_PRIVACY if now.privacy else None
    cell: tuple[CameraState, Action] | None = None
    match event:
        case _E.SWITCH_ON | _E.PHOTO | _E.SWITCH_ON_FOR_PHOTO if refused:
            cell = now.state, refused
        case _E.FIRST_PICTURE if refused:
            cell = STOPPING, refused
        case _E.RESTART if now.state is FAILED and now.resumes:
            refused = refused or (_A.REFUSE_NOT_CLOSED if now.unclosed else None)
            cell = (FAILED, refused) if refused else (STARTING, _A.OPEN)
        case _E.PHOTO | _E.SWITCH_ON_FOR_PHOTO if now.state is FAILED and now.resumes:
            cell = FAILED, _A.REFUSE_RESTARTING
        case _E.SWITCH_ON | _E.SWITCH_ON_FOR_PHOTO if now.state is FAILED and now.unclosed:
            cell = FAILED, _A.REFUSE_NOT_CLOSED
        case _E.RELEASED if now.off_when_closed and not now.unclosed:
            cell = OFF, _A.NOTHING
        case _E.PHOTOS_TAKEN if now.state is ON and now.for_photos:
            cell = STOPPING, _A.STOP
        case _E.CLOSED if now.unclosed:
            cell = FAILED, _A.REFUSE_NOT_CLOSED
        case _E.CLOSED if now.failing:
            cell = FAILED, _A.NOTHING
        case _E.SWITCH_OFF | _E.CLOSE if now.state is FAILED and now.unclosed:
            cell = FAILED, _A.REFUSE_NOT_CLOSED
    return cell


def _wanted(now: Situation, event: CameraEvent, state: CameraState) -> bool | None:
    wanted = now.wanted
    match event:
        case _E.FIRST_PICTURE if now.privacy:
            wanted = False
        case _E.FIRST_PICTURE | _E.IDLE if now.for_photos:
            pass  # nobody has switched it
        case _E.SWITCH_ON | _E.FIRST_PICTURE if state is ON and not now.privacy:
            wanted = True
        case _E.SWITCH_OFF:
            wanted = False
        case _E.PRIVACY if now.state is not OFF or now.wanted:
            wanted = False
        case _E.IDLE if now.state is ON:
            wanted = None
    return wanted


def _failing(now: Situation, event: CameraEvent) -> bool:
    if now.state is STOPPING:  # what began the stop decides; a hand, and the robot's end, come first
        return now.failing and event not in {_E.PRIVACY, _E.CLOSE}
    return event in _FAULTS


def _off_when_closed(now: Situation, event: CameraEvent) -> bool:
    if event in {_E.NOT_CLOSED, _E.SWITCH_OFF}:
        return not now.failing
    return now.off_when_closed


def _resumes(now: Situation, event: CameraEvent) -> bool:
    if event is _E.STALL and now.state is ON:
        return not now.for_photos
    return now.resumes and event not in _CANCEL_RESUMING


def _for_photos(now: Situation, event: CameraEvent, state: CameraState) -> bool:
    if event is _E.SWITCH_ON_FOR_PHOTO and now.state is not ON:
        return state is STARTING
    return now.for_photos and state in {STARTING, ON} and event is not _E.SWITCH_ON


_SWITCH_ON = "Call control_camera with enabled=true"
_REFUSALS: dict[Action, tuple[type[RobotNodeError], str, str]] = {
    _A.REFUSE_OFF: (NotReadyError, "The camera is off.", f"{_SWITCH_ON} first."),
    _A.REFUSE_FAILED: (NotReadyError, "The camera has failed.", f"{_SWITCH_ON} to try it again."),
    _A.REFUSE_RESTARTING: (
        NotReadyError,
        "The camera delivered no pictures and is being restarted.",
        "Try again in a few seconds.",
    ),
    _A.REFUSE_NOT_CLOSED: (
        DeviceError,
        "The camera could not be closed and may still be capturing.",
        "Restart the robot: the kernel then closes it.",
    ),
    _A.REFUSE_PRIVACY: (
        NotReadyError,
        "The privacy switch of the robot is engaged: the camera is off, and nobody can switch it on from afar.",
        "Only a person at the robot can disengage it.",
    ),
    _A.REFUSE_CLOSING: (NotReadyError, "The camera is closed because the robot is shutting down.", ""),
}


def refusal(action: Action) -> RobotNodeError | None:
    """The error for the caller whose request is refused; None for any other action."""
    if action not in _REFUSALS:
        return None
    kind, message, remedy = _REFUSALS[action]
    return kind(message, remedy=remedy)
