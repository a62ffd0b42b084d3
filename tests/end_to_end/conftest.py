"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.footage import Footage, clip_path
from tests.end_to_end.robot_process import RobotProcess, wait_until_online
from tests.waiting import eventually


@pytest.fixture(scope="session")
def footage() -> Footage:
    """The clip that the robot's camera sees."""
    return Footage.of(clip_path())


@pytest.fixture
async def robot(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[RobotProcess]:
    """A robot that is online and whose camera, once switched on, plays real footage in its own size."""
    process = RobotProcess(
        broker,
        tmp_path,
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
