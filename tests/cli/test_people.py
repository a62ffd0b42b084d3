"""Commands for people: a robot's tools, its events, arguments that are quick to type, and completion in the shell."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import pytest
from mcp.server import MCPServer
from pydantic import Field

from robot_node.apps.private_broker import PrivateBroker
from robot_node.cli import completion
from robot_node.core.events import EventLog
from robot_node.tools.events import offer_events
from tests.attack.evil_robot import evil_robot, tool
from tests.command import command
from tests.end_to_end.robot_process import CommandResult, environment
from tests.in_a_thread import InAThread
from tests.mcp_mqtt.toys import Toy, running
from tests.shared_broker import lone_broker
from tests.waiting import DEADLINE_S

NAME = ("kitchen", "home/kitchen")


class Kitchen(InAThread):
    """A robot beside the command that uses it."""

    def __init__(self, broker: PrivateBroker) -> None:
        super().__init__()
        self.broker = broker
        self.events = EventLog()
        self.calls: list[tuple[str, Any]] = []
        self.drove_at = self.left_at = 0.0
        self.left = threading.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        toy = Toy(self._server())
        evil = evil_robot(self.broker, [tool("$(reboot)")], server_id="k;reboot", server_name="evil/$(reboot)")
        async with running(self.broker, toy, server_id=NAME[0], server_name=NAME[1]), evil:
            yield

    def _server(self) -> MCPServer:
        @asynccontextmanager
        async def session(_: object) -> AsyncIterator[None]:
            try:
                yield
            finally:
                self.left_at = time.monotonic()
                self.left.set()

        server = MCPServer("kitchen", lifespan=session)
        offer_events(server, self.events)

        @server.tool()
        async def change_emotion(
            emotion: Literal["happy", "sad"],
            duration: Annotated[float, Field(ge=0.5, le=60, description="Seconds.")] = 3,
        ) -> str:
            """Show an emotion."""
            self.calls.append(("change_emotion", (emotion, duration)))
            return "shown"

        @server.tool()
        async def drive_motor(name: str, duration: float) -> str:  # noqa: ARG001  # the command reads it
            """Drive."""
            self.calls.append(("drive_motor", name))
            self.left.clear()
            self.drove_at = time.monotonic()
            return "driving"

        return server

    def happen(self, kind: str, text: str) -> None:
        added = threading.Event()
        self.loop.call_soon_threadsafe(self.events.add, kind, text)
        self.loop.call_soon_threadsafe(added.set)
        added.wait()

    def command(self, *arguments: str, **options: Any) -> CommandResult:
        return command(*arguments, broker=self.broker, **options)


@pytest.fixture(scope="module")
def kitchen() -> Iterator[Kitchen]:
    with lone_broker() as broker, Kitchen(broker) as robot:
        yield robot


def test_the_tools_of_a_robot_are_listed_with_their_arguments(kitchen: Kitchen) -> None:
    done = kitchen.command("tools", "kitchen")
    assert done.status == 0, done.stderr
    assert "change_emotion emotion=TEXT [duration:=NUMBER]\n    Show an emotion.\n" in done.stdout
    listed = json.loads(kitchen.command("tools", "kitchen", "--json").stdout)
    assert {each["name"] for each in listed} >= {"change_emotion", "get_events", "drive_motor"}


def test_one_tool_has_ranges_and_an_example_that_works(kitchen: Kitchen) -> None:
    done = kitchen.command("tools", "kitchen", "change_emotion")
    assert done.status == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "emotion=TEXT required; one of happy, sad" in lines
    assert "duration:=NUMBER at least 0.5; at most 60; default 3; Seconds." in lines
    assert lines[-1] == "Example: robot-node call kitchen change_emotion emotion=happy"
    kitchen.calls.clear()
    assert kitchen.command(*lines[-1].removeprefix("Example: robot-node ").split()).status == 0
    assert kitchen.calls == [("change_emotion", ("happy", 3))]
    unknown = kitchen.command("tools", "kitchen", "dance")
    assert unknown.status == 1
    assert "kitchen has no tool dance. It has: " in unknown.stderr


@pytest.mark.parametrize(
    "arguments", [("emotion=sad", "duration:=1.5"), ('{"emotion": "sad", "duration": 1.5}',)], ids=["pairs", "JSON"]
)
def test_arguments_are_pairs_or_json(kitchen: Kitchen, arguments: tuple[str, ...]) -> None:
    kitchen.calls.clear()
    done = kitchen.command("call", "kitchen", "change_emotion", *arguments)
    assert (done.status, done.stdout) == (0, "shown\n"), done.stderr
    assert kitchen.calls == [("change_emotion", ("sad", 1.5))]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("emotion=sad", "duration"),
            "'duration' is no argument of a tool. Write arguments as NAME=TEXT or",
        ),
        (("duration:=long",), "The argument duration is not valid JSON"),
        (("emotion=a", "emotion=b"), "The argument emotion is given twice."),
        (("emotion=a", '{"x": 1}'), "is no argument of a tool"),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments: tuple[str, ...], says: str) -> None:
    done = command("call", "kitchen", "change_emotion", *arguments)
    assert done.status == 1
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_a_call_of_a_motor_stays_until_it_stops(kitchen: Kitchen) -> None:
    done = kitchen.command("call", "kitchen", "drive_motor", "name=wheel", "duration:=0.4")
    assert (done.status, done.stdout) == (0, "driving\n")
    assert done.stderr == "The motor runs for 0.4 s. Ctrl-C stops it.\n"
    assert kitchen.left.wait(DEADLINE_S)
    assert kitchen.left_at - kitchen.drove_at >= 0.4


def test_the_latest_events_are_lines_or_json(kitchen: Kitchen) -> None:
    kitchen.happen("chat", "one\n\x1b[2Jtwo")
    kitchen.happen("input", "Button doorbell was pressed.")
    done = kitchen.command("events", "kitchen", "--kinds", "input,chat", "-n", "2")
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  chat  one \\x1b\[2Jtwo", first)
    assert second.endswith("  input  Button doorbell was pressed.")
    page = json.loads(kitchen.command("events", "kitchen", "--kinds", "input", "--limit", "1", "--json").stdout)
    assert [event["text"] for event in page["events"]] == ["Button doorbell was pressed."]


@pytest.mark.slow
async def test_events_are_followed_until_ctrl_c(kitchen: Kitchen) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_node", "events", "kitchen", "--follow", "--kinds", "heard", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env=environment(kitchen.broker),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            kitchen.happen("heard", "before or after")
            assert json.loads(await process.stdout.readline())["text"] == "before or after"
            kitchen.happen("input", "not this")
            kitchen.happen("heard", "hello")
            assert json.loads(await process.stdout.readline())["text"] == "hello"
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine has no more time than a person who waits for a completion; a test has."""
    monkeypatch.setattr(completion, "_LIMIT_S", DEADLINE_S)


def completed(kitchen: Kitchen | None, *words: str, **settings: str) -> list[str]:
    """What the shell offers after these words, of which the last one is incomplete."""
    completing = {"_ROBOT_NODE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(("robot-node", *words))}
    options = completing | {"COMP_CWORD": str(len(words))} | settings
    done = command(broker=None if kitchen is None else kitchen.broker, settings=options)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.usefixtures("patient")
def test_the_shell_completes_robots_and_tools(kitchen: Kitchen) -> None:
    assert completed(kitchen, "call", "k") == ["kitchen"]
    assert completed(kitchen, "watch", "home/") == ["home/kitchen"]
    assert completed(kitchen, "call", "kitchen", "ch") == ["change_emotion"]
    assert completed(kitchen, "tools", "kitchen", "get") == ["get_events"]
    assert {"events", "tools"} <= set(completed(kitchen, ""))


@pytest.mark.usefixtures("patient")
def test_names_that_a_shell_would_execute_are_not_offered(kitchen: Kitchen) -> None:
    assert completed(kitchen, "call", "k") == ["kitchen"]
    assert completed(kitchen, "call", "evil/") == []


@pytest.mark.usefixtures("patient")
def test_without_a_broker_the_completion_is_silent() -> None:
    nobody = {"ROBOT_NODE_BROKER__URL": "mqtt://127.0.0.1:1"}
    assert completed(None, "call", "k", **nobody) == []
    assert completed(None, "call", "k", ROBOT_NODE_BROKER__URL="http://no") == []


def test_a_broker_that_does_not_answer_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "_LIMIT_S", 0.1)
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert completed(None, "call", "k", ROBOT_NODE_BROKER__URL=f"mqtt://127.0.0.1:{silent.getsockname()[1]}") == []
    # Either the thread ended in time, or the process would have ended without it.
    assert ended in ([], [0])
