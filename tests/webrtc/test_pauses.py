"""Photos in full size and changes of the video, while real viewers watch: none is lost, none negotiates again."""

from __future__ import annotations

import pytest

from hw_mocks.sensor import SensorMode
from robot_node.apps.private_broker import PrivateBroker
from robot_node.webrtc.negotiation import VideoCodec
from tests.waiting import eventually
from tests.webrtc.peer import Peer, peer
from tests.webrtc.test_vp8 import running_robot

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line

WHOLE = (0, 0, 1280, 544)
MODES = (SensorMode((640, 272), 60.0, WHOLE), SensorMode((1280, 544), 30.0, WHOLE))


async def until_size(viewer: Peer, width: int) -> None:
    """Wait for a picture of that width: they go on without a new offer."""
    while (await viewer.frame()).width != width:
        pass


@pytest.mark.parametrize("pi", ["simulated Pi 4", "real picamera2"])
async def test_two_viewers_stay_through_a_full_photo_and_a_new_size(broker: PrivateBroker, pi: str) -> None:
    async with (
        running_robot(broker, pi, modes=MODES) as robot,
        peer(robot.broker, "a") as h264,
        peer(robot.broker, "b") as vp8,
    ):
        robot.camera.video.listen(robot.streams.cameras[""].set_mode)
        await h264.offer()
        await vp8.offer(codec=VideoCodec.VP8)
        for viewer in (h264, vp8):
            await viewer.frame()
        started = robot.pi.sensor.starts
        full = await robot.camera.full_photo()
        assert (full.photo.width, full.photo.height) == (1280, 544), "the sensor's"
        assert robot.pi.sensor.starts == started + 2, "there, and back"
        for viewer in (h264, vp8):
            for _ in range(5):
                assert (await viewer.frame()).width == 640
        await robot.camera.video.set(width=320, height=136, bitrate=600_000)
        for viewer in (h264, vp8):
            await until_size(viewer, 320)
        await robot.camera.video.set(width=640, height=272, frame_rate=25)
        for viewer in (h264, vp8):
            await until_size(viewer, 640)
        await eventually(lambda: robot.state.snapshot.viewers == 2)
