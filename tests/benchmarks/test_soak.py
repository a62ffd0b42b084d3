"""Two minutes of everything at once, as a person runs it: nothing is lost, and nothing is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(500)  # two minutes, a first round before, and time to become quiet after each
def test_two_minutes_of_everything_at_once_leave_nothing_behind() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--minutes", "2", "--seed", "2026"],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    print(finished.stderr, finished.stdout)
    result = json.loads(finished.stdout)
    assert result["failures"] == []
    assert finished.returncode == 0
    assert result["calls"]["ok"] > 0
    assert "lost" not in result["calls"]
    assert result["frames"] > 0
    assert result["viewers"]["killed"] > 0
    assert {"broker restarted", "broker killed", "broker paused"} & set(result["faults"])
    assert result["ghosts"] == 0
