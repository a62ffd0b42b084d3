"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import agent, status, structured
from tests.end_to_end.footage import Footage, clip_path
from tests.end_to_end.robot_process import RobotProcess, wait_until_online
from tests.waiting import eventually


@pytest.fixture(scope="session")
def footage() -> Footage:
    """The clip that the robot's camera sees."""
    return Footage.of(clip_path())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybodys_robot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RobotProcess]:
    """One robot, with a broker of its own, for the tests of a module that neither end it nor change its settings."""
    async with PrivateBroker(websocket_port=0) as broker, running(broker, tmp_path_factory.mktemp("robot")) as robot:
        yield robot


@pytest.fixture
async def robot(everybodys_robot: RobotProcess) -> RobotProcess:
    """A robot that is online, as if it had just started; its camera, once on, plays real footage in its own size."""
    async with agent(everybodys_robot.broker) as client:
        await structured(client, "control_camera", enabled=False)
        await structured(client, "change_emotion", emotion="neutral")
        await eventually(partial(nobody_watches, client), "nobody watches any more")
    return everybodys_robot


@pytest.fixture
async def own_robot(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[RobotProcess]:
    """A robot like that, for a test that ends it or counts what it has done."""
    async with running(broker, tmp_path) as robot:
        yield robot


async def nobody_watches(client: Client) -> bool:
    """Whether all viewers have left the robot."""
    return int((await status(client))["viewers"]) == 0


@contextlib.asynccontextmanager
async def running(broker: PrivateBroker, folder: Path) -> AsyncIterator[RobotProcess]:
    """A robot that is online."""
    process = RobotProcess(
        broker,
        folder,
        scene=str(clip_path()),
        settings={
            "ROBOT_NODE_CAMERA__WIDTH": "640",
            "ROBOT_NODE_CAMERA__HEIGHT": "272",
            "ROBOT_NODE_CAMERA__FRAME_RATE": "25",
        },
    )
    await process.start()
    try:
        await wait_until_online(broker)
        await eventually(lambda: "WebRTC connection" in process.log, "signalling is up")
        yield process
    finally:
        await process.kill()
        print(process.log)
