"""A whole robot whose simulated hardware fails on request, and that reports its resources.

Usage: ``python -m benchmarks._soaked_robot SERVER_ID``, with its settings in the environment; obeys ``fault`` and
``heal`` (``name``, see :data:`FAULTS`), ``figures``, and ``leave``, which disconnects it from the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._processes import reply, requests
from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node import daemon
from robot_node.core import memory
from robot_node.logs.setup import configure_logging
from robot_node.settings.loading import load_settings


@dataclass(frozen=True, slots=True)
class Fault:
    """How a piece of simulated hardware is broken, and made whole again."""

    begin: Callable[[SimulatedPi], None]
    end: Callable[[SimulatedPi], None]


def _set_sensor(**values: object) -> Callable[[SimulatedPi], None]:
    def change(pi: SimulatedPi) -> None:
        for name, value in values.items():
            setattr(pi.sensor, name, value)

    return change


FAULTS: Mapping[str, Fault] = {
    "display unplugged": Fault(lambda pi: pi.oled.unplug(), lambda pi: pi.oled.plug()),
    "display holds the bus": Fault(lambda pi: pi.oled.hold_clock(), lambda pi: pi.oled.release_clock()),
    "camera stalled": Fault(_set_sensor(stalled=True), _set_sensor(stalled=False)),
    "camera unplugged": Fault(_set_sensor(absent=True), _set_sensor(absent=False)),
    "camera busy": Fault(_set_sensor(busy=True), _set_sensor(busy=False)),
    "camera does not start": Fault(_set_sensor(start_error="The sensor does not answer."), _set_sensor(start_error="")),
}
"""What a person, a cable or another program does to a robot."""


class _Tracebacks(logging.Handler):
    """Counts what was logged with a traceback: each is a fault of ours, whatever the hardware did."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.count += 1
            self.first = self.first or f"{record.name}: {record.getMessage()}: {record.exc_info[1]!r}"


def _figures(tracebacks: _Tracebacks) -> dict[str, object]:
    gc.collect()
    memory.give_back()  # what the allocator keeps for the next time is not in use
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "memory_mb": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "tasks": len(asyncio.all_tasks()),
        "kinds_of_tasks": Counter(_kind(task) for task in asyncio.all_tasks()),
        "threads": threading.active_count(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "tracebacks": tracebacks.count,
        "first_traceback": tracebacks.first,
    }


def _kind(task: asyncio.Task[Any]) -> str:
    """What a task does: the name that it was given, or the function that it runs."""
    return getattr(task.get_coro(), "__qualname__", "?") if task.get_name().startswith("Task-") else task.get_name()


async def _run(server_id: str) -> None:
    settings = load_settings(None, {"robot": {"server_id": server_id}})
    configure_logging(settings.log)
    tracebacks = _Tracebacks()
    logging.getLogger().addHandler(tracebacks)
    pi = simulated_platform(scene=settings.simulation.scene)
    running = asyncio.create_task(daemon.run(settings, pi.platform), name="robot")
    try:
        async for request in requests():
            match request:
                case {"do": "fault", "name": str(name)}:
                    FAULTS[name].begin(pi)
                    reply(name)
                case {"do": "heal", "name": str(name)}:
                    FAULTS[name].end(pi)
                    reply(name)
                case {"do": "figures"}:
                    reply(_figures(tracebacks))
                case {"do": "leave"}:
                    running.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await running
                    reply({"capturing": pi.sensor.capturing, "lit": pi.oled.picture().getbbox() is not None})
    finally:
        running.cancel()
        await asyncio.wait({running})


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
