"""A robot's streaming part on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.media import VideoSource
from robot_node.core.state import CameraState, RobotState
from robot_node.mqtt import Backoff, Broker, LinkStatus
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.bitrate import BitrateLimits
from robot_node.webrtc.stats import Statistics
from robot_node.webrtc.streams import Streams
from tests.waiting import DEADLINE_S
from tests.webrtc.caller import Caller, calling_robot
from tests.webrtc.media_backend import MediaBackend, media_backend
from tests.webrtc.scene import SERVER_ID, Scene


@dataclass(slots=True)
class Robot:
    """The streaming part of a robot."""

    broker: Broker
    scene: Scene
    state: RobotState
    statistics: Statistics
    links: list[LinkStatus]
    ready: asyncio.Event
    task: asyncio.Task[None]

    @property
    def viewers(self) -> int:
        return self.state.snapshot.viewers

    async def has_viewers(self, count: int, within_s: float = DEADLINE_S) -> None:
        """Wait until that many are connected."""
        async with asyncio.timeout(within_s):
            async for snapshot in self.state.changes():
                if snapshot.viewers == count:
                    return


@contextlib.asynccontextmanager
async def running_robot(
    private: PrivateBroker,
    settings: WebRtcSettings | None = None,
    *,
    camera_on: bool = True,
    load_after: asyncio.Event | None = None,
    make_streams: Callable[[VideoSource, RobotState], Streams] = lambda camera, _: Streams(
        camera, bitrate=BitrateLimits(floor=250_000, ceiling=1_000_000)
    ),
    on_chat: Callable[[str, str], str] = lambda _client_id, _text: "",
    on_data: Callable[[str, object], str] = lambda _client_id, _payload: "",
) -> AsyncIterator[Robot]:
    """A robot that answers offers, until the block is left."""
    scene = Scene(on=camera_on)
    address, state, ready = Broker.from_url(private.url), RobotState(), asyncio.Event()
    state.update(camera=CameraState.ON if camera_on else CameraState.OFF)
    streams = make_streams(scene, state)
    statistics = Statistics()
    links: list[LinkStatus] = []
    task = asyncio.create_task(
        answer(
            address,
            SERVER_ID,
            streams,
            settings or WebRtcSettings(),
            state,
            statistics=statistics,
            load_after=load_after,
            backoff=Backoff(initial_s=0.05, maximum_s=0.2),
            on_status=links.append,
            on_ready=ready.set,
            on_chat=on_chat,
            on_data=on_data,
        )
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            await ready.wait()
        yield Robot(address, scene, state, statistics, links, ready, task)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        streams.close()
        scene.close()


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[Robot]:
    """A robot with its camera on."""
    async with running_robot(broker) as running:
        yield running


@pytest.fixture
async def backend(broker: PrivateBroker) -> AsyncIterator[MediaBackend]:
    """A backend that listens before anybody calls."""
    async with media_backend(Broker.from_url(broker.url)) as running:
        yield running


@pytest.fixture
async def caller(broker: PrivateBroker, backend: MediaBackend) -> AsyncIterator[Caller]:
    """A robot that calls the backend."""
    del backend  # first, so that no offer goes unheard
    async with calling_robot(broker) as robot:
        yield robot
