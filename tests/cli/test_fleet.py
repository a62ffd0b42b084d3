"""``robots --where`` and ``call --all``: which robots they find, and what became of each."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from robot_node.apps.private_broker import PrivateBroker
from tests.command import command
from tests.end_to_end.robot_process import CommandResult, environment
from tests.in_a_thread import InAThread
from tests.mcp_mqtt.toys import Toy, running
from tests.shared_broker import lone_broker
from tests.waiting import DEADLINE_S

CAMERAS = {"lab/one": "on", "lab/two": "off", "hall/three": "on"}


class Fleet(InAThread):
    """Three robots: ``lab/one`` and ``lab/two`` work, ``hall/three`` fails, and answers no call of ``perform``.

    A fourth, which no other test meets, is online for one test, and goes when ``perform`` is called.
    """

    def __init__(self, broker: PrivateBroker) -> None:
        super().__init__()
        self.broker = broker
        self.calls: list[str] = []
        self.asked: list[str] = []
        self.busy = self.most_busy = 0
        self.silent = ""
        """Whose status is malformed."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for name, camera in CAMERAS.items():
                meta = {} if name == "lab/two" else {"version": "0.1.0" if name == "lab/one" else "0.2.0"}
                toy = Toy(self._server(name, camera))
                server_id = name.partition("/")[2]
                await stack.enter_async_context(
                    running(self.broker, toy, server_id=server_id, server_name=name, meta=meta)
                )
            yield

    @contextmanager
    def with_fourth(self) -> Iterator[None]:
        """Have ``yard/four`` online until it is called."""
        online = threading.Event()

        async def serve() -> None:
            called = asyncio.Event()
            toy = Toy(self._server("yard/four", "on", called.set))
            async with running(self.broker, toy, server_id="four", server_name="yard/four"):
                online.set()
                await called.wait()

        serving = asyncio.run_coroutine_threadsafe(serve(), self.loop)
        try:
            assert online.wait(DEADLINE_S)
            yield
            serving.result(DEADLINE_S)
        finally:
            serving.cancel()

    def _server(self, name: str, camera: str, on_perform: Callable[[], None] = lambda: None) -> MCPServer:
        server = MCPServer(name)

        @server.resource("robot://status")
        async def status() -> str:
            self.asked.append(name)
            if name == self.silent:
                return "[]"
            return json.dumps({"camera": camera, "versions": {"robot-node": "0.1.0"}})

        @server.tool()
        async def get_status() -> dict[str, str]:
            """Read."""
            self.busy += 1
            self.most_busy = max(self.busy, self.most_busy)
            await asyncio.sleep(0)
            self.busy -= 1
            return {"camera": camera}

        @server.tool()
        async def change_emotion(emotion: str) -> str:
            """Act."""
            if name == "hall/three":
                raise ToolError("The display\nis broken.")
            self.calls.append(f"{name} {emotion}")
            return emotion

        @server.tool()
        async def perform() -> str:
            """Take for ever."""
            self.calls.append(f"{name} perform")
            on_perform()
            if name in {"hall/three", "yard/four"}:
                await asyncio.Event().wait()
            return "done"

        @server.tool()
        async def drive_motor(duration: float) -> str:  # noqa: ARG001  # the command reads it
            """Begin to drive, and return."""
            self.calls.append(f"{name} drive_motor")
            return "driving"

        return server

    def command(self, *arguments: str, **options: Any) -> CommandResult:
        self.calls.clear()
        self.asked.clear()
        return command(*arguments, broker=self.broker, **options)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with lone_broker() as broker, Fleet(broker) as robots:
        yield robots


def rows(printed: str) -> list[list[str]]:
    return [line.strip().split(maxsplit=3) for line in printed.splitlines()[1:]]


def test_robots_are_found_by_name_without_being_asked(fleet: Fleet) -> None:
    found = fleet.command("robots", "--name", "lab/*", "--json")
    assert [each["server_id"] for each in json.loads(found.stdout)] == ["one", "two"]
    assert fleet.asked == []


def test_robots_are_found_by_their_status(fleet: Fleet) -> None:
    found = fleet.command("robots", "--where", "camera=on")
    assert found.stdout.splitlines()[0].split() == ["SERVER", "ID", "SERVER", "NAME", "CAMERA", "DESCRIPTION"]
    assert rows(found.stdout) == [["three", "hall/three", "on"], ["one", "lab/one", "on"]]
    assert sorted(fleet.asked) == sorted(CAMERAS)
    both = json.loads(fleet.command("robots", "--where", "camera=on", "--where", "server_name=lab/*", "--json").stdout)
    assert [(each["server_id"], each["values"]) for each in both] == [
        ("one", {"camera": "on", "server_name": "lab/one"})
    ]
    assert sorted(fleet.asked) == ["lab/one", "lab/two"]


def test_a_robot_that_does_not_tell_its_status_is_named_and_does_not_match(fleet: Fleet) -> None:
    fleet.silent = "hall/three"
    try:
        found = fleet.command("robots", "--where", "camera=on", "--json")
        called = fleet.command("call", "--where", "camera=on", "get_status", "--json")
    finally:
        fleet.silent = ""
    assert [each["server_id"] for each in json.loads(found.stdout)] == ["one"]
    assert json.loads(called.stdout)["server_id"] == "one"
    for each in (found, called):
        assert each.status == 1
        assert each.stderr.startswith("three did not tell its status: error. robot://status is no JSON object.")


def test_only_a_robot_whose_presence_does_not_tell_its_version_is_asked(fleet: Fleet) -> None:
    found = fleet.command("robots", "--where", "version<0.2", "--json")
    assert [each["server_id"] for each in json.loads(found.stdout)] == ["one", "two"]
    assert fleet.asked == ["lab/two"]


def test_a_field_that_no_robot_has_is_an_error_that_names_the_fields(fleet: Fleet) -> None:
    for name in (("robots",), ("call", "get_status")):
        failed = fleet.command(*name, "--where", "camra=on")
        assert (failed.status, failed.stdout) == (1, "")
        assert (
            "Robots have no field camra. Fields: server_id, server_name, description, version, camera," in failed.stderr
        )


def test_all_robots_are_called_and_those_that_fail_are_said(fleet: Fleet) -> None:
    done = fleet.command("call", "--all", "--yes", "change_emotion", "emotion=happy")
    assert done.status == 1
    assert rows(done.stdout) == [
        ["three", "hall/three", "failed", "Error executing tool change_emotion: The display is broken."],
        ["one", "lab/one", "ok", '{"result": "happy"}'],
        ["two", "lab/two", "ok", '{"result": "happy"}'],
    ]
    assert done.stderr == "2 ok, 1 failed\n"
    assert sorted(fleet.calls) == ["lab/one happy", "lab/two happy"]


def test_some_robots_are_called_with_a_line_of_json_for_each(fleet: Fleet) -> None:
    done = fleet.command("call", "--name", "lab/*", "--where", "camera=off", "change_emotion", "emotion=sad", "--json")
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (done.status, done.stderr) == (0, "")
    assert (line["server_id"], line["server_name"], line["outcome"]) == ("two", "lab/two", "ok")
    assert line["result"]["structuredContent"] == {"result": "sad"}
    assert 0 < line["seconds"] < DEADLINE_S
    assert fleet.calls == ["lab/two sad"]


def test_several_robots_act_only_after_a_confirmation(fleet: Fleet) -> None:
    refused = fleet.command("call", "--name", "lab/*", "change_emotion", "emotion=sad")
    assert refused.status == 1
    assert refused.stderr == (
        "robot-node: change_emotion would be called of 2 robots: one, two. Add --yes if that is meant.\n"
    )
    assert fleet.calls == []
    assert fleet.command("call", "--name", "lab/*", "get_status").status == 0, "what only reads needs none"


@pytest.mark.parametrize(("answer", "calls"), [("n", []), ("", []), ("y", ["lab/one sad", "lab/two sad"])])
def test_in_a_terminal_several_robots_act_only_after_a_yes(fleet: Fleet, answer: str, calls: list[str]) -> None:
    arguments = ("call", "--name", "lab/*", "change_emotion", "emotion=sad")
    done = fleet.command(*arguments, stdin=f"{answer}\n", terminal=True)
    assert done.stderr.startswith("Call change_emotion of 2 robots (one, two)? [y/N]:")
    assert (sorted(fleet.calls), done.status) == (calls, 0 if calls else 1)


def test_no_robot_at_all_is_a_status_of_its_own(fleet: Fleet) -> None:
    done = fleet.command("call", "--name", "cellar/*", "get_status", "--json")
    assert (done.status, done.stdout) == (3, "")
    assert done.stderr.startswith("No robot matches at mqtt://")


def test_a_named_robot_that_is_offline_is_named(fleet: Fleet) -> None:
    done = fleet.command("call", "--name", "lab/one", "--name", "lab/nine", "get_status", "--json")
    assert done.status == 1
    lines = {line["server_name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line["outcome"] for name, line in lines.items()} == {"lab/one": "ok", "lab/nine": "offline"}
    assert lines["lab/nine"]["error"] == "No robot lab/nine is online."


def test_a_robot_that_does_not_answer_in_time_is_a_timeout(fleet: Fleet) -> None:
    done = fleet.command("call", "--name", "hall/*", "perform", "--timeout", "0.5")
    assert done.status == 1
    assert rows(done.stdout) == [["three", "hall/three", "timeout", "No answer within 0.5 s."]]


def test_a_robot_that_goes_during_its_call_is_offline(fleet: Fleet) -> None:
    with fleet.with_fourth():
        done = fleet.command("call", "--name", "lab/one", "--name", "yard/*", "--yes", "perform")
    assert (done.status, done.stderr) == (1, "1 ok, 1 offline\n")
    assert rows(done.stdout) == [
        ["one", "lab/one", "ok", '{"result": "done"}'],
        ["four", "yard/four", "offline", "It went offline."],
    ]


def test_a_motor_may_run_for_longer_than_an_answer_may_take(fleet: Fleet) -> None:
    motors = ("call", "--name", "lab/*", "--yes", "drive_motor", "duration:=2.2", "--timeout", "2", "--json")
    done = fleet.command(*motors)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["outcome"] for line in lines] == ["ok", "ok"], done.stderr
    assert min(line["seconds"] for line in lines) >= 2.2, "the session stays until the motor stops"


def test_as_many_robots_at_a_time_as_permitted(fleet: Fleet) -> None:
    fleet.most_busy = 0
    assert fleet.command("call", "--all", "get_status", "--parallel", "1").status == 0
    assert fleet.most_busy == 1


@pytest.mark.slow
def test_a_robot_that_does_not_answer_holds_up_nobody_and_ctrl_c_prints_what_is_known(fleet: Fleet) -> None:
    fleet.calls.clear()
    process = subprocess.Popen(
        [sys.executable, "-m", "robot_node", "call", "--all", "--yes", "--json", "perform"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(fleet.broker),
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        first = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert {line["outcome"] for line in first} == {"ok"}
        while process.stderr.readline() != "perform: 2 of 3 robots.\n":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    last: dict[str, Any] = json.loads(stdout)
    assert (last["server_id"], last["outcome"]) == ("three", "interrupted")
    assert "Traceback" not in stderr


def test_the_commands_of_the_guide_are_understood(fleet: Fleet) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text()
    lines = re.findall(r"^robot-node ((?:robots|call) [^#|\n]+)", guide, re.MULTILINE)
    assert len(lines) > 8
    for line in lines:
        done = fleet.command(*shlex.split(line), *(["--yes"] if line.startswith("call") else []))
        assert done.status in {0, 1, 3}, line
        assert not done.stderr.startswith("robot-node:"), done.stderr


def test_what_concerns_one_robot_is_refused_of_several(fleet: Fleet) -> None:
    assert "--output saves the image of one robot." in fleet.command("call", "--all", "look", "-o", "x.jpg").stderr
    assert "--watch does not follow --where." in fleet.command("robots", "--watch", "--where", "camera=on").stderr
    for arguments, says in ((("one",), "value: TOOL is"), (("--all",), "value: TOOL is"), ((), "ROBOT and TOOL are")):
        missing = fleet.command("call", *arguments)
        assert missing.status == 2
        assert f"{says} missing; with --all" in missing.stderr


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_gets_no_traceback(fleet: Fleet) -> None:
    call = [sys.executable, "-m", "robot_node", "call", "--all", "--json", "get_status"]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            call, stdout=writer, stderr=subprocess.PIPE, env=environment(fleet.broker), text=True, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
