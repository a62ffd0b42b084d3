"""How soon a robot is there, and what memory it holds.

``python -m benchmarks.startup`` prints one JSON line; times in seconds, memory in MiB (resident set):

* ``presence_ratio``: from starting ``robot-node run --simulated`` until its presence reaches a client, as a ratio to
  running ``python -c "import mcp"``, which no MCP server in Python can do without. Target: 1.5.
* ``presence_s``, ``import_mcp_s``: the two times.
* ``presence_cpu_ratio``: the same ratio of processor time, which other programs on the machine disturb less.
* ``first_photo_ratio``, ``first_photo_s``: until an agent, who came when the robot was present, has switched the camera
  on and has its first photo. Meanwhile the robot loads its media stack.
* ``idle_memory_ratio``: memory of a robot that nobody uses, its media stack loaded, as a ratio to a process that has
  only imported the same modules. Target: 1.5.
* ``idle_mib``, ``imports_mib``: the two amounts.
* ``viewer_memory_ratio``, ``viewer_mib``: the same robot with its camera on and one viewer.

All times and amounts are medians; what is compared takes turns. Everything is started once before, so that nothing is
read from a cold disk. Robot and broker are processes of their own.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks._agent import agent, switch_camera
from benchmarks._processes import processor_s, resident_mib, server_of, starting_robot
from benchmarks._report import BenchmarkError, command_line, positive, print_result, progress
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.parent_death import end_with_parent
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.webrtc.viewer import view

_BASELINE = "import mcp"
# What a robot has loaded when nobody uses it; the camera's library is loaded when somebody does.
_IMPORTS = "import robot_node.cli.main, robot_node.daemon, robot_node.webrtc.session, hw_mocks.platform"
_LIMIT_S = 120.0
_FRAMES = 60


async def _import_times(statement: str) -> tuple[float, float]:
    """How long a process takes that only imports, from start to end, and its processor time, in seconds."""
    before, begun_at = _ended_children_s(), time.monotonic()
    process = await asyncio.create_subprocess_exec(*end_with_parent(), sys.executable, "-c", statement)
    if await process.wait():
        raise BenchmarkError(f"{statement} failed.")
    return time.monotonic() - begun_at, _ended_children_s() - before


def _ended_children_s() -> float:
    """Processor time of all our processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def _imports_mib(statement: str) -> float:
    """Memory of a process that has only imported."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{statement}; print(flush=True); input()"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if process.stdout is None or not await asyncio.wait_for(process.stdout.readline(), _LIMIT_S):
            raise BenchmarkError(f"{statement} failed.")
        return resident_mib(process.pid)
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _presence_of(broker: Broker, server_id: str) -> AsyncIterator[asyncio.Future[float]]:
    """Watch for a robot; the future becomes the time at which it was present."""
    present: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def receive(incoming: Incoming) -> None:
        if incoming.payload and not present.done():
            present.set_result(time.monotonic())

    async with connect(broker, ConnectOptions("startup-watcher"), receive) as connection:
        await connection.subscribe(Subscription(server_of(server_id).presence, qos=1))
        yield present


def _has_media_stack(pid: int) -> bool:
    return "pylibsrtp" in Path(f"/proc/{pid}/maps").read_text()  # a part of it; proc_pid_maps(5)


async def _settled_mib(pid: int) -> float:
    """Memory of a robot when it has loaded what it loads by itself."""
    async with asyncio.timeout(_LIMIT_S):
        while not _has_media_stack(pid):  # noqa: ASYNC110  # another process, which tells nobody that it has loaded it
            await asyncio.sleep(0.2)
        before, now = 0.0, resident_mib(pid)
        while abs(now - before) > 0.5:
            await asyncio.sleep(2)
            before, now = now, resident_mib(pid)
    return now


async def _watched_mib(broker: Broker, server_id: str, pid: int) -> float:
    """Memory of a robot whose camera is on, and which has sent one viewer two seconds of video."""
    async with agent(broker, server_id) as owner:
        await switch_camera(owner, enabled=True)
        async with view(broker, server_id) as viewing:
            for _ in range(_FRAMES):
                await viewing.frame()
            return resident_mib(pid)


async def _first_photo(broker: Broker, server_id: str) -> float:
    """Switch the camera on and take a photo; returns when it was there."""
    async with agent(broker, server_id) as owner:
        await switch_camera(owner, enabled=True)
        photo = await owner.call_tool("take_photo", {})
        if photo.is_error:
            raise BenchmarkError(f"There is no photo: {photo.content}.")
        return time.monotonic()


async def measure(starts: int, memories: int, *, warm_up: bool) -> dict[str, Any]:
    """Measure in turn.

    Args:
        starts: How often to start.
        memories: How often to look at memory.
        warm_up: Start once more before, which does not count.

    Returns:
        What is printed.
    """
    figures: dict[str, list[float]] = collections.defaultdict(list)
    async with PrivateBroker() as private:
        if warm_up:
            await _start(private, "warm-up")
        for number, look in enumerate((*[_start] * starts, *[_memory] * memories)):
            measured = await look(private, f"robot-{number}")
            progress(", ".join(f"{name} {value:.2f}" for name, value in measured.items()))
            for name, value in measured.items():
                figures[name].append(value)
    median = {name: statistics.median(values) for name, values in figures.items()}
    return {
        "presence_ratio": round(median["presence_s"] / median["import_mcp_s"], 3),
        "presence_cpu_ratio": round(median["presence_cpu_s"] / median["import_mcp_cpu_s"], 3),
        "first_photo_ratio": round(median["first_photo_s"] / median["import_mcp_s"], 3),
        "idle_memory_ratio": round(median["idle_mib"] / median["imports_mib"], 3),
        "viewer_memory_ratio": round(median["viewer_mib"] / median["imports_mib"], 3),
        **{name: round(value, 3) for name, value in median.items()},
        "starts": starts,
    }


async def _start(private: PrivateBroker, server_id: str) -> dict[str, float]:
    broker = Broker.from_url(private.url)
    wall_s, cpu_s = await _import_times(_BASELINE)
    measured = {"import_mcp_s": wall_s, "import_mcp_cpu_s": cpu_s}
    async with _presence_of(broker, server_id) as present:
        begun_at = time.monotonic()
        async with starting_robot(private, server_id, camera__on_at_start="false") as robot:
            measured["presence_s"] = await asyncio.wait_for(present, _LIMIT_S) - begun_at
            measured["presence_cpu_s"] = processor_s(robot.pid)
            measured["first_photo_s"] = await _first_photo(broker, server_id) - begun_at
    return measured


async def _memory(private: PrivateBroker, server_id: str) -> dict[str, float]:
    measured = {"imports_mib": await _imports_mib(_IMPORTS)}
    async with starting_robot(private, server_id, camera__on_at_start="false") as robot:
        measured["idle_mib"] = await _settled_mib(robot.pid)
        measured["viewer_mib"] = await _watched_mib(Broker.from_url(private.url), server_id, robot.pid)
    return measured


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.startup", __doc__)
    parser.add_argument("--starts", type=positive, default=9, metavar="N", help="how often to start (default: 9)")
    parser.add_argument("--quick", action="store_true", help="start once, to see that it works")
    arguments = parser.parse_args()
    print_result(measure(1, 1, warm_up=False) if arguments.quick else measure(arguments.starts, 3, warm_up=True))


if __name__ == "__main__":
    main()
