"""A viewer's data channel that tells what is true of the robot."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from robot_node.core.state import CameraState, Device
from tests.waiting import DEADLINE_S
from tests.webrtc.conftest import Robot
from tests.webrtc.peer import Peer, peer


class Channel:
    """A viewer's end of a data channel."""

    def __init__(self, viewer: Peer, label: str = "status") -> None:
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        channel = viewer.rtc.createDataChannel(label)
        channel.on("message", lambda text: self.received.put_nowait(json.loads(text)))

    async def until(self, **wanted: object) -> list[dict[str, Any]]:
        """Everything up to the first status that says so."""
        seen: list[dict[str, Any]] = []
        async with asyncio.timeout(DEADLINE_S):
            while not seen or any(seen[-1][key] != value for key, value in wanted.items()):
                seen.append(await self.received.get())
        return seen


async def test_the_status_comes_at_once_and_at_each_change(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        channel = Channel(viewer)
        await viewer.offer()
        first = await asyncio.wait_for(channel.received.get(), DEADLINE_S)
        assert set(first) == {"type", "camera", "camera_error", "privacy", "emotion", "bitrate", "frame_age_ms"}
        assert (first["type"], first["camera"], first["emotion"]) == ("status", "on", "neutral")
        robot.state.update(emotion="happy")
        await channel.until(emotion="happy", camera="on")
        robot.state.set_fault(Device.CAMERA, "The video encoder cannot be started.")
        await channel.until(camera="on", camera_error="The video encoder cannot be started.")
        robot.state.set_fault(Device.CAMERA, "", camera=CameraState.OFF)
        await channel.until(emotion="happy", camera="off", camera_error="", privacy=False)
        robot.state.update(privacy=True)
        await channel.until(privacy=True)
        robot.state.update(recording=True)
        await channel.until(recording=True)
        await viewer.frame()
        async with asyncio.timeout(DEADLINE_S):
            while not (status := await channel.received.get())["bitrate"]:
                pass
        assert 0 <= status["frame_age_ms"] < 10_000


async def test_many_changes_are_few_messages_and_the_last_one_counts(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        channel = Channel(viewer)
        await viewer.offer()
        await channel.received.get()
        for number in range(200):
            robot.state.update(emotion=f"mood-{number}")
            await asyncio.sleep(0)
        assert len(await channel.until(emotion="mood-199")) <= 5


async def test_of_several_channels_one_is_served(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        other, first, second = Channel(viewer, "other"), Channel(viewer), Channel(viewer)
        await viewer.offer()
        robot.state.update(emotion="sad")
        await first.until(emotion="sad")
        assert second.received.empty()
        assert other.received.empty()
