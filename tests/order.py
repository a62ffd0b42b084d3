"""In which order tests run: each process gets its share of those that wait, among those that compute.

Were all that wait run at the same time, the cores would be idle meanwhile; were what takes long begun last, one process
would be busy while the others have nothing to do. ``pytest --dist worksteal`` gives each process as many tests, in one
piece, and evens out the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_SECONDS = {
    "console": 4.0,
    "end_to_end": 1.2,
    "systemd": 1.0,
    "benchmarks": 1.0,
    "logs": 0.6,
    "apps": 0.4,
    "attack": 0.4,
    "docs": 0.3,
    "webrtc": 0.3,
    "speech": 0.3,
    "mqtt": 0.2,
    "mcp_mqtt": 0.2,
}
"""How long a test takes, roughly, in the folders whose tests wait: for processes, brokers and peers."""
_SLOW_S = 30.0
_COMPUTING_AT_THE_END = 0.2


@dataclass(frozen=True)
class File:
    """Tests of one file, which stay together.

    Attributes:
        tests: In their order; all take equally long.
        each_s: How long one takes, roughly; 0 for those that compute.
    """

    tests: list[pytest.Item]
    each_s: float

    @property
    def total_s(self) -> float:
        """How long all of them take."""
        return len(self.tests) * self.each_s


def spread(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """Return the tests in order, one piece for each process; the tests of a file stay together."""
    files = [File([*tests], each_s) for (_, each_s), tests in groupby(items, lambda item: (item.path, _seconds(item)))]
    waiting = sorted((file for file in files if file.each_s), key=lambda file: -file.each_s)
    computing = [file for file in files if not file.each_s]
    room = math.ceil(len(items) / processes)
    ordered: list[pytest.Item] = []
    for process in range(processes):
        share: list[File] = []
        share_s = _total_s(waiting) / (processes - process)
        while waiting and _total_s(share) < share_s:
            share.append(waiting.pop(0))
        others: list[File] = []
        while computing and _count(share + others) < room:
            others.append(computing.pop(0))
        ordered += _mixed(share, others)
    return [*ordered, *_tests(computing)]


def _mixed(waiting: list[File], computing: list[File]) -> list[pytest.Item]:
    between = _count(computing) * (1 - _COMPUTING_AT_THE_END)
    ordered: list[pytest.Item] = []
    placed = 0
    for number, file in enumerate(waiting, 1):
        ordered += file.tests
        while placed < between * number / len(waiting):
            ordered += computing[0].tests
            placed += len(computing.pop(0).tests)
    return [*ordered, *_tests(computing)]


def _tests(files: list[File]) -> list[pytest.Item]:
    return [test for file in files for test in file.tests]


def _count(files: list[File]) -> int:
    return sum(len(file.tests) for file in files)


def _total_s(files: list[File]) -> float:
    return sum(file.total_s for file in files)


def _seconds(item: pytest.Item) -> float:
    if item.get_closest_marker("slow"):
        return _SLOW_S
    return _SECONDS.get(item.path.relative_to(_TESTS).parts[0], 0.0)
