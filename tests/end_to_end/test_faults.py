"""A robot as a process, and a broker or a network that fails it: docs/conformance.md, "What happens when"."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import agent, status
from tests.end_to_end.robot_process import (
    PRESENCE,
    SERVER_ID,
    RobotProcess,
    environment,
    is_retained,
    presence,
    wait_until_online,
)
from tests.waiting import DEADLINE_S, eventually

QUICK = {"ROBOT_NODE_BROKER__KEEPALIVE_S": "1", "ROBOT_NODE_BROKER__CONNECT_TIMEOUT_S": "1"}


@contextlib.asynccontextmanager
async def running_robot(broker: PrivateBroker, folder: Path, settings: dict[str, str]) -> AsyncIterator[RobotProcess]:
    """A robot that is being started."""
    await asyncio.to_thread(folder.mkdir)
    robot = RobotProcess(broker, folder, settings=settings)
    await robot.start()
    try:
        yield robot
    finally:
        await robot.kill()
        print(robot.log)  # pytest shows it when the test failed


async def answers(broker: PrivateBroker) -> None:
    """An agent that comes now is served."""
    async with agent(broker) as client:
        await status(client)


@pytest.mark.slow
async def test_a_robot_that_stood_still_is_missed_and_comes_back(broker: PrivateBroker, tmp_path: Path) -> None:
    async with running_robot(broker, tmp_path / "robot", QUICK) as robot:
        await wait_until_online(broker)
        assert robot.process is not None
        robot.process.send_signal(signal.SIGSTOP)  # as a machine that sleeps, or a network that is gone
        await presence(broker, retained=False, empty=True)
        assert not await is_retained(broker, PRESENCE)
        robot.process.send_signal(signal.SIGCONT)
        await wait_until_online(broker)
        await answers(broker)
        assert robot.log.count("Next attempt in") <= 4  # of two connections


@pytest.mark.own_broker
async def test_a_call_in_flight_fails_at_once_when_the_broker_is_killed(broker: PrivateBroker, tmp_path: Path) -> None:
    async with running_robot(broker, tmp_path / "robot", {}) as robot:
        await wait_until_online(broker)
        assert robot.process is not None
        robot.process.send_signal(signal.SIGSTOP)  # so that it answers nothing
        call = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "robot_node", "call", SERVER_ID, "get_status"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(broker),
        )
        try:
            await eventually(
                lambda: f"$mcp-server/{SERVER_ID}/" in received(broker) or call.returncode is not None,
                "the session is being opened",
            )
            ended_too_soon = call.returncode is not None
            assert not ended_too_soon, (await call.communicate())[1]
            broker.signal(signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):  # the time limit of the call itself is longer
                stdout, stderr = await call.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                call.kill()
        assert (call.returncode, stdout) == (1, b"")
        assert stderr.decode().splitlines()[-1].startswith("robot-node: The connection to the broker was lost: ")
        assert "Traceback" not in stderr.decode()
        await broker.stop()
        await broker.start()
        robot.process.send_signal(signal.SIGCONT)
        await wait_until_online(broker)
        await answers(broker)


def received(broker: PrivateBroker) -> str:
    """What the broker got from the command's connection."""
    return "\n".join(line for line in broker.log.splitlines() if "Received PUBLISH" in line and SERVER_ID in line)


async def test_a_robot_survives_a_killed_broker_with_persistence(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    store = tmp_path_factory.mktemp("store")
    broker = PrivateBroker(extra=f"persistence true\npersistence_location {store}/")
    async with broker, running_robot(broker, tmp_path / "robot", {}) as robot:
        await wait_until_online(broker)
        broker.signal(signal.SIGKILL)
        await broker.stop()
        await broker.start()
        await eventually(lambda: robot.log.count(f"Online as {SERVER_ID}") == 2, "the robot is back")
        await answers(broker)
        assert await robot.stop() == 0
        assert not await is_retained(broker, PRESENCE)


@pytest.mark.slow
async def test_two_robots_with_one_id_say_so_and_do_not_fight(broker: PrivateBroker, tmp_path: Path) -> None:
    slow = {"ROBOT_NODE_BROKER__RECONNECT_INITIAL_S": "0.5", "ROBOT_NODE_BROKER__RECONNECT_MAXIMUM_S": "30"}
    async with running_robot(broker, tmp_path / "one", slow) as one:
        await wait_until_online(broker)
        async with running_robot(broker, tmp_path / "two", slow) as two:
            advice = f"Perhaps another client uses the client id {SERVER_ID}: each needs its own."
            await eventually(lambda: advice in flat(one.log), "the first one says what is wrong")
            await eventually(lambda: advice in flat(two.log), "the second one as well")
            before = connections(broker)
            await asyncio.sleep(2)
            assert connections(broker) - before <= 4
            assert "Traceback" not in one.log + two.log
            assert await two.stop() == 0
        await wait_until_online(broker)  # the second one took its presence away when it left
        await answers(broker)


def flat(log: str) -> str:
    """A log without its line breaks."""
    return re.sub(r"\s+(\w+\.py:\d+\s+)?", " ", log)


def connections(broker: PrivateBroker) -> int:
    return broker.log.count(f"as {SERVER_ID} (")
