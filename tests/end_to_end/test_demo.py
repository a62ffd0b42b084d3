"""The demo does what it prints, listens on loopback only (except for video), and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from robot_node.settings.root import BrokerSettings
from tests.end_to_end.robot_process import environment, family, is_alive
from tests.waiting import DEADLINE_S, eventually

ROBOT_NODE = str(Path(sys.executable).with_name("robot-node"))
README = Path(__file__).parents[2] / "README.md"


class Demo:
    """``robot-node demo``, and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def printed(self) -> str:
        return self.log.read_text()

    @property
    def broker_url(self) -> str:
        found = re.search(r"Broker: (mqtt://\S+),", self.printed)
        assert found
        return found[1]

    def commands(self) -> list[list[str]]:
        """The commands that it tells a person to try, as their arguments."""
        lines = re.findall(r"^  (\S*robot-node .*)$", self.printed, re.MULTILINE)
        return [shlex.split(line)[1:] for line in lines]

    def processes(self) -> set[int]:
        """Its process id and those of all it started."""
        assert self.process.pid
        return family(self.process.pid)

    def sockets(self, kinds: str = "tu") -> Iterator[str]:
        """The local addresses of every socket that its processes listen on: of TCP (t), of UDP (u)."""
        listed = subprocess.run(
            ["ss", "-H", f"-ln{kinds}p"], capture_output=True, text=True, check=True, timeout=DEADLINE_S
        ).stdout
        for line in listed.splitlines():
            if {int(pid) for pid in re.findall(r"pid=(\d+)", line)} & self.processes():
                yield line.split()[4 if len(kinds) > 1 else 3]

    async def run(self, *arguments: str, folder: Path) -> str:
        """Run a robot-node command in a folder; returns what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(ROBOT_NODE, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            env=environment(None, {"ROBOT_NODE_BROKER__URL": self.broker_url}),
        )
        async with asyncio.timeout(DEADLINE_S):
            printed, _ = await process.communicate()
        assert process.returncode == 0, printed.decode()
        return printed.decode()


async def start_demo(log: Path) -> Demo:
    """Start a demo in a process group of its own, as a terminal would."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(ROBOT_NODE, "demo", "--scene", "clock"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=environment(None),
        )
    return Demo(process, log)


@contextlib.asynccontextmanager
async def running_demo(folder: Path) -> AsyncIterator[Demo]:
    """A demo that is up."""
    running = await start_demo(folder / "demo.log")
    try:
        await eventually(lambda: "Ctrl-C stops everything" in running.printed, "the demo says what to try")
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        await running.process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    """The demo of all tests here; they leave it running."""
    async with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


def beyond_loopback(addresses: Iterable[str]) -> list[str]:
    return [address for address in addresses if not address.startswith(("127.", "[::1]", "[::ffff:127."))]


@pytest.mark.slow
async def test_every_command_that_the_demo_prints_works_and_only_video_goes_beyond_loopback(
    demo: Demo, tmp_path: Path
) -> None:
    *commands, watch = demo.commands()
    assert [command[0] for command in (*commands, watch)] == ["robots", "call", "call", "call", "watch"]
    printed = [await demo.run(*command, folder=tmp_path) for command in commands]
    assert "demo-robot" in printed[0]
    assert (tmp_path / "photo.jpg").read_bytes().startswith(b"\xff\xd8")

    idle = set(demo.sockets())
    assert len(idle) >= 2  # MQTT, and MQTT over WebSocket
    assert not beyond_loopback(idle)
    watching = asyncio.create_task(demo.run(*watch, folder=tmp_path))
    await eventually(lambda: set(demo.sockets()) > idle, "the viewer's session opens its socket")
    assert not beyond_loopback(demo.sockets("t"))
    assert "150 frames of 1280x720" in await watching
    assert (tmp_path / "video.mp4").stat().st_size > 10_000
    await eventually(lambda: set(demo.sockets()) == idle, "the session's sockets are closed")
    assert "Traceback" not in demo.printed


async def test_a_second_demo_passes_over_taken_ports_and_ctrl_c_leaves_nothing_of_it(
    demo: Demo, tmp_path: Path
) -> None:
    async with running_demo(tmp_path) as second:
        assert second.broker_url != demo.broker_url
        # Nearly always; but a test beside us may have had the usual port, and have just given it back.
        where = [] if second.broker_url == BrokerSettings().url else ["--broker", second.broker_url]
        assert all(command[len(command) - len(where) :] == where for command in second.commands())

        processes = second.processes()
        assert len(processes) >= 2  # the robot and its broker
        os.killpg(second.process.pid, signal.SIGINT)
        assert await asyncio.wait_for(second.process.wait(), DEADLINE_S) == 0
        assert not [pid for pid in processes if is_alive(pid)]
        assert second.printed.rstrip().endswith("Stopped: robot and broker.")
        assert "Traceback" not in second.printed


async def test_the_agent_of_the_readme_works(demo: Demo, tmp_path: Path) -> None:
    found = re.search(r"<!-- tested: an agent -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    program = tmp_path / "agent.py"
    program.write_text(found[1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(None, {"ROBOT_NODE_BROKER__URL": demo.broker_url}),
    )
    async with asyncio.timeout(DEADLINE_S):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    assert "take_photo - " in printed.decode()
    assert printed.decode().rstrip().endswith("image/jpeg")


def test_the_commands_of_the_readme_are_those_that_the_demo_prints() -> None:
    from robot_node.apps.demo import COMMANDS  # imports the whole robot

    readme = README.read_text()
    for command in COMMANDS:
        assert f".venv/bin/robot-node {command}\n" in readme
