"""A benchmark leaves no process behind, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot_node.core.parent_death import end_with_parent
from tests.benchmarks.running import LIMIT_S, benchmark
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.timeout(LIMIT_S)

_BUSY = """
import asyncio
from benchmarks._busy import busy_machine

async def main():
    async with busy_machine(2):
        print("busy", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@contextlib.contextmanager
def watching() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A benchmark that watches its robot; yields the processes that it has started too."""
    with benchmark("latency") as process:
        assert process.stderr is not None
        assert "watching" in process.stderr.readline()
        started = children(process.pid)
        assert len(started) == 2  # the broker and the robot
        yield process, started


def children(pid: int) -> list[int]:
    """The processes that a process has started in its main thread."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def running(pids: list[int]) -> list[int]:
    """Those that run: one that nobody has waited for yet has ended (proc_pid_stat(5))."""
    return [pid for pid in pids if state(pid) not in {"", "Z", "X"}]


def state(pid: int) -> str:
    """The state of a process; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.mark.slow
def test_one_that_is_interrupted_says_so_and_ends_what_it_started() -> None:
    with watching() as (process, started):
        process.terminate()
        stdout, stderr = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 1
        assert not stdout
        assert "interrupted" in stderr
        assert not running(started)


@pytest.mark.slow
async def test_one_that_is_killed_takes_its_broker_and_its_robot_with_it() -> None:
    with watching() as (process, started):
        process.kill()
        await eventually(lambda: not running(started), "broker and robot have ended")


@pytest.mark.slow
def test_one_that_a_test_gives_up_ends_what_it_started() -> None:
    with pytest.raises(TimeoutError), watching() as (process, started):
        raise TimeoutError
    assert process.returncode is not None
    assert not running(started)


async def test_the_machine_is_not_kept_busy_by_one_that_is_killed() -> None:
    process = await asyncio.create_subprocess_exec(
        *(*end_with_parent(), sys.executable, "-c", _BUSY),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"busy\n"
        busy = children(process.pid)
        assert len(running(busy)) == 2
    finally:
        process.kill()
        await process.wait()
    await eventually(lambda: not running(busy), "the busy processes have ended")
