"""Fixtures of the console's tests: a robot as a process of its own, the page served, a browser."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.mqtt import Broker
from tests.console.browser import ConsolePage, chromium, serving, visit
from tests.end_to_end.footage import Footage, clip_path
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, wait_until_online
from tests.waiting import eventually

SETTINGS = {
    "ROBOT_NODE_CAMERA__WIDTH": "640",
    "ROBOT_NODE_CAMERA__HEIGHT": "272",
    "ROBOT_NODE_CAMERA__FRAME_RATE": "25",
    "ROBOT_NODE_AUDIO__MICROPHONE": "default",
    "ROBOT_NODE_AUDIO__LOUDSPEAKER": "default",
    "ROBOT_NODE_AUDIO__VOLUME": "100",
    "ROBOT_NODE_AUDIO__VIEWER_MAY_SPEAK": "true",
    "ROBOT_NODE_WEBRTC__MAX_VIEWERS": "2",
    "ROBOT_NODE_ACCESS__CONFIRM_TOOLS": '["control_volume"]',
}


@dataclass(frozen=True)
class Site:
    """A broker, a robot, the page and a browser, shared by the tests of a module.

    Attributes:
        robot: A process of its own, with sound, whose camera sees real footage; it takes two viewers.
        address: Where the page is.
        browser: Real Chromium.
    """

    robot: RobotProcess
    address: str
    browser: Browser

    @property
    def broker(self) -> PrivateBroker:
        """The robot's broker."""
        return self.robot.broker

    @property
    def said(self) -> bytes:
        """What the robot's loudspeaker has played so far, 16 bit, mono, 48 kHz."""
        return (self.robot.folder / "said.raw").read_bytes()

    async def call(self, tool: str, arguments: dict[str, object]) -> None:
        """Call a tool of the robot, as somebody else than the page."""
        result = await remote.call(Broker.from_url(self.broker.url), SERVER_ID, tool, arguments)
        assert not result.is_error


@pytest.fixture(scope="session")
def footage() -> Footage:
    """The clip that the robot's camera sees."""
    return Footage.of(clip_path())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Real Chromium: each visit has a profile of its own."""
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> AsyncIterator[Site]:
    """Everything that a visitor of the page needs; a test leaves it as it was, but for the camera."""
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(PrivateBroker(websocket_port=0))
        folder = tmp_path_factory.mktemp("robot")
        recording = {"ROBOT_NODE_SIMULATION__LOUDSPEAKER_RECORDING": str(folder / "said.raw")}
        robot = RobotProcess(broker, folder, scene=str(clip_path()), settings={**SETTINGS, **recording})
        stack.push_async_callback(robot.kill)
        await robot.start()
        await wait_until_online(broker)
        await eventually(lambda: "WebRTC connection" in robot.log, "signalling is up")
        address = await stack.enter_async_context(serving(Console(port=0, broker_url=websocket_url(broker))))
        yield Site(robot, address, browser)


@pytest_asyncio.fixture(loop_scope="session")
async def page(site: Site, tmp_path: Path) -> AsyncIterator[ConsolePage]:
    """The page of a robot that is online and whose camera is off, ready for use."""
    await site.call("control_camera", {"enabled": False})
    async with visit(site.browser, site.address, tmp_path) as console:
        await console.ready()
        yield console


@pytest.fixture
async def address(broker: PrivateBroker) -> AsyncIterator[str]:
    """Where the page of the broker is."""
    async with serving(Console(port=0, broker_url=websocket_url(broker))) as url:
        yield url


def websocket_url(broker: PrivateBroker) -> str:
    """Where browsers reach the broker."""
    return f"ws://127.0.0.1:{broker.websocket_port}/mqtt"
