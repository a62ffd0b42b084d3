"""How long a robot is not itself after something has failed, from the end of the fault to working again.

``python -m benchmarks.recovery [--rounds N]`` prints one JSON line: for each fault the median and the longest of N
rounds (3 by default), in seconds.

* ``service crashed``: from the crash of one of the robot's services to its next start.
* ``camera stalled``: from the last picture of a sensor that stops, to a viewer's next frame; a restart helps it.
* ``camera unplugged``: from the return of a camera that went while it was on, to a viewer's next frame.
* ``display unplugged``: from the return of the display to the face on it.
* ``broker killed``: from the return of the broker to an agent's next answered call.
* ``robot killed``: from the start of the robot's next process until it can be watched; before that come the 2 s of the
  unit's ``RestartSec=``.
* ``disk full``: from free space to the robot's state on the disk; it is tried again once a minute.

The robot has the settings that it has by default, on simulated hardware in this process; ``robot killed`` has a process
of its own. ``disk full`` mounts a file system in memory: it needs root, and is left out without.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mcp import Client, MCPError

from benchmarks._agent import agent, switch_camera
from benchmarks._processes import LOOPBACK, robot, server_of
from benchmarks._report import command_line, positive, print_result, progress
from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node import daemon
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.errors import RobotNodeError
from robot_node.mqtt import Broker
from robot_node.robot.state_store import FAULT
from robot_node.settings.loading import load_settings
from robot_node.webrtc.receiving import ViewerLimits
from robot_node.webrtc.viewer import Viewing, view

_ROBOT_ID = "recovering-robot"
_POLL_S = 0.02
_LIMIT_S = 150.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A robot to which things happen.

    Attributes:
        private: Its broker.
        broker: The same, for clients.
        pi: Its hardware.
        crash: Makes one of its services crash.
        restarted: Set when that service was started again.
        disk: Where its state is kept: a small disk; None without root.
    """

    private: PrivateBroker
    broker: Broker
    pi: SimulatedPi
    crash: asyncio.Event
    restarted: asyncio.Event
    disk: Path | None


async def _until(condition: Callable[[], Awaitable[bool]]) -> float:
    """Wait for a condition; returns when it was first seen, on the monotonic clock."""
    async with asyncio.timeout(_LIMIT_S):
        while not await condition():  # noqa: ASYNC110  # what is asked is in another process
            await asyncio.sleep(_POLL_S)
    return time.monotonic()


async def _status(client: Client) -> dict[str, Any]:
    return (await client.call_tool("get_status", {"details": True})).structured_content or {}


async def _service(stage: Stage) -> float:
    stage.restarted.clear()
    began = time.monotonic()
    stage.crash.set()
    await stage.restarted.wait()
    return time.monotonic() - began


async def _camera(stage: Stage, *, unplugged: bool) -> float:
    async with agent(stage.broker, _ROBOT_ID) as client:
        await switch_camera(client, enabled=True)
        async with _watching(stage.broker) as frames:
            await frames.first_after(0.0)
            stage.pi.sensor.stalled, stage.pi.sensor.absent = True, unplugged
            began = time.monotonic()

            async def noticed() -> bool:  # it fails for a moment only: then it is being restarted
                return str((await _status(client))["camera"]) != "on"

            over = await _until(noticed)
            if unplugged:
                await asyncio.sleep(4)  # some attempts fail
                began = over = time.monotonic()
            stage.pi.sensor.stalled = stage.pi.sensor.absent = False
            async with asyncio.timeout(_LIMIT_S):
                arrived = await frames.first_after(over)
        await switch_camera(client, enabled=False)
    return arrived - began


class _Frames:
    """When a viewer's newest frame arrived. Each is taken as it comes: one that waits to be taken tells nothing."""

    def __init__(self) -> None:
        self._newest = -math.inf
        self._came = asyncio.Event()

    async def take(self, viewing: Viewing) -> None:
        """Take them until cancelled."""
        while True:
            self._newest = (await viewing.frame()).arrived_at
            self._came.set()

    async def first_after(self, moment: float) -> float:
        """Wait for a frame that arrives later; returns when it did."""
        while self._newest < moment:
            self._came.clear()
            await self._came.wait()
        return self._newest


@contextlib.asynccontextmanager
async def _watching(broker: Broker) -> AsyncIterator[_Frames]:
    frames, patient = _Frames(), ViewerLimits(frame_s=_LIMIT_S)
    async with view(broker, _ROBOT_ID, limits=patient) as viewing, asyncio.TaskGroup() as group:
        taking = group.create_task(frames.take(viewing), name="frames")
        try:
            yield frames
        finally:
            taking.cancel()


async def _display(stage: Stage) -> float:
    async with agent(stage.broker, _ROBOT_ID) as client:

        async def gone() -> bool:
            return bool((await _status(client))["display_error"])

        async def back() -> bool:
            return stage.pi.oled.picture().getbbox() is not None

        stage.pi.oled.unplug()
        await _until(gone)
        began = time.monotonic()
        stage.pi.oled.plug()
        return await _until(back) - began


async def _broker(stage: Stage) -> float:
    stage.private.signal(signal.SIGKILL)
    await stage.private.stop()
    await stage.private.start()
    began = time.monotonic()

    async def answered() -> bool:
        with contextlib.suppress(RobotNodeError, MCPError, ExceptionGroup):
            async with agent(stage.broker, _ROBOT_ID) as client:
                return bool(await _status(client))
        return False

    return await _until(answered) - began


async def _robot(stage: Stage) -> float:
    began = time.monotonic()
    async with robot(stage.private, f"{_ROBOT_ID}-{began}", camera__on_at_start="false"):
        return time.monotonic() - began


async def _disk(stage: Stage) -> float:
    assert stage.disk is not None, "left out without"
    filler = stage.disk / "filler"
    async with agent(stage.broker, _ROBOT_ID) as client:

        async def fails() -> bool:
            return FAULT in (await _status(client))["faults"]

        async def works() -> bool:
            return not await fails()

        await asyncio.to_thread(_fill, filler)
        emotion = "sad" if (await _status(client))["emotion"] == "happy" else "happy"
        await client.call_tool("change_emotion", {"emotion": emotion})
        await _until(fails)
        began = time.monotonic()
        await asyncio.to_thread(filler.unlink)
        return await _until(works) - began


def _fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    if os.geteuid() != 0:
        yield None
        return
    # By name: both belong to every Linux.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "recovery", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.asynccontextmanager
async def _stage(private: PrivateBroker, disk: Path | None) -> AsyncIterator[Stage]:
    pi, online = simulated_platform(scene="clock"), asyncio.Event()
    stage = Stage(private, Broker.from_url(private.url), pi, asyncio.Event(), asyncio.Event(), disk)

    async def clumsy() -> None:
        stage.restarted.set()
        await stage.crash.wait()
        stage.crash.clear()
        raise RuntimeError("on purpose")

    server = server_of(_ROBOT_ID)
    settings = load_settings(
        None,
        {
            "broker": {"url": private.url},
            "robot": {
                "server_id": server.server_id,
                "server_name": server.server_name,
                "state_file": None if disk is None else disk / "state.json",
            },
            "webrtc": {"addresses": [LOOPBACK]},
        },
    )
    running = asyncio.create_task(
        daemon.run(settings, pi.platform, on_online=online.set, extra_services={"clumsy": clumsy}), name="robot"
    )
    try:
        async with asyncio.timeout(_LIMIT_S):
            await online.wait()
        yield stage
    finally:
        await cancel_and_wait(running)


_FAULTS: Mapping[str, Callable[[Stage], Awaitable[float]]] = {
    "service crashed": _service,
    "camera stalled": partial(_camera, unplugged=False),
    "camera unplugged": partial(_camera, unplugged=True),
    "display unplugged": _display,
    "broker killed": _broker,
    "robot killed": _robot,
    "disk full": _disk,
}


async def recovery(rounds: int) -> dict[str, Any]:
    """Let each fault happen some times; returns the result that the module's docstring describes."""
    logging.disable()  # what fails, fails on purpose
    times: dict[str, list[float]] = {}
    async with PrivateBroker() as private:
        with tempfile.TemporaryDirectory() as folder, _small_disk(Path(folder)) as disk:
            async with _stage(private, disk) as stage:
                for fault, happen in _FAULTS.items():
                    if fault == "disk full" and disk is None:
                        continue
                    for number in range(rounds):
                        progress(f"{fault}, {number + 1} of {rounds}")
                        times.setdefault(fault, []).append(await happen(stage))
    return {
        "rounds": rounds,
        **{
            fault: {"median_s": round(statistics.median(each), 1), "longest_s": round(max(each), 1)}
            for fault, each in times.items()
        },
    }


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.recovery", __doc__)
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="of each fault (default: 3)")
    print_result(recovery(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
