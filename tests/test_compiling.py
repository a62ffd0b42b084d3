"""Which test files each process compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiling import share


@pytest.mark.parametrize("processes", [1, 2, 6])
def test_each_file_is_compiled_by_one_process(processes: int) -> None:
    files = [Path(f"test_{number}.py") for number in range(20)]
    shares = [share(files, number, processes) for number in range(processes)]
    assert sorted(file for each in shares for file in each) == sorted(files)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
