"""When the display is dimmed, dark or shifted."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from PIL import Image

from robot_node.face.display_policy import DisplayPolicy, Night, shifted

NOON = dt.time(12)


@pytest.mark.parametrize(
    ("night", "time", "holds"),
    [
        ("22:00-07:00", dt.time(23), True),
        ("22:00-07:00", dt.time(0), True),
        ("22:00-07:00", dt.time(6, 59), True),
        ("22:00-07:00", dt.time(7), False),
        ("22:00-07:00", NOON, False),
        ("01:00-05:30", dt.time(5), True),
        ("01:00-05:30", dt.time(0, 59), False),
    ],
)
def test_a_night_may_hold_midnight(night: str, time: dt.time, *, holds: bool) -> None:
    assert Night.parse(night).contains(time) is holds


@pytest.mark.parametrize("text", ["22:00", "22-7", "25:00-07:00", "08:00-08:00", "a-b", "22:00-07:00-08:00"])
def test_what_is_no_night_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"times of day|equal"):
        Night.parse(text)


def test_without_wishes_nothing_is_done() -> None:
    policy = DisplayPolicy(contrast=9)
    state = policy.state_at(1e6, active_at=0, started_at=0, local=dt.time(3))
    assert (state.on, state.contrast, state.shift) == (True, 9, (0, 0))
    assert policy.next_change(5.0, active_at=0, started_at=0) == math.inf


def test_it_goes_dark_after_a_while() -> None:
    policy = DisplayPolicy(off_after_s=10)
    assert policy.state_at(12.9, active_at=3, started_at=0, local=NOON).on
    assert not policy.state_at(13, active_at=3, started_at=0, local=NOON).on
    assert policy.next_change(5, active_at=3, started_at=0) == 13
    assert policy.next_change(14, active_at=3, started_at=0) == math.inf


def test_the_picture_goes_round() -> None:
    policy = DisplayPolicy(shift_every_s=60)
    places = [policy.state_at(60 * turn + 1, active_at=0, started_at=0, local=NOON).shift for turn in range(5)]
    assert places == [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    assert policy.next_change(61, active_at=0, started_at=0) == 120


def test_shifting_keeps_the_size() -> None:
    picture = Image.new("1", (8, 4))
    picture.putpixel((7, 1), 1)
    picture.putpixel((2, 2), 1)
    moved = shifted(picture, (1, 1))
    assert moved.size == (8, 4)
    assert [(x, y) for y in range(4) for x in range(8) if moved.getpixel((x, y))] == [(3, 3)]
    assert shifted(picture, (0, 0)) is picture
