"""The debouncing table, cell by cell."""

from __future__ import annotations

import pytest

from robot_node.vision.debounce import Change, Debounce, Phase

_WAYS = {Phase.QUIET: (), Phase.STARTING: (True,), Phase.ACTIVE: (True, True), Phase.ENDING: (True, True, False)}
"""How each state is reached."""


def _at(phase: Phase) -> Debounce:
    debounce = Debounce(end_after_s=3.0)
    for seen in _WAYS[phase]:
        debounce.update(seen=seen, now=0.0)
    assert debounce.phase is phase
    return debounce


@pytest.mark.parametrize(
    ("phase", "seen", "now", "then", "change"),
    [
        (Phase.QUIET, True, 1.0, Phase.STARTING, None),
        (Phase.QUIET, False, 1.0, Phase.QUIET, None),
        (Phase.STARTING, True, 1.0, Phase.ACTIVE, Change.BEGAN),
        (Phase.STARTING, False, 1.0, Phase.QUIET, None),
        (Phase.ACTIVE, True, 1.0, Phase.ACTIVE, None),
        (Phase.ACTIVE, False, 1.0, Phase.ENDING, None),
        (Phase.ACTIVE, False, 3.0, Phase.QUIET, Change.ENDED),  # pictures were rare
        (Phase.ENDING, True, 1.0, Phase.ACTIVE, None),
        (Phase.ENDING, False, 2.9, Phase.ENDING, None),
        (Phase.ENDING, False, 3.0, Phase.QUIET, Change.ENDED),
    ],
)
def test_each_cell_of_the_table(phase: Phase, seen: bool, now: float, then: Phase, change: Change | None) -> None:
    debounce = _at(phase)
    assert debounce.update(seen=seen, now=now) is change
    assert debounce.phase is then


def test_it_ends_after_the_last_look_at_it_not_after_the_first() -> None:
    debounce = _at(Phase.ACTIVE)
    debounce.update(seen=True, now=10.0)
    assert debounce.update(seen=False, now=12.9) is None
    assert debounce.update(seen=False, now=13.0) is Change.ENDED
