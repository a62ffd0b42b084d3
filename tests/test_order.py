"""The order in which tests run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pytest

from tests.order import spread

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Item:
    """What the order depends on."""

    path: Path
    number: int
    slow: bool = False

    def get_closest_marker(self, name: str) -> object:
        return name == "slow" and self.slow


def items_of(**folders: int) -> list[Any]:
    """Files of ten tests each."""
    return [
        Item(TESTS / folder / f"test_{file}.py", number)
        for folder, files in folders.items()
        for file in range(files)
        for number in range(10)
    ]


def test_each_process_gets_its_share_of_those_that_wait_and_all_run_once() -> None:
    items = items_of(core=10, end_to_end=12, face=12, webrtc=6, console=2)
    ordered = spread(items, 6)
    assert Counter(ordered) == Counter(items)
    assert len([*groupby(ordered, key=lambda item: item.path)]) == 42
    size = len(items) // 6
    for begin in range(0, len(items), size):
        waits = [item.path.parent.name in {"console", "end_to_end", "webrtc"} for item in ordered[begin : begin + size]]
        assert 0.1 < sum(waits) / size < 0.9
        assert waits[0]


def test_what_takes_long_is_begun_first() -> None:
    items = items_of(core=4, console=1)
    slow = cast("Any", Item(TESTS / "core" / "test_2.py", 10, slow=True))
    items.insert(30, slow)
    assert spread(items, 1)[0] is slow
    assert spread(items, 1)[-1].path.parent.name == "core"


@pytest.mark.parametrize("processes", [1, 6])
def test_few_tests_are_kept(processes: int) -> None:
    assert len(spread(items_of(core=1), processes)) == len(spread(items_of(console=1), processes)) == 10
    assert spread([], processes) == []
