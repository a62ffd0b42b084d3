"""``robots --watch``: who comes and goes, live."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiomqtt
import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.apps.remote import PresenceChange, change_as_text, presence_changes
from robot_node.mcp_mqtt.presence import OnlineServer
from tests.command import command
from tests.end_to_end.robot_process import environment
from tests.waiting import DEADLINE_S

KITCHEN = "$mcp-server/presence/robot-1/tests/kitchen"
CELLAR = "$mcp-server/presence/robot-2/tests/cellar"
AT = datetime(2026, 7, 28, 12, 30, 15, tzinfo=UTC)


class Watch:
    """``robot-node robots --watch``, and what it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def complaint(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            return (await self.process.stderr.readline()).decode().rstrip("\n")

    async def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def watching(broker: PrivateBroker, *arguments: str) -> AsyncIterator[Watch]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_node", "robots", "--watch", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(broker),
    )
    try:
        yield Watch(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def publish(broker: PrivateBroker, topic: str, description: str | None) -> None:
    """Let a robot come, or go (None)."""
    payload = b""
    if description is not None:
        params = {"server_name": topic.split("/", 3)[3], "description": description, "meta": {"floor": 0}}
        payload = json.dumps({"jsonrpc": "2.0", "method": "notifications/server/online", "params": params}).encode()
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.publish(topic, payload, qos=1, retain=True)


@pytest.mark.slow
async def test_a_line_for_each_that_is_there_that_comes_and_that_goes(broker: PrivateBroker) -> None:
    await publish(broker, KITCHEN, "A robot in the kitchen.")
    async with watching(broker) as watch:
        time, rest = (await watch.line()).split(" ", 1)
        assert re.fullmatch(r"\d\d:\d\d:\d\d", time)
        assert rest == "+  robot-1  tests/kitchen  A robot in the kitchen."
        await publish(broker, CELLAR, "")
        assert (await watch.line()).split(" ", 1)[1] == "+  robot-2  tests/cellar"
        await publish(broker, KITCHEN, None)
        assert (await watch.line()).split(" ", 1)[1] == "-  robot-1  tests/kitchen  A robot in the kitchen."
        assert await watch.complaint() == f"Connected to mqtt://127.0.0.1:{broker.port}."
        assert await watch.interrupt() == 0
        assert await watch.line() == await watch.complaint() == ""


def test_the_table_shows_a_description_as_it_is_and_keeps_it_in_its_line(broker: PrivateBroker) -> None:
    asyncio.run(publish(broker, KITCHEN, "[/b] [bold]two\n\x1b[2Jlines[/bold]"))
    listed = command("robots", broker=broker)
    assert listed.status == 0, listed.stderr
    _, line = listed.stdout.splitlines()
    assert line.split(maxsplit=2) == ["robot-1", "tests/kitchen", r"[/b] [bold]two \x1b[2Jlines[/bold]"]


@pytest.mark.slow
async def test_json_lines(broker: PrivateBroker) -> None:
    await publish(broker, KITCHEN, "A robot in the kitchen.")
    async with watching(broker, "--json") as watch:
        came = json.loads(await watch.line())
        assert datetime.fromisoformat(came.pop("time")).tzinfo is not None
        assert came == {
            "event": "online",
            "server_id": "robot-1",
            "server_name": "tests/kitchen",
            "description": "A robot in the kitchen.",
            "meta": {"floor": 0},
        }
        await publish(broker, KITCHEN, None)
        went = json.loads(await watch.line())
        assert (went["event"], went["server_id"]) == ("offline", "robot-1")
        assert await watch.interrupt() == 0


@pytest.mark.slow
@pytest.mark.own_broker
async def test_a_broker_that_is_lost_and_comes_back_is_said_on_stderr(broker: PrivateBroker) -> None:
    await publish(broker, KITCHEN, "A robot in the kitchen.")
    async with watching(broker) as watch:
        assert " +  robot-1" in await watch.line()
        assert await watch.complaint() == f"Connected to mqtt://127.0.0.1:{broker.port}."
        await broker.stop()
        assert " -  robot-1" in await watch.line()
        assert (await watch.complaint()).endswith("Retrying.")
        await broker.start()
        assert await watch.complaint() == f"Connected to mqtt://127.0.0.1:{broker.port}."
        await publish(broker, CELLAR, "A robot in the cellar.")
        assert " +  robot-2" in await watch.line()
        assert await watch.interrupt() == 0


def test_the_help_says_what_json_means_here() -> None:
    shown = " ".join(command("robots", "--help").stdout.split())
    assert "with --watch, one JSON object per line" in shown


KITCHEN_ROBOT = OnlineServer("robot-1", "tests/kitchen", "Cooks.")
CELLAR_ROBOT = OnlineServer("robot-2", "tests/cellar", "Waits.")


def test_who_has_gone_is_told_before_who_has_come() -> None:
    told = list(presence_changes([KITCHEN_ROBOT], [CELLAR_ROBOT]))
    assert told == [PresenceChange(online=False, robot=KITCHEN_ROBOT), PresenceChange(online=True, robot=CELLAR_ROBOT)]
    assert not list(presence_changes([KITCHEN_ROBOT], [KITCHEN_ROBOT]))


def test_a_robot_that_describes_itself_anew_comes_again() -> None:
    anew = OnlineServer("robot-1", "tests/kitchen", "Bakes.")
    assert list(presence_changes([KITCHEN_ROBOT], [anew])) == [PresenceChange(online=True, robot=anew)]


@pytest.mark.parametrize("description", ["two\nlines", "two\r\n  lines", "two \x1b[2Jlines"])
def test_a_description_cannot_leave_its_line(description: str) -> None:
    line = change_as_text(PresenceChange(online=True, robot=OnlineServer("robot-1", "tests/kitchen", description)), AT)
    assert line.startswith("12:30:15 +  robot-1  tests/kitchen  two ")
    assert line.isprintable()
