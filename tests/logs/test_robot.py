"""The log of a real robot: the story of one connection, levels at run time, and what strangers write into it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.webrtc.viewer import watch
from tests.end_to_end.agents import agent, status, structured
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, environment, wait_until_online
from tests.waiting import DEADLINE_S, eventually

KEEPER = {
    "ROBOT_NODE_ACCESS__ROLES": json.dumps({"keeper": {"allowed_tools": ["set_log_level"]}}),
    "ROBOT_NODE_ACCESS__CLIENTS": json.dumps([{"client_id": "anna", "role": "keeper"}]),
}


def robot_with(broker: PrivateBroker, folder: Path, **log: str) -> RobotProcess:
    """A robot with log settings."""
    settings = {f"ROBOT_NODE_LOG__{name.upper()}": value for name, value in log.items()}
    return RobotProcess(broker, folder, settings={"ROBOT_NODE_CAMERA__ON_AT_START": "true", **KEEPER, **settings})


def records(robot: RobotProcess) -> list[dict[str, Any]]:
    """The complete lines of a log in JSON."""
    return [json.loads(line) for line in robot.log.split("\n")[:-1]]


def story(robot: RobotProcess, kind: str, peer: str) -> str:
    """What happened in all sessions with a peer, a line each."""
    ours = [record for record in records(robot) if record["logger"].startswith("robot_node.")]
    told = [record for record in ours if record.get("session", "").startswith(f"{kind}/{peer}/")]
    assert len({record["session"] for record in told}) <= 1
    return "\n".join(record["message"] for record in told)


@pytest.mark.slow
async def test_the_steps_of_a_connection_are_found_by_its_session(broker: PrivateBroker, tmp_path: Path) -> None:
    async with robot_with(broker, tmp_path, level="debug", format="json").online() as robot:
        for client_id in (SERVER_ID, f"{SERVER_ID}-webrtc"):
            await eventually(lambda: "connection to" in story(robot, "mqtt", client_id), "a story of each connection")  # noqa: B023  # called at once
        packets = [record for record in records(robot) if record["logger"] == "mqtt"]
        assert "Received CONNACK" in "".join(record["message"] for record in packets)
        assert [record for record in packets if not record.get("session")] == []
        async with agent(broker, client_id="bob") as bob:
            await status(bob)
        await eventually(lambda: "ended: the client left" in story(robot, "mcp", "bob"), "the session's end")
        assert re.search(
            r"^Client bob opened a session\n"
            r"Request: (server/discover|initialize)\n"
            r"(.*\n)*Request: tools/call get_status\n"
            r"(.*\n)*Answered after [0-9.]+ ms: tools/call get_status: ok\n"
            r"(.*\n)*The session of client bob ended: the client left$",
            story(robot, "mcp", "bob"),
        )
        await watch(Broker.from_url(broker.url), SERVER_ID, frames=5, client_id="tablet")
        await eventually(lambda: "has ended" in story(robot, "webrtc", "tablet"), "the session's end")
        told = story(robot, "webrtc", "tablet")
        steps = (
            "Viewer 'tablet' offers",
            "ICE gathering: complete",
            "Answer sent: H264",
            "ICE: completed",
            "DTLS: connected",
            "Viewer 'tablet' is connected",
            "The first frame is sent",
            "The session of viewer 'tablet' has ended: ",
        )
        assert [step for step in steps if step not in told] == []
        assert told.index("offers") < told.index("Answer sent") < told.index("DTLS: connected")
        assert told.index("DTLS: connected") < told.index("first frame") < told.index("has ended")


async def test_a_level_is_set_over_mqtt_by_whom_the_owner_lets(broker: PrivateBroker, tmp_path: Path) -> None:
    debug = {"category": "mcp", "level": "debug"}
    async with (
        robot_with(broker, tmp_path).online() as robot,
        agent(broker, client_id="anna") as anna,
        agent(broker, client_id="bob") as bob,
    ):
        with pytest.raises(MCPError, match="set_log_level is for people only"):
            await bob.call_tool("set_log_level", debug)
        assert "Request: " not in robot.log
        levels = (await structured(anna, "set_log_level", **debug))["levels"]
        assert levels == {"mqtt": "info", "mcp": "debug", "webrtc": "info", "app": "info"}
        await status(bob)
        await eventually(lambda: "Request: tools/call get_status" in robot.log, "what agents ask")
        assert "The log level of mcp is now debug, as 'anna' asked" in robot.log


async def test_a_reload_reads_the_levels_again_and_a_wrong_file_changes_nothing(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    file, log = tmp_path / "robot.toml", tmp_path / "log"
    file.write_text("[log]\nlevel = 'warning'\n")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "robot_node", "run", "--simulated", "--config", str(file)),
            *("--server-id", SERVER_ID, "--server-name", "tests/robot"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(broker),
            start_new_session=True,  # without a terminal, as a service
        )
    try:
        await wait_until_online(broker)
        assert log.read_text() == ""
        file.write_text("[log]\nmcp = 'debug'\nformat = 'json'\n")
        process.send_signal(signal.SIGHUP)
        await eventually(lambda: "settings reloaded" in log.read_text(), "the reload")
        assert json.loads(log.read_text().splitlines()[0])["message"].startswith(
            "Log settings reloaded; levels: mqtt info, mcp debug, webrtc info, app info."
        )
        file.write_text("[log]\nmcp = 'loud'\n")
        process.send_signal(signal.SIGHUP)
        await eventually(lambda: "Log settings not reloaded." in log.read_text(), "the refusal")
        assert "log.mcp: Input should be 'debug', 'info', 'warning' or 'error'" in log.read_text()
        async with agent(broker) as client:
            await status(client)
        await eventually(lambda: "Request: tools/call get_status" in log.read_text(), "the level is kept")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_closing_its_terminal_ends_a_robot(broker: PrivateBroker) -> None:
    """A robot that somebody started in a terminal must not go on watching when that is closed."""
    controller, terminal = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *("env", "--default-signal=HUP", "setsid", "--ctty"),  # a run under nohup hands on that it ignores the signal
        *(sys.executable, "-m", "robot_node", "run", "--simulated"),
        *("--server-id", SERVER_ID, "--server-name", "tests/robot"),
        stdin=terminal,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(broker),
    )
    os.close(terminal)
    try:
        await wait_until_online(broker)
        os.close(controller)
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) != 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
