"""The processes of a benchmark: started, awaited until ready, controlled by JSON lines, and ended on every path.

They end with the benchmark too when it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks._report import BenchmarkError
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.parent_death import end_with_parent
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.webrtc.signaling import offers_filter

LOOPBACK = "127.0.0.1"
READY = {"ready": True}
_START_LIMIT_S = 240.0
_ANSWER_LIMIT_S = 240.0
_STOP_LIMIT_S = 10.0
_CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SERVER_NAME = "benchmark/robot"


class Peer:
    """A process of the benchmark's that obeys requests, one JSON line each. Made by :func:`peer`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """Processor time that it has used so far, in seconds: all its threads, user and system."""
        return processor_s(self._process.pid)

    async def ask(self, do: str, **details: Any) -> Any:
        """Send a request and return the answer.

        Raises:
            BenchmarkError: the process has ended, or does not answer.
        """
        if self._process.stdin is None:
            raise BenchmarkError(f"The {self._name} takes no requests.")
        with contextlib.suppress(ConnectionError):  # it has ended: there will be no answer either
            self._process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")
            await self._process.stdin.drain()
        return await self.answer(_ANSWER_LIMIT_S)

    async def answer(self, limit_s: float) -> Any:
        """Read one line.

        Raises:
            BenchmarkError: the process has ended, or does not answer.
        """
        if self._process.stdout is None:
            raise BenchmarkError(f"The {self._name} gives no answers.")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), limit_s)
        except TimeoutError as error:
            raise BenchmarkError(f"The {self._name} has not answered within {limit_s:g} s.") from error
        if not line:
            raise BenchmarkError(f"The {self._name} has ended too early.")
        return json.loads(line)


@contextlib.asynccontextmanager
async def peer(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    start_limit_s: float = _START_LIMIT_S,
) -> AsyncIterator[Peer]:
    """Run ``python -m module arguments`` for as long as the block lasts, from when it has said that it is ready.

    Raises:
        BenchmarkError: it did not become ready.
    """
    async with _python(module, *arguments, environment=environment, pipe=asyncio.subprocess.PIPE) as process:
        started = Peer(module.rpartition(".")[2].strip("_").replace("_", " ") + " process", process)
        if await started.answer(start_limit_s) != READY:
            raise BenchmarkError(f"{module} {' '.join(arguments)} is not ready.")
        yield started


def processor_s(pid: int) -> float:
    """Processor time that a process has used so far, in seconds: all its threads, user and system."""
    # proc_pid_stat(5): the name, field 2, may hold blanks; utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS_PER_S


def resident_mib(pid: int) -> float:
    """Memory that a process holds now, in MiB: the resident set, with what it shares with others."""
    status = Path(f"/proc/{pid}/status").read_text()  # proc_pid_status(5)
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def requests() -> AsyncIterator[dict[str, Any]]:
    """In such a process: report readiness, then yield requests until the benchmark closes the pipe."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        reply(READY)
        while line := await reader.readline():
            yield json.loads(line)
    finally:
        transport.close()


def reply(value: object) -> None:
    """In such a process: answer a request."""
    print(json.dumps(value), flush=True)


def robot_settings(private: PrivateBroker, **settings: str) -> dict[str, str]:
    """A robot's settings as its environment: on loopback only, camera on from the start, room for 16 viewers.

    Args:
        private: The broker.
        **settings: Further ones, or others, e.g. ``camera__on_at_start="false"``.
    """
    chosen = {
        "broker__url": private.url,
        "robot__server_name": _SERVER_NAME,
        "camera__on_at_start": "true",
        "webrtc__addresses": json.dumps([LOOPBACK]),
        "webrtc__max_viewers": "32",
        "webrtc__all_offers_per_minute": "6000",
        "log__level": "error",
        **settings,
    }
    return {f"ROBOT_NODE_{name.upper()}": value for name, value in chosen.items()}


@contextlib.asynccontextmanager
async def robot(
    private: PrivateBroker, server_id: str, *, scene: str = "clock", **settings: str
) -> AsyncIterator[Peer]:
    """A whole robot on simulated hardware, ``robot-node run``, from when it can be watched.

    Args:
        private: The broker.
        server_id: The robot's id.
        scene: What its camera sees.
        **settings: Further settings, see :func:`robot_settings`.

    Raises:
        BenchmarkError: it did not come online.
    """
    async with starting_robot(private, server_id, scene=scene, **settings) as process:
        await watchable(private, server_id, process)
        yield Peer("robot", process)


@contextlib.asynccontextmanager
async def starting_robot(
    private: PrivateBroker, server_id: str, *, scene: str = "clock", **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The same, from when its process begins."""
    arguments = ("run", "--simulated", "--scene", scene, "--server-id", server_id)
    environment = robot_settings(private, **settings)
    async with _python("robot_node", *arguments, environment=environment, pipe=asyncio.subprocess.DEVNULL) as process:
        yield process


def server_of(server_id: str) -> ServerTopics:
    """The MCP server of such a robot."""
    return ServerTopics(server_id, _SERVER_NAME)


async def watchable(private: PrivateBroker, server_id: str, process: asyncio.subprocess.Process | None = None) -> None:
    """Wait until offers to a robot would arrive: until the broker has noted its subscription.

    Raises:
        BenchmarkError: it has ended, or takes too long.
    """
    try:
        async with asyncio.timeout(_START_LIMIT_S):
            while f"{offers_filter(server_id)} (QoS" not in private.log:
                if process is not None and process.returncode is not None:
                    raise BenchmarkError(f"{server_id} has ended with status {process.returncode}.")
                await asyncio.sleep(0.05)  # the broker writes a file: it sets no event
    except TimeoutError as error:
        raise BenchmarkError(f"{server_id} does not answer offers after {_START_LIMIT_S:g} s.") from error


@contextlib.asynccontextmanager
async def _python(
    module: str, *arguments: str, environment: Mapping[str, str] | None, pipe: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process of ours, told to end when the block is left, and killed when it does not."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROBOT_NODE_")}
    process = await asyncio.create_subprocess_exec(
        *(*end_with_parent(), sys.executable, "-m", module, *arguments),
        stdin=pipe,
        stdout=pipe,
        env={**clean, **(environment or {})},
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
