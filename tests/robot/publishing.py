"""The publishing part of a robot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_node.core.media import VideoSource
from robot_node.core.state import CameraState, PublishState
from robot_node.robot.publish import Publisher
from robot_node.robot.publish_control import FAULT, PublishControl
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.publish import PublishSettings
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.streams import Streams
from tests.waiting import DEADLINE_S
from tests.webrtc.caller import CountedBackoff
from tests.webrtc.scene import Scene
from tests.whip_front import TOKEN, WhipFront


@dataclass(frozen=True)
class PublishingRobot:
    """Publishes a scene."""

    scene: Scene
    telemetry: Telemetry
    control: PublishControl
    backoff: CountedBackoff

    async def is_in(self, state: PublishState) -> None:
        """Wait until publishing is in this state."""
        async with asyncio.timeout(DEADLINE_S):
            async for snapshot in self.telemetry.state.changes():
                if snapshot.publishing is state:
                    return

    async def fails(self, reason: str) -> None:
        """Wait until publishing has failed for this reason."""
        async with asyncio.timeout(DEADLINE_S):
            async for snapshot in self.telemetry.state.changes():
                if reason in snapshot.fault(FAULT):
                    return

    def switch_camera(self, *, on: bool) -> None:
        """Switch it, as the camera itself reports it."""
        self.scene.switch(on=on)
        self.telemetry.state.update(camera=CameraState.ON if on else CameraState.OFF)

    def events(self) -> list[str]:
        """The texts of the events of publishing."""
        return [event.text for event in self.telemetry.events.after() if event.kind == "publish"]


@contextlib.asynccontextmanager
async def publishing_robot(
    front: WhipFront,
    *,
    file: Path | None = None,
    initial_s: float = 0.02,
    webrtc: WebRtcSettings | None = None,
    make_streams: Callable[[VideoSource], Streams] = Streams,
    **settings: Any,
) -> AsyncIterator[PublishingRobot]:
    """A robot that publishes always, or as the settings say, until the block is left."""
    telemetry, scene = Telemetry(), Scene()
    streams = make_streams(scene)
    control = control_of(telemetry, front, **settings)
    backoff = CountedBackoff(initial_s)
    try:
        async with publishing(control, telemetry, streams, webrtc=webrtc, file=file, backoff=backoff):
            yield PublishingRobot(scene, telemetry, control, backoff)
    finally:
        streams.close()
        scene.close()


def control_of(telemetry: Telemetry, front: WhipFront, **settings: Any) -> PublishControl:
    """What switches publishing to an endpoint; always, unless the settings say otherwise."""
    options = PublishSettings(**{"url": front.url, "token": TOKEN, "when": "always"} | settings)
    return PublishControl(options, telemetry.state, telemetry.events, telemetry.counters)


@contextlib.asynccontextmanager
async def publishing(
    control: PublishControl,
    telemetry: Telemetry,
    streams: Streams,
    *,
    webrtc: WebRtcSettings | None = None,
    file: Path | None = None,
    backoff: CountedBackoff | None = None,
) -> AsyncIterator[None]:
    """The service, until the block is left."""
    publisher = Publisher(control, telemetry.state, streams, webrtc or WebRtcSettings(), file=file, backoff=backoff)
    running = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
