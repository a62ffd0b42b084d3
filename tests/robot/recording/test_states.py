"""The recorder's table, cell by cell."""

from __future__ import annotations

import itertools

import pytest

from robot_node.robot.recording.states import TABLE
from robot_node.robot.recording.states import RecorderAction as A
from robot_node.robot.recording.states import RecorderEvent as E
from robot_node.robot.recording.states import RecorderState as S


def test_every_state_has_an_answer_to_every_event() -> None:
    assert set(TABLE) == set(itertools.product(S, E))


@pytest.mark.parametrize(
    ("before", "event", "after", "action"),
    [
        (S.IDLE, E.SAVE_CLIP, S.CLIP, A.BEGIN),
        (S.IDLE, E.START, S.RECORDING, A.BEGIN),
        (S.IDLE, E.STOP, S.IDLE, A.REFUSE),
        (S.IDLE, E.TIME_UP, S.IDLE, A.NOTHING),
        (S.IDLE, E.NO_PICTURES, S.IDLE, A.NOTHING),
        (S.IDLE, E.WRITER_ENDED, S.IDLE, A.NOTHING),
        (S.CLIP, E.SAVE_CLIP, S.CLIP, A.EXTEND),
        (S.CLIP, E.START, S.RECORDING, A.EXTEND),
        (S.CLIP, E.STOP, S.IDLE, A.END),
        (S.CLIP, E.TIME_UP, S.IDLE, A.END),
        (S.CLIP, E.NO_PICTURES, S.IDLE, A.END),
        (S.CLIP, E.WRITER_ENDED, S.IDLE, A.DROP),
        (S.RECORDING, E.SAVE_CLIP, S.RECORDING, A.NOTHING),
        (S.RECORDING, E.START, S.RECORDING, A.NOTHING),
        (S.RECORDING, E.STOP, S.IDLE, A.END),
        (S.RECORDING, E.TIME_UP, S.IDLE, A.END),
        (S.RECORDING, E.NO_PICTURES, S.IDLE, A.END),
        (S.RECORDING, E.WRITER_ENDED, S.IDLE, A.DROP),
    ],
)
def test_cell(before: S, event: E, after: S, action: A) -> None:
    assert TABLE[before, event] == (after, action)
