"""Benchmarks as processes: each ends, with everything that it started, on every path."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robot_node.core.parent_death import end_with_parent
from tests.waiting import DEADLINE_S

LIMIT_S = 900.0
"""How long a benchmark with small numbers may take: a minute on a quiet machine."""

_REPOSITORY = Path(__file__).parents[2]


@contextlib.contextmanager
def benchmark(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a benchmark. If it still runs when the block is left, SIGTERM ends it, and SIGKILL if that does not."""
    command = [*end_with_parent(), sys.executable, "-m", f"benchmarks.{module}", *arguments]
    with subprocess.Popen(
        command, cwd=_REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=DEADLINE_S)
            finally:
                process.kill()


def run(module: str, *arguments: str, limit_s: float = LIMIT_S) -> Any:
    """Run a benchmark; its standard output must be one JSON document.

    It may refuse to judge on a busy machine: then it runs once more.
    """
    deadline = time.monotonic() + limit_s
    while True:
        status, stdout, stderr = _finished(module, *arguments, limit_s=deadline - time.monotonic())
        if "the machine is too busy" not in stderr:
            break
    assert status == 0, stderr
    assert stdout.count("\n") == 1
    return json.loads(stdout)


def _finished(module: str, *arguments: str, limit_s: float) -> tuple[int, str, str]:
    with benchmark(module, *arguments) as process:
        try:
            stdout, stderr = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            seen = [text.decode(errors="replace") for text in (error.stdout, error.stderr) if isinstance(text, bytes)]
            raise AssertionError(f"{module} has not ended within {limit_s:.0f} s: {' '.join(seen)}") from error
    return process.returncode, stdout, stderr
