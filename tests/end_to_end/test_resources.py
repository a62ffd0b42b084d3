"""A robot in a process of its own tells an agent what happens to it."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from mcp import Client
from mcp.client.subscriptions import Subscription
from mcp.shared.subscriptions import ResourceUpdated

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import EVENTS, agent, events
from tests.end_to_end.conftest import running
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import (
    RobotProcess,
    environment,
    wait_until_online,
)
from tests.waiting import DEADLINE_S

GUIDE = Path(__file__).parents[2] / "docs" / "resources.md"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def robot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RobotProcess]:
    """A young robot: it still remembers its start."""
    async with PrivateBroker() as broker, running(broker, tmp_path_factory.mktemp("robot")) as robot:
        yield robot


async def until_told(client: Client, updates: Subscription, text: str) -> None:
    """Read whenever an update says so, and not otherwise, until that event is there."""
    async with asyncio.timeout(DEADLINE_S):
        assert await anext(updates) == ResourceUpdated(EVENTS)
        while text not in [event["text"] for event in await events(client)]:
            assert await anext(updates) == ResourceUpdated(EVENTS)


async def test_an_agent_follows_what_happens(robot: RobotProcess) -> None:
    async with agent(robot.broker, client_id="follower") as client, agent(robot.broker, client_id="mover") as mover:
        async with client.listen(resource_subscriptions=[EVENTS]) as updates:
            (first, *_) = await events(client)
            assert (first["sequence"], first["text"]) == (1, "The robot has started.")

            await mover.call_tool("control_camera", {"enabled": True})
            await until_told(client, updates, "The camera was switched on.")
            async with watching(robot.broker, "viewer-1"):
                await until_told(client, updates, "A viewer came: 1 now.")
            await until_told(client, updates, "A viewer left: 0 now.")

        story = await events(client)
        assert [event["sequence"] for event in story] == list(range(1, len(story) + 1))
        assert [(event["kind"], event["by"]) for event in story if event["kind"] in {"camera", "viewers"}] == [
            ("camera", "mover"),
            ("viewers", ""),
            ("viewers", ""),
        ]


async def test_a_broker_that_was_lost_is_told_afterwards(robot: RobotProcess) -> None:
    robot.broker.signal(signal.SIGKILL)
    await robot.broker.stop()
    await robot.broker.start()
    await wait_until_online(robot.broker)
    async with agent(robot.broker, client_id="follower") as client:
        links = [event["text"] for event in await events(client) if "broker" in event["text"]]
        assert links[0] == links[-1] == "Connected to the broker: agents can reach the robot."
        assert links[1].startswith("The connection to the broker is lost: ")


@pytest.mark.slow
async def test_the_example_of_the_guide_prints_what_happens(robot: RobotProcess) -> None:
    found = re.search(r"<!-- tested: follow -->\n```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", found[1]),
        stdout=asyncio.subprocess.PIPE,
        env=environment(robot.broker),
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            assert "The robot has started." in (await process.stdout.readline()).decode()
            async with agent(robot.broker) as client:
                await client.call_tool("change_emotion", {"emotion": "happy"})
            while b"The face shows happy." not in (line := await process.stdout.readline()):
                assert line, "the example has ended"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
