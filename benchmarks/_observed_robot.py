"""A whole robot that reports the pauses of its event loop, and its memory.

Usage: ``python -m benchmarks._observed_robot SERVER_ID``, with its settings in the environment; obeys ``pause``, which
returns the longest pause since the previous request, and the memory; ``load`` (``file``), which reads a settings file
as on SIGHUP; and ``state`` (``file``), which reads a state file as at the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks._processes import reply, requests, resident_mib
from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.console.server import serve_with_robot
from robot_node.errors import RobotNodeError
from robot_node.logs.setup import configure_logging
from robot_node.robot import saved_state
from robot_node.settings.loading import load_settings

_TICK_S = 0.002


class _Pauses:
    """How late the event loop comes back to a task that waits for it all the time, and how busy it was meanwhile."""

    def __init__(self) -> None:
        self._late_s = self._busy_s = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, busy_s = loop.time() + _TICK_S, time.thread_time()
            await asyncio.sleep(_TICK_S)
            self._late_s = max(self._late_s, loop.time() - due)
            self._busy_s = max(self._busy_s, time.thread_time() - busy_s)

    def take(self) -> dict[str, float]:
        """The longest pause so far, and the longest time that the loop's thread was busy; resets both."""
        figures = {"pause_ms": round(self._late_s * 1000, 1), "busy_ms": round(self._busy_s * 1000, 1)}
        self._late_s = self._busy_s = 0.0
        return figures


async def _run(server_id: str) -> None:
    settings = load_settings(None, {"robot": {"server_id": server_id}})
    configure_logging(settings.log)
    platform = simulated_platform(scene="clock").platform
    console = partial(serve_with_robot, settings)
    pauses = _Pauses()
    tasks = {
        asyncio.create_task(daemon.run(settings, platform, extra_services={"console": console}), name="robot"),
        asyncio.create_task(pauses.watch(), name="pauses"),
    }
    try:
        async for request in requests():
            match request:
                case {"do": "pause"}:
                    reply({**pauses.take(), "resident_mib": resident_mib(os.getpid())})
                case {"do": "load", "file": str(file)}:
                    with contextlib.suppress(RobotNodeError):
                        await asyncio.to_thread(load_settings, Path(file))
                    reply({})
                case {"do": "state", "file": str(file)}:
                    data = await asyncio.to_thread(Path(file).read_bytes)
                    with contextlib.suppress(RobotNodeError):
                        saved_state.parse(data)
                    reply({})
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


if __name__ == "__main__":
    gc.freeze()  # as the command does with what it imports
    asyncio.run(_run(sys.argv[1]))
