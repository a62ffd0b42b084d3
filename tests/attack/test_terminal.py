"""A robot that attacks the terminal of who calls it: whatever it says ends as text, or as an error of one line."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import robot_node
from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.apps.bridge.agents import Message, ScriptedRobot
from tests.attack.evil_robot import BAD_RESULTS, SCHEMA, evil_robot, tool
from tests.command import command
from tests.end_to_end.robot_process import CommandResult
from tests.in_a_thread import InAThread
from tests.shared_broker import lone_broker

NASTY = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202e\u200f\u2066\u2028"
ROOT = Path(robot_node.__file__).parent
DISCOVERED: Message = {
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "evil", "version": "1"},
    "resultType": "complete",
    "ttlMs": 0,
    "cacheScope": "private",
}
INITIALIZED = DISCOVERED | {"protocolVersion": "2025-11-25"}
PICTURE = {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"}

ODD_RESULTS: dict[str, Any] = BAD_RESULTS | {
    "a text": NASTY,
    "no content": {},
    "content of an unknown type": {"content": [{"type": "hologram", "data": NASTY}]},
    "half of base64": {"content": [PICTURE | {"data": "aGVsbG8"}]},
    "a mime type that is a number": {"content": [PICTURE | {"mimeType": 5}]},
    "too large": {"content": [{"type": "text", "text": "x" * (9 << 20)}]},
    "input required": {"resultType": "input_required"},
}


class Evil(InAThread):
    """The evil robot, beside the command that meets it."""

    robot: ScriptedRobot

    def __init__(self, broker: PrivateBroker) -> None:
        super().__init__()
        self.broker = broker

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        schema = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
        tools = [tool("nod", outputSchema=schema)]
        async with evil_robot(self.broker, tools, server_name="evil/\u202ebot") as self.robot:
            yield

    def call(self, result: Any, *options: str) -> CommandResult:
        """``robot-node call`` of a tool with this result."""
        self.robot.on_call = lambda _: [{"result": result}]
        return command("call", "evil", "nod", *options, broker=self.broker)


@pytest.fixture(scope="module")
def evil() -> Iterator[Evil]:
    with lone_broker() as broker, Evil(broker) as robot:
        yield robot


def is_an_error_of_one_line(done: CommandResult) -> bool:
    line = done.stderr.removesuffix("\n")
    return done.status == 1 and done.stdout == "" and line.startswith("robot-node: evil") and line.isprintable()


@pytest.mark.parametrize("result", ODD_RESULTS.values(), ids=ODD_RESULTS)
def test_an_odd_result_is_an_error_of_one_line_that_names_the_robot(evil: Evil, result: Any) -> None:
    assert is_an_error_of_one_line(evil.call(result))


def test_a_result_that_cannot_be_printed_as_json_is_the_same_error(evil: Evil) -> None:
    assert is_an_error_of_one_line(evil.call({"content": None}, "--json"))


@pytest.mark.parametrize(
    "handshake",
    [[], {}, {"protocolVersion": NASTY, "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}],
    ids=["a list", "empty", "an unknown version"],
)
def test_an_odd_handshake_is_an_error_of_one_line(evil: Evil, handshake: Any) -> None:
    evil.robot.results["initialize"] = handshake
    try:
        assert is_an_error_of_one_line(evil.call({"content": []}))
    finally:
        del evil.robot.results["initialize"]


def test_a_robots_error_is_one_bounded_line(evil: Evil) -> None:
    evil.robot.on_call = lambda _: [{"error": {"code": -32000, "message": f"No.\nrobot-node: owned{NASTY}" * 1000}}]
    done = command("call", "evil", "nod", broker=evil.broker)
    assert is_an_error_of_one_line(done)
    assert len(done.stderr) < 5000


def test_odd_notifications_print_nothing(evil: Evil) -> None:
    said = [
        {"method": "notifications/message", "params": {"level": NASTY, "data": 5}},
        {"method": "notifications/progress", "params": {"progressToken": [], "progress": NASTY}},
        {"method": NASTY, "params": {}},
        {"method": "notifications/message", "params": {"level": "error", "data": NASTY}},
    ]
    evil.robot.on_call = lambda _: [*said, {"result": {"content": [{"type": "text", "text": "done"}]}}]
    assert command("call", "evil", "nod", broker=evil.broker) == CommandResult(0, "done\n", "")


def test_texts_and_mime_types_are_printed_without_control_characters(evil: Evil, tmp_path: Path) -> None:
    text = {"type": "text", "text": f"\u00fc{NASTY}"}
    picture = PICTURE | {"mimeType": f"image/../../x\n{NASTY}"}
    done = evil.call({"content": [text, picture]}, "--output", str(tmp_path / "picture"))
    assert (done.status, done.stderr) == (0, "")
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert done.stdout.startswith("\u00fc\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\x7f\\u202e\\u200f\\u2066\n")
    assert [file.name for file in tmp_path.iterdir()] == ["picture"]
    assert (tmp_path / "picture").read_bytes() == b"hello"


def test_json_has_control_characters_as_escapes(evil: Evil) -> None:
    result = {"content": [{"type": "text", "text": f"\u00fc{NASTY}"}], "structuredContent": {NASTY: NASTY}}
    done = evil.call(result, "--json")
    assert done.stdout.removesuffix("\n").isprintable()
    assert "\u00fc\\u001b]0;owned\\u0007\\u001b[2J\\u009b31m\\u007f\\u202e\\u200f\\u2066\\u2028" in done.stdout
    assert json.loads(done.stdout) == result | {"isError": False, "resultType": "complete"}


def test_an_output_schema_cannot_hold_up_the_command(evil: Evil) -> None:
    # To match this with the pattern of the schema takes longer than anybody waits.
    done = evil.call({"content": [], "structuredContent": {"x": "a" * 50 + "!"}})
    assert (done.status, done.stderr) == (0, "")


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_names_are_printed_without_control_characters(evil: Evil, options: tuple[str, ...]) -> None:
    done = command("robots", *options, broker=evil.broker)
    assert "Harmless." in done.stdout
    assert "\\u202ebot" in done.stdout
    assert all(line.isprintable() for line in done.stdout.splitlines())


def test_an_error_lists_names_without_control_characters(evil: Evil) -> None:
    done = command("call", "nobody", "nod", broker=evil.broker)
    assert "Online now: evil (evil/\\u202ebot)" in done.stderr
    assert done.stderr.removesuffix("\n").isprintable()


@pytest.mark.parametrize("modern", [False, True], ids=["request", "input required"])
async def test_a_question_is_one_bounded_line(broker: PrivateBroker, modern: bool) -> None:
    form = {"message": f"Feed the cat? [y/N]: y\n{NASTY}" * 1000, "requestedSchema": SCHEMA | {"properties": {}}}
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return True

    async with evil_robot(broker, [tool("nod")]) as robot:

        def answer(call: Message) -> list[Message]:
            if modern and "inputResponses" not in call["params"]:
                request = {"method": "elicitation/create", "params": {"mode": "form"} | form}
                return [{"result": {"resultType": "input_required", "inputRequests": {"x": request}}}]
            if modern:
                return [{"result": {"content": [], "resultType": "complete"}}]
            return [{"method": "elicitation/create", "id": 1, "params": form}]

        robot.on_call = answer
        if modern:
            robot.results["server/discover"] = DISCOVERED
            params = {"meta": {"protocol_versions": ["2026-07-28"]}}
            said = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": params}
            await robot.publish("$mcp-server/presence/evil/evil/robot", said, retain=True)
        else:
            robot.results["initialize"] = INITIALIZED
        calling = asyncio.create_task(remote.call(Broker(broker.url), "evil", "nod", {}, ask=ask), name="call")
        if not modern:
            call = await robot.until(lambda message: message.get("method") == "tools/call")
            await robot.until(lambda message: message.get("id") == 1 and "result" in message)
            await robot.say({"id": call["id"], "result": {"content": []}})
        assert (await calling).content == []
    (question,) = asked
    assert question.startswith(r"Feed the cat? [y/N]: y\n\x1b]0;owned\x07")
    assert question.isprintable()
    assert len(question) < 10_000


@pytest.mark.parametrize("path", sorted((ROOT / "cli").glob("*.py")), ids=lambda path: path.name)
def test_every_command_prints_through_one_place(path: Path) -> None:
    printing = set(
        re.findall(r"(?<!\.)\bprint(?=\()|typer\.s?echo|click\.s?echo|std(?:out|err)\.write", path.read_text())
    )
    assert printing == ({"typer.echo"} if path.name == "output.py" else set())
