"""The whole way from the sensor to a viewer, while somebody switches the camera off and on without end."""

from __future__ import annotations

import asyncio
import gc

import av
import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CameraState
from tests.end_to_end.footage import Footage, clip_path
from tests.waiting import eventually
from tests.webrtc.counts import counts
from tests.webrtc.peer import peer
from tests.webrtc.test_vp8 import running_robot


# picamera2's own line
@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")
@pytest.mark.parametrize("times", [10, pytest.param(50, marks=pytest.mark.slow)])
async def test_a_camera_toggled_while_watched_shows_its_picture_and_leaves_no_trace(
    broker: PrivateBroker, times: int
) -> None:
    async with running_robot(broker, "real picamera2") as robot, peer(robot.broker) as viewer:
        await viewer.offer()
        await viewer.frame()
        gc.collect()
        before = counts()
        seen: list[av.VideoFrame] = []

        async def watch() -> None:
            while True:
                seen.append(await viewer.frame())

        watching = asyncio.create_task(watch())
        for _ in range(times):
            await robot.camera.stop()
            await robot.camera.start()
        assert robot.state.snapshot.camera is CameraState.ON
        toggled = len(seen) + 15  # some were still on their way
        await eventually(lambda: len(seen) >= toggled + 30)
        Footage.of(clip_path()).assert_plays(seen[toggled : toggled + 30])
        watching.cancel()
        await asyncio.wait({watching})
        assert robot.state.snapshot.viewers == 1
        assert viewer.silent()
        gc.collect()  # picamera2 leaves a selector in a cycle of references each time
        await eventually(lambda: counts().no_more_than(before))
