"""Fixtures of the console's tests: a robot as a process of its own, the page served, a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from robot_node.console.server import Console
from robot_node.private_broker import PrivateBroker
from tests.console.browser import ConsolePage, chromium, serving, visit
from tests.end_to_end.footage import Footage, clip_path
from tests.end_to_end.robot_process import RobotProcess, eventually, wait_until_online


@pytest.fixture(scope="session")
def footage() -> Footage:
    """The clip that the robot's camera sees."""
    return Footage.of(clip_path())


@pytest.fixture
async def robot(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[RobotProcess]:
    """A robot that is online, with sound, and whose camera sees real footage."""
    process = RobotProcess(
        broker,
        tmp_path,
        scene=str(clip_path()),
        settings={
            "ROBOT_NODE_CAMERA__WIDTH": "640",
            "ROBOT_NODE_CAMERA__HEIGHT": "272",
            "ROBOT_NODE_CAMERA__FRAME_RATE": "25",
            "ROBOT_NODE_AUDIO__LOUDSPEAKER": "default",
            "ROBOT_NODE_WEBRTC__MAX_VIEWERS": "2",
            "ROBOT_NODE_ACCESS__CONFIRM_TOOLS": '["control_volume"]',
        },
    )
    await process.start()
    try:
        await wait_until_online(broker)
        await eventually(lambda: "WebRTC connection" in process.log, "signalling is up")
        yield process
    finally:
        await process.kill()
        print(process.log)  # noqa: T201  # pytest shows it when the test failed


@pytest.fixture
async def address(broker: PrivateBroker) -> AsyncIterator[str]:
    """Where the page of the broker is."""
    async with serving(Console(port=0, broker_url=websocket_url(broker))) as url:
        yield url


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of this test's own."""
    async with chromium() as running:
        yield running


@pytest.fixture
async def page(browser: Browser, robot: RobotProcess, address: str, tmp_path: Path) -> AsyncIterator[ConsolePage]:
    """The page of a robot that is online, ready for use."""
    assert robot.process is not None
    async with visit(browser, address, tmp_path) as console:
        await console.ready()
        yield console


def websocket_url(broker: PrivateBroker) -> str:
    """Where browsers reach the broker."""
    return f"ws://127.0.0.1:{broker.websocket_port}/mqtt"
