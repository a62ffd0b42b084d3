"""The stream follows its viewers' networks, with real peers."""

from __future__ import annotations

import pytest

from tests.waiting import eventually
from tests.webrtc.conftest import Robot
from tests.webrtc.peer import Peer, peer, send_report
from tests.webrtc.scene import difference


async def test_the_encoder_is_slowed_down_for_a_bad_network_and_recovers_when_the_viewer_leaves(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        assert difference(await viewer.frame()) < 8
        assert robot.scene.bitrates == []
        await report_trouble(viewer)
        await eventually(lambda: robot.scene.bitrates[:1] == [400_000])
        assert difference(await viewer.frame()) < 8
    await robot.has_viewers(0)
    await eventually(lambda: robot.scene.bitrates[-1] > 400_000 or not robot.scene.encoding)


@pytest.mark.slow
async def test_a_bad_network_beside_a_good_one_slows_down_nobody(robot: Robot) -> None:
    async with peer(robot.broker, "good") as good, peer(robot.broker, "bad") as bad:
        for viewer in (good, bad):
            await viewer.offer()
            await viewer.frame()
        requests = robot.scene.keyframe_requests
        await report_trouble(bad)
        # Only a viewer that is thinned out is given keyframes that nobody has asked for.
        await eventually(lambda: robot.scene.keyframe_requests > requests)
        assert robot.scene.bitrates == []
        assert difference(await good.frame()) < 8
        assert difference(await bad.frame()) < 8


async def report_trouble(viewer: Peer) -> None:
    receiver = viewer.rtc.getTransceivers()[0].receiver
    await send_report(receiver, estimate=400_000, lost=0.3)
