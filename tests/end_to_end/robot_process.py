"""A robot as a separate process, and what an outsider can see of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiomqtt
from PIL import Image

from robot_node.apps.private_broker import PrivateBroker
from tests import warm_start
from tests.waiting import DEADLINE_S
from tests.warm_start import WarmProcess

SERVER_ID = "robot-under-test"
SERVER_NAME = "tests/robot"
PRESENCE = f"$mcp-server/presence/{SERVER_ID}/{SERVER_NAME}"


def family(pid: int) -> set[int]:
    """A process and all that it has started, with what these have started."""
    found, fresh = {pid}, [pid]
    while fresh:
        for task in Path(f"/proc/{fresh.pop()}/task").glob("*/children"):
            children = {int(child) for child in task.read_text().split()}
            fresh.extend(children - found)
            found |= children
    return found


def is_alive(pid: int) -> bool:
    """Whether a process is there."""
    return Path(f"/proc/{pid}").exists()


@dataclass(frozen=True)
class CommandResult:
    """What a command printed, and its exit status."""

    status: int
    stdout: str
    stderr: str


async def robot_node(
    *arguments: str, broker: PrivateBroker | None = None, stdin: str = "", settings: dict[str, str] | None = None
) -> CommandResult:
    """Run ``robot-node ARGUMENTS`` as a person would, with ``settings`` in the environment."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_node", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(broker, settings),
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            stdout, stderr = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
    return CommandResult(process.returncode or 0, stdout.decode(), stderr.decode())


def environment(broker: PrivateBroker | None, extra: dict[str, str] | None = None) -> dict[str, str]:
    """Our environment without settings of ours that lie around on the machine."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROBOT_NODE_")}
    where = {"ROBOT_NODE_BROKER__URL": broker.url} if broker else {}
    return {**clean, **where, "NO_COLOR": "1", "COLUMNS": "100", **(extra or {})}


@dataclass
class RobotProcess:
    """``robot-node run --simulated`` in a process of its own.

    Attributes:
        broker: The broker that it uses, unless the settings name another.
        folder: Where it logs, and where its simulated display draws.
        scene: What its camera sees.
        settings: Further environment variables.
        arguments: Further arguments.
        names_broker: Whether the environment says where the broker is.
        warm: Whether it may be forked from a process that has imported everything: a second less.
    """

    broker: PrivateBroker
    folder: Path
    scene: str = "clock"
    settings: dict[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    names_broker: bool = True
    warm: bool = True
    process: asyncio.subprocess.Process | WarmProcess | None = None

    @property
    def display(self) -> Image.Image:
        """What a person sees on the display, mode ``"1"``."""
        with Image.open(self.folder / "display.png") as picture:
            return picture.convert("1")

    @property
    def log(self) -> str:
        """What the robot has logged."""
        return (self.folder / "log").read_text()

    def children(self) -> list[int]:
        """The processes that it has started."""
        assert self.process is not None
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def start(self) -> None:
        """Start it; does not wait for it to be online."""
        defaults = {
            "ROBOT_NODE_SIMULATION__DISPLAY_PICTURE": str(self.folder / "display.png"),
            "ROBOT_NODE_BROKER__RECONNECT_INITIAL_S": "0.2",
            "ROBOT_NODE_BROKER__RECONNECT_MAXIMUM_S": "1",
        }
        arguments = (
            *("run", "--simulated", "--scene", self.scene, "--server-id", SERVER_ID, "--server-name", SERVER_NAME),
            *self.arguments,
        )
        its_environment = environment(self.broker if self.names_broker else None, {**defaults, **self.settings})
        with (self.folder / "log").open("ab") as log:
            if self.warm and warm_start.can_start(its_environment):
                self.process = warm_start.start(arguments, its_environment, log.fileno(), log.fileno())
                return
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "robot_node", *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=its_environment,
            )

    async def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), DEADLINE_S)

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[Self]:
        """Start it and wait until it is online; make sure that nothing is left of it."""
        await self.start()
        try:
            await wait_until_online(self.broker)
            yield self
        finally:
            await self.kill()
            print(self.log)  # pytest shows it when the test failed

    async def kill(self) -> None:
        """Make sure that nothing is left of it."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@contextlib.asynccontextmanager
async def plain_client(broker: PrivateBroker, identifier: str) -> AsyncIterator[aiomqtt.Client]:
    """An MQTT 5 client that knows nothing of our code."""
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, identifier=identifier, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        yield client


async def presence(broker: PrivateBroker, *, retained: bool = True, empty: bool = False) -> aiomqtt.Message:
    """The next presence message of the robot that is as asked for."""
    async with plain_client(broker, f"watcher-{os.getpid()}-{id(object())}") as client, asyncio.timeout(DEADLINE_S):
        await client.subscribe(PRESENCE)
        async for message in client.messages:
            if bool(message.payload) != empty and (message.retain or not retained):
                return message
    raise AssertionError("unreachable")


async def wait_until_online(broker: PrivateBroker) -> dict[str, object]:
    """Wait for the robot's presence; returns what it says of itself."""
    message = await presence(broker, retained=False)
    assert isinstance(message.payload, bytes)
    said = json.loads(message.payload)
    assert isinstance(said, dict)
    return said


async def is_retained(broker: PrivateBroker, topic: str) -> bool:
    """Whether the broker holds a retained message on a topic.

    The broker sends retained messages before it handles our next packet, so that our own message ends the wait.
    """
    async with plain_client(broker, f"asker-{os.getpid()}") as client, asyncio.timeout(DEADLINE_S):
        await client.subscribe(topic)
        await client.subscribe("tests/marker")
        await client.publish("tests/marker", b"")
        async for message in client.messages:
            if message.topic.value == topic:
                return True
            if message.topic.value == "tests/marker":
                return False
    raise AssertionError("unreachable")
