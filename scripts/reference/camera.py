"""The page of the camera's states, from the table in :mod:`robot_node.devices.camera.states`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from robot_node.core.state import CameraState
from robot_node.devices.camera.states import TABLE, Action, CameraEvent, Situation, decide

_HEAD = """# The camera's states

Made from `robot_node/devices/camera/states.py` by `make reference`; `tests/devices/camera/test_states.py` tests each
cell.
A row is an event, a column the state in which it happens. A cell is the state that follows and what is done;
an empty one cannot happen.
"""
_FLAGS = {
    "privacy": "the privacy switch is engaged",
    "closing": "the robot is shutting down",
    "unclosed": "an earlier sensor could not be closed",
    "failing": "it stops because of a fault",
    "resumes": "it failed while it was on",
    "for_photos": "it is on for photos only",
    "off_when_closed": "it could not be closed in time when it was to go off",
}


def camera_page() -> str:
    """Return the page as Markdown."""
    states = list(CameraState)
    lines = [
        _HEAD,
        f"| event | {' | '.join(states)} |",
        f"|---|{'---|' * len(states)}",
        *(f"| {_name(event)} | {' | '.join(_cell(state, event) for state in states)} |" for event in CameraEvent),
        "\n## What changes it\n\nThese cells are others while a flag of the situation is set:\n",
        "| while | event | in | then |",
        "|---|---|---|---|",
        *_exceptions(),
    ]
    return "\n".join(lines) + "\n"


def _cell(state: CameraState, event: CameraEvent) -> str:
    if event not in TABLE[state]:
        return ""
    after, action = TABLE[state][event]
    return _outcome(after, action)


def _exceptions() -> Iterator[str]:
    for flag, meaning in _FLAGS.items():
        flags: dict[str, Any] = {flag: True}
        for event in CameraEvent:
            for state in CameraState:
                if event not in TABLE[state]:
                    continue
                after, action = decide(Situation(state, **flags), event)
                if (after.state, action) != TABLE[state][event]:
                    yield f"| {meaning} | {_name(event)} | {state} | {_outcome(after.state, action)} |"


def _outcome(after: CameraState, action: Action) -> str:
    return f"{after}" if action is Action.NOTHING else f"{after}: {action.name.lower().replace('_', ' ')}"


def _name(event: CameraEvent) -> str:
    return event.name.lower().replace("_", " ")
