"""The camera's table, cell by cell, and what holds in all of its cells whatever the flags are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from robot_node.core.state import CameraState
from robot_node.devices.camera.states import Action, CameraEvent, Situation, decide, refusal
from robot_node.errors import DeviceError, NotReadyError

OFF, STARTING, ON, STOPPING, FAILED = CameraState
E, A = CameraEvent, Action
NOTHING, OPEN, STOP = A.NOTHING, A.OPEN, A.STOP

CELLS = [
    (OFF, E.SWITCH_ON, STARTING, OPEN),
    (OFF, E.SWITCH_OFF, OFF, NOTHING),
    (OFF, E.PHOTO, OFF, A.REFUSE_OFF),
    (OFF, E.SWITCH_ON_FOR_PHOTO, STARTING, OPEN),
    (OFF, E.PHOTOS_TAKEN, OFF, NOTHING),
    (OFF, E.RESTART, OFF, NOTHING),
    (OFF, E.IDLE, OFF, NOTHING),
    (OFF, E.PRIVACY, OFF, NOTHING),
    (OFF, E.INDICATOR_FAILED, OFF, NOTHING),
    (OFF, E.CLOSE, OFF, NOTHING),
    (STARTING, E.FIRST_PICTURE, ON, NOTHING),
    (STARTING, E.FAULT, STOPPING, STOP),
    (STARTING, E.STALL, STOPPING, STOP),
    (STARTING, E.PRIVACY, STOPPING, STOP),
    (STARTING, E.INDICATOR_FAILED, STOPPING, STOP),
    (STARTING, E.CLOSE, STOPPING, STOP),
    (ON, E.SWITCH_ON, ON, NOTHING),
    (ON, E.SWITCH_OFF, STOPPING, STOP),
    (ON, E.PHOTO, ON, A.TAKE_PHOTO),
    (ON, E.SWITCH_ON_FOR_PHOTO, ON, NOTHING),
    (ON, E.PHOTOS_TAKEN, ON, NOTHING),
    (ON, E.RESTART, ON, NOTHING),
    (ON, E.IDLE, STOPPING, STOP),
    (ON, E.FAULT, STOPPING, STOP),
    (ON, E.STALL, STOPPING, STOP),
    (ON, E.PRIVACY, STOPPING, STOP),
    (ON, E.INDICATOR_FAILED, STOPPING, STOP),
    (ON, E.CLOSE, STOPPING, STOP),
    (STOPPING, E.PHOTO, STOPPING, A.REFUSE_OFF),
    (STOPPING, E.FAULT, STOPPING, NOTHING),
    (STOPPING, E.STALL, STOPPING, NOTHING),
    (STOPPING, E.CLOSED, OFF, NOTHING),
    (STOPPING, E.NOT_CLOSED, FAILED, NOTHING),
    (STOPPING, E.PRIVACY, STOPPING, NOTHING),
    (STOPPING, E.INDICATOR_FAILED, STOPPING, NOTHING),
    (STOPPING, E.CLOSE, STOPPING, NOTHING),
    (FAILED, E.SWITCH_ON, STARTING, OPEN),
    (FAILED, E.SWITCH_OFF, OFF, NOTHING),
    (FAILED, E.PHOTO, FAILED, A.REFUSE_FAILED),
    (FAILED, E.SWITCH_ON_FOR_PHOTO, STARTING, OPEN),
    (FAILED, E.PHOTOS_TAKEN, FAILED, NOTHING),
    (FAILED, E.RESTART, FAILED, NOTHING),
    (FAILED, E.IDLE, FAILED, NOTHING),
    (FAILED, E.RELEASED, FAILED, NOTHING),
    (FAILED, E.PRIVACY, FAILED, NOTHING),
    (FAILED, E.INDICATOR_FAILED, FAILED, NOTHING),
    (FAILED, E.CLOSE, OFF, NOTHING),
]
POSSIBLE = {(state, event) for state, event, _, _ in CELLS}
IMPOSSIBLE = [pair for pair in itertools.product(CameraState, CameraEvent) if pair not in POSSIBLE]


@pytest.mark.parametrize(("state", "event", "expected", "action"), CELLS)
def test_each_cell(state: CameraState, event: CameraEvent, expected: CameraState, action: Action) -> None:
    after, decided = decide(Situation(state), event)
    assert (after.state, decided) == (expected, action)


@pytest.mark.parametrize(("state", "event"), IMPOSSIBLE)
def test_what_cannot_happen_is_a_mistake_of_the_caller(state: CameraState, event: CameraEvent) -> None:
    with pytest.raises(ValueError, match=f"{event.name} cannot happen to a camera that is {state}"):
        decide(Situation(state), event)


@pytest.mark.parametrize(
    ("now", "event", "expected", "action"),
    [
        (Situation(OFF, privacy=True), E.SWITCH_ON, OFF, A.REFUSE_PRIVACY),
        (Situation(OFF, privacy=True), E.PHOTO, OFF, A.REFUSE_PRIVACY),
        (Situation(FAILED, privacy=True), E.SWITCH_ON, FAILED, A.REFUSE_PRIVACY),
        (Situation(STOPPING, privacy=True), E.PHOTO, STOPPING, A.REFUSE_PRIVACY),
        (Situation(STARTING, privacy=True), E.FIRST_PICTURE, STOPPING, A.REFUSE_PRIVACY),
        (Situation(FAILED, resumes=True, privacy=True), E.RESTART, FAILED, A.REFUSE_PRIVACY),
        (Situation(OFF, privacy=True), E.SWITCH_ON_FOR_PHOTO, OFF, A.REFUSE_PRIVACY),
        (Situation(FAILED, privacy=True), E.SWITCH_ON_FOR_PHOTO, FAILED, A.REFUSE_PRIVACY),
        (Situation(OFF, closing=True), E.SWITCH_ON_FOR_PHOTO, OFF, A.REFUSE_CLOSING),
        (Situation(FAILED, resumes=True), E.SWITCH_ON_FOR_PHOTO, FAILED, A.REFUSE_RESTARTING),
        (Situation(ON, for_photos=True), E.PHOTOS_TAKEN, STOPPING, STOP),
        (Situation(OFF, closing=True), E.SWITCH_ON, OFF, A.REFUSE_CLOSING),
        (Situation(FAILED, closing=True), E.SWITCH_ON, FAILED, A.REFUSE_CLOSING),
        (Situation(OFF, closing=True, privacy=True), E.PHOTO, OFF, A.REFUSE_CLOSING),
        (Situation(STARTING, closing=True), E.FIRST_PICTURE, STOPPING, A.REFUSE_CLOSING),
        (Situation(FAILED, resumes=True), E.RESTART, STARTING, OPEN),
        (Situation(FAILED, resumes=True), E.PHOTO, FAILED, A.REFUSE_RESTARTING),
        (Situation(STOPPING, failing=True), E.CLOSED, FAILED, NOTHING),
        (Situation(STOPPING, unclosed=True), E.CLOSED, FAILED, A.REFUSE_NOT_CLOSED),
        (Situation(FAILED, unclosed=True), E.SWITCH_OFF, FAILED, A.REFUSE_NOT_CLOSED),
        (Situation(FAILED, unclosed=True), E.CLOSE, FAILED, A.REFUSE_NOT_CLOSED),
        (Situation(FAILED, unclosed=True), E.SWITCH_ON, FAILED, A.REFUSE_NOT_CLOSED),
        (Situation(FAILED, unclosed=True), E.SWITCH_ON_FOR_PHOTO, FAILED, A.REFUSE_NOT_CLOSED),
        (Situation(FAILED, resumes=True, unclosed=True), E.RESTART, FAILED, A.REFUSE_NOT_CLOSED),
        (Situation(FAILED, off_when_closed=True), E.RELEASED, OFF, NOTHING),
        (Situation(FAILED, off_when_closed=True, unclosed=True), E.RELEASED, FAILED, NOTHING),
    ],
)
def test_flags_that_change_a_cell(now: Situation, event: CameraEvent, expected: CameraState, action: Action) -> None:
    after, decided = decide(now, event)
    assert (after.state, decided) == (expected, action)


@pytest.mark.parametrize(
    ("now", "event", "wanted"),
    [
        (Situation(STARTING), E.FIRST_PICTURE, True),
        (Situation(ON), E.SWITCH_ON, True),
        (Situation(OFF, wanted=True), E.SWITCH_OFF, False),
        (Situation(ON, wanted=True), E.SWITCH_OFF, False),
        (Situation(FAILED, wanted=True), E.SWITCH_OFF, False),
        (Situation(ON, wanted=True), E.IDLE, None),
        (Situation(OFF, wanted=False), E.IDLE, False),
        (Situation(OFF, wanted=True), E.PRIVACY, False),
        (Situation(OFF, wanted=None), E.PRIVACY, None),
        (Situation(STARTING, wanted=None), E.PRIVACY, False),
        (Situation(ON, wanted=True), E.PRIVACY, False),
        (Situation(STOPPING, wanted=None), E.PRIVACY, False),
        (Situation(FAILED, wanted=True), E.PRIVACY, False),
        (Situation(ON, wanted=True), E.CLOSE, True),
        (Situation(ON, wanted=True), E.STALL, True),
        (Situation(ON, wanted=True), E.INDICATOR_FAILED, True),
        (Situation(STARTING, wanted=None), E.FAULT, None),
        (Situation(STARTING, wanted=True, privacy=True), E.FIRST_PICTURE, False),
        (Situation(STARTING, wanted=None, for_photos=True), E.FIRST_PICTURE, None),
        (Situation(STARTING, wanted=False, for_photos=True), E.FIRST_PICTURE, False),
        (Situation(STARTING, for_photos=True, privacy=True), E.FIRST_PICTURE, False),
        (Situation(ON, wanted=False, for_photos=True), E.IDLE, False),
        (Situation(ON, wanted=False, for_photos=True), E.PHOTOS_TAKEN, False),
        (Situation(ON, wanted=False, for_photos=True), E.SWITCH_ON, True),
        (Situation(ON, wanted=None, for_photos=True), E.PRIVACY, False),
    ],
)
def test_who_switched_it_last_is_remembered(now: Situation, event: CameraEvent, wanted: bool | None) -> None:
    assert decide(now, event)[0].wanted is wanted


@pytest.mark.parametrize(
    ("now", "event", "resumes"),
    [
        (Situation(ON), E.STALL, True),
        (Situation(ON, for_photos=True), E.STALL, False),
        (Situation(ON), E.FAULT, False),
        (Situation(STARTING), E.STALL, False),
        (Situation(STARTING, resumes=True), E.STALL, True),
        (Situation(STARTING, resumes=True), E.FAULT, True),
        (Situation(STOPPING, resumes=True), E.CLOSED, True),
        (Situation(STOPPING, resumes=True), E.NOT_CLOSED, True),
        (Situation(FAILED, resumes=True), E.SWITCH_ON, True),
        *((Situation(FAILED, resumes=True), event, False) for event in (E.SWITCH_OFF, E.PRIVACY, E.INDICATOR_FAILED)),
        (Situation(STOPPING, resumes=True), E.PRIVACY, False),
        (Situation(STARTING, resumes=True), E.FIRST_PICTURE, False),
    ],
)
def test_what_the_watchdog_may_switch_on_again(now: Situation, event: CameraEvent, resumes: bool) -> None:
    assert decide(now, event)[0].resumes is resumes


@pytest.mark.parametrize(
    ("now", "event", "for_photos"),
    [
        (Situation(OFF), E.SWITCH_ON_FOR_PHOTO, True),
        (Situation(OFF, privacy=True), E.SWITCH_ON_FOR_PHOTO, False),
        (Situation(FAILED), E.SWITCH_ON_FOR_PHOTO, True),
        (Situation(ON), E.SWITCH_ON_FOR_PHOTO, False),
        (Situation(ON, for_photos=True), E.SWITCH_ON_FOR_PHOTO, True),
        (Situation(STARTING, for_photos=True), E.FIRST_PICTURE, True),
        (Situation(ON, for_photos=True), E.PHOTO, True),
        (Situation(ON, for_photos=True), E.SWITCH_ON, False),
        *((Situation(ON, for_photos=True), event, False) for event in (E.SWITCH_OFF, E.PHOTOS_TAKEN, E.PRIVACY)),
        *((Situation(STARTING, for_photos=True), event, False) for event in (E.FAULT, E.CLOSE)),
    ],
)
def test_a_camera_is_on_for_photos_until_somebody_else_switches_it(
    now: Situation, event: CameraEvent, for_photos: bool
) -> None:
    assert decide(now, event)[0].for_photos is for_photos


@pytest.mark.parametrize(
    ("now", "event", "off_when_closed"),
    [
        (Situation(STOPPING, unclosed=True), E.NOT_CLOSED, True),
        (Situation(STOPPING, failing=True, unclosed=True), E.NOT_CLOSED, False),
        (Situation(FAILED, unclosed=True), E.SWITCH_OFF, True),
        (Situation(FAILED, unclosed=True, off_when_closed=True), E.PRIVACY, True),
        (Situation(FAILED, off_when_closed=True), E.RELEASED, False),
        (Situation(FAILED, off_when_closed=True), E.SWITCH_ON, False),
    ],
)
def test_a_camera_that_was_to_go_off_and_closes_late_is_off_then(
    now: Situation, event: CameraEvent, off_when_closed: bool
) -> None:
    assert decide(now, event)[0].off_when_closed is off_when_closed


@pytest.mark.parametrize(
    ("events", "ends"),
    [
        ([E.STALL, E.CLOSED], FAILED),
        ([E.INDICATOR_FAILED, E.CLOSED], FAILED),
        ([E.INDICATOR_FAILED, E.FAULT, E.CLOSED], FAILED),
        ([E.PRIVACY, E.FAULT, E.CLOSED], OFF),
        ([E.FAULT, E.PRIVACY, E.CLOSED], OFF),
        ([E.STALL, E.CLOSE, E.CLOSED], OFF),
        ([E.PRIVACY, E.INDICATOR_FAILED, E.CLOSED], OFF),
        ([E.PRIVACY, E.NOT_CLOSED], FAILED),
    ],
)
def test_what_a_stop_ends_in(events: list[CameraEvent], ends: CameraState) -> None:
    now = Situation(ON, wanted=True)
    for event in events:
        now, _ = decide(now, event)
    assert now.state is ends
    assert not now.failing


def every_situation() -> Iterator[tuple[Situation, CameraEvent]]:
    both = (False, True)
    for state, event in sorted(POSSIBLE, key=str):
        for wanted, *flags in itertools.product((None, True, False), both, both, both, both, both, both, both):
            failing, resumes, for_photos, privacy, closing, unclosed, late = map(bool, flags)
            yield Situation(state, wanted, failing, resumes, for_photos, privacy, closing, unclosed, late), event


def test_what_holds_in_every_cell_whatever_the_flags_are() -> None:
    for now, event in every_situation():
        after, action = decide(now, event)
        where = f"{event} in {now}"
        if now.privacy or now.closing:
            assert action not in {OPEN, A.TAKE_PHOTO}, where
            assert after.state is not ON or now.state is ON, where
        if event is E.PRIVACY:
            assert after.wanted is not True, where
            assert not after.resumes, where
        if event in {E.PRIVACY, E.CLOSE, E.INDICATOR_FAILED}:
            assert after.state not in {STARTING, ON}, where
        if after.state is ON and now.state is not ON:
            assert event is E.FIRST_PICTURE, where
        if after.wanted is True and now.wanted is not True:
            assert after.state is ON, where
        assert (action is OPEN) == (after.state is STARTING and now.state is not STARTING), where
        if after.state is STOPPING and now.state is not STOPPING:
            assert action is STOP or refusal(action), where
        if now.unclosed and now.state is not OFF:
            assert after.state is not OFF, where
            assert action is not OPEN, where
        assert not (after.failing and after.state is not STOPPING), where
        assert not (after.off_when_closed and after.state is not FAILED), where
        assert not (after.for_photos and after.state not in {STARTING, ON}), where
        if after.for_photos and not now.privacy:
            assert after.wanted is now.wanted, where
        if now.for_photos and event is E.PHOTOS_TAKEN:
            assert after.state is not ON, where
        changing = ("state", "wanted", "failing", "resumes", "for_photos", "off_when_closed")
        flags = {name: getattr(after, name) for name in changing}
        assert replace(now, **flags) == after


@pytest.mark.parametrize(
    ("action", "kind", "text"),
    [
        (A.REFUSE_OFF, NotReadyError, "The camera is off. Call control_camera with enabled=true first."),
        (
            A.REFUSE_FAILED,
            NotReadyError,
            "The camera has failed. Call control_camera with enabled=true to try it again.",
        ),
        (
            A.REFUSE_RESTARTING,
            NotReadyError,
            "The camera delivered no pictures and is being restarted. Try again in a few seconds.",
        ),
        (
            A.REFUSE_PRIVACY,
            NotReadyError,
            (
                "The privacy switch of the robot is engaged: the camera is off, and nobody can switch it on from afar. "
                "Only a person at the robot can disengage it."
            ),
        ),
        (A.REFUSE_CLOSING, NotReadyError, "The camera is closed because the robot is shutting down."),
        (
            A.REFUSE_NOT_CLOSED,
            DeviceError,
            "The camera could not be closed and may still be capturing. Restart the robot: the kernel then closes it.",
        ),
    ],
)
def test_each_refusal_says_why_and_what_to_do(action: Action, kind: type[Exception], text: str) -> None:
    error = refusal(action)
    assert type(error) is kind
    assert str(error) == text


@pytest.mark.parametrize("action", [NOTHING, OPEN, STOP, A.TAKE_PHOTO])
def test_what_is_done_is_not_refused(action: Action) -> None:
    assert refusal(action) is None
