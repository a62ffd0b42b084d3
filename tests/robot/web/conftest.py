"""A robot's camera behind a real HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx2
import pytest
from starlette.routing import BaseRoute

from hw_mocks.platform import simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.indicator import NoIndicator
from robot_node.devices.privacy import NoPrivacySwitch
from robot_node.mqtt import Broker
from robot_node.robot.web.pictures import Pictures
from robot_node.robot.web.server import build_app, serve_robot
from robot_node.robot.web.whep import Whep
from robot_node.settings.devices import CameraSettings
from robot_node.settings.http import HttpSettings
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.direct import DirectSignaling
from robot_node.webrtc.streams import Streams, VideoStreams

TOKEN = "a-token-of-the-robot"  # of these tests
CAMERAS = {
    "front": CameraSettings(width=320, height=240),
    "rear": CameraSettings(number=1, width=160, height=120),
}


@dataclass(frozen=True)
class HttpServer:
    """The server, and what is behind it."""

    url: str
    cameras: Cameras
    state: RobotState
    pictures: Pictures
    client: httpx2.AsyncClient

    @property
    def camera(self) -> Camera:
        """The first."""
        return self.cameras.first


@contextlib.asynccontextmanager
async def running(service: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        service.cancel()
        await asyncio.wait([service])


@contextlib.asynccontextmanager
async def running_server(
    settings: HttpSettings,
    broker: Broker | None = None,
    also: Sequence[BaseRoute] = (),
    *,
    webrtc: WebRtcSettings | None = None,
) -> AsyncIterator[HttpServer]:
    """Serve two simulated cameras; with a broker their video, too."""
    state, platform = RobotState(), simulated_platform(scene="clock", cameras=2).platform
    cameras = Cameras.build(platform, CAMERAS, state, indicator=NoIndicator(), privacy=NoPrivacySwitch())
    direct, webrtc = DirectSignaling(), webrtc or WebRtcSettings()
    pictures = {name: Pictures(each.photo, frame_rate=settings.stream_frame_rate) for name, each in cameras.items()}
    app = build_app(settings, state, pictures, Whep(direct, webrtc), also)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(cameras.close)
        if broker is not None:
            ready = asyncio.Event()
            streams = Streams(cameras.first, name="front", others={"rear": VideoStreams(cameras["rear"])})
            answering = answer(broker, "robot", streams, webrtc, state, direct=direct, on_ready=ready.set)
            await stack.enter_async_context(running(asyncio.create_task(answering)))
            await ready.wait()
        serving = asyncio.create_task(serve_robot(app, settings, on_listening=listening.set_result))
        await stack.enter_async_context(running(serving))
        url = await listening
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60))
        yield HttpServer(url, cameras, state, pictures["front"], client)


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    """A server without token, and without video."""
    async with running_server(HttpSettings(port=0)) as opened:
        yield opened


@pytest.fixture
async def streaming(broker: PrivateBroker) -> AsyncIterator[HttpServer]:
    """A server without token, with video."""
    async with running_server(HttpSettings(port=0), Broker.from_url(broker.url)) as opened:
        yield opened
