"""The dialing part of a robot on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.counters import Counters
from robot_node.core.media import VideoSource
from robot_node.core.state import CallState, RobotState
from robot_node.mqtt import Backoff, Broker, LinkStatus
from robot_node.settings.root import DialerSettings, WebRtcSettings
from robot_node.webrtc.call_control import CallControl
from robot_node.webrtc.dialer import dial
from robot_node.webrtc.messages import Announcements, BackendMessage
from robot_node.webrtc.streams import Streams
from tests.waiting import DEADLINE_S
from tests.webrtc.scene import SERVER_ID, Scene


class CountedBackoff(Backoff):
    """Short delays that are written down."""

    def __init__(self, initial_s: float = 0.02) -> None:
        super().__init__(initial_s, maximum_s=60.0, random=random.Random(1))
        self.delays: list[float] = []

    def next_delay(self) -> float:
        self.delays.append(super().next_delay())
        return self.delays[-1]


@dataclass(slots=True)
class Caller:
    """The dialing part of a robot."""

    broker: Broker
    scene: Scene
    streams: Streams
    state: RobotState
    control: CallControl
    backoff: CountedBackoff
    task: asyncio.Task[None]
    counters: Counters
    links: list[LinkStatus] = field(default_factory=list)
    messages: list[BackendMessage] = field(default_factory=list)
    announcements: Announcements = field(default_factory=Announcements)

    async def is_in(self, state: CallState, within_s: float = DEADLINE_S) -> None:
        """Wait until the call is in this state."""
        async with asyncio.timeout(within_s):
            async for snapshot in self.state.changes():
                if snapshot.call is state:
                    return


@contextlib.asynccontextmanager
async def calling_robot(
    private: PrivateBroker,
    settings: DialerSettings | None = None,
    webrtc: WebRtcSettings | None = None,
    *,
    address: Broker | None = None,
    wanted: bool = True,
    initial_s: float = 0.02,
    make_streams: Callable[[VideoSource], Streams] = Streams,
) -> AsyncIterator[Caller]:
    """A robot that calls, until the block is left."""
    scene, state = Scene(), RobotState()
    streams = make_streams(scene)
    control, backoff = CallControl(state, enabled=wanted, backend="multimedia_proxy"), CountedBackoff(initial_s)
    address = address or Broker.from_url(private.url)
    links: list[LinkStatus] = []
    messages: list[BackendMessage] = []
    counters, announcements = Counters(), Announcements()
    task = asyncio.create_task(
        dial(
            address,
            SERVER_ID,
            streams,
            settings or DialerSettings(),
            control,
            webrtc=webrtc,
            backoff=backoff,
            link_backoff=Backoff(initial_s=0.05, maximum_s=0.2),
            on_status=links.append,
            counters=counters,
            on_message=messages.append,
            announcements=announcements,
        )
    )
    try:
        yield Caller(address, scene, streams, state, control, backoff, task, counters, links, messages, announcements)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        streams.close()
        scene.close()
