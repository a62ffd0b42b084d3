"""Media of a call that depend on the backend: its codec, its network; and calls without end."""

from __future__ import annotations

import asyncio
import gc
import re

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CallState, RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.mqtt import Broker
from robot_node.settings.devices import CameraSettings
from robot_node.webrtc.bitrate import BitrateLimits
from robot_node.webrtc.signaling import Offer, Terminated
from robot_node.webrtc.streams import Streams
from tests.devices.camera.rig import make_pi
from tests.end_to_end.footage import Footage, clip_path
from tests.waiting import eventually
from tests.webrtc.caller import Caller, calling_robot
from tests.webrtc.counts import counts, vp8_threads
from tests.webrtc.media_backend import MediaBackend, media_backend
from tests.webrtc.peer import send_report


# picamera2's own line
@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")
async def test_a_backend_without_h264_gets_vp8(broker: PrivateBroker) -> None:
    settings = CameraSettings(width=640, height=272, bitrate=1_500_000)
    camera = Camera(make_pi("simulated Pi 5", str(clip_path())).platform, settings, RobotState())
    try:
        await camera.start()
        async with (
            media_backend(Broker.from_url(broker.url)) as backend,
            calling_robot(
                broker, make_streams=lambda _: Streams(camera, pictures=camera, camera_settings=settings)
            ) as caller,
        ):
            backend.decodes_h264 = False
            answer = await backend.answer()
            assert re.findall(r"a=rtpmap:\d+ (\w+)/90000", answer) == ["VP8", "rtx"]
            await asyncio.to_thread(Footage.of(clip_path()).assert_plays, [await backend.frame() for _ in range(30)])
            assert vp8_threads() == 1
            assert caller.state.snapshot.call is CallState.CONNECTED
            await caller.control.hang_up()
            await eventually(lambda: vp8_threads() == 0)
    finally:
        await camera.close()


async def test_the_encoder_is_slowed_down_for_a_backend_behind_a_bad_network(broker: PrivateBroker) -> None:
    limits = BitrateLimits(floor=250_000, ceiling=1_000_000)
    async with (
        media_backend(Broker.from_url(broker.url)) as backend,
        calling_robot(broker, make_streams=lambda camera: Streams(camera, bitrate=limits)) as caller,
    ):
        await backend.answer()
        await backend.frame()
        await send_report(backend.rtc.getTransceivers()[0].receiver, estimate=400_000, lost=0.3)
        await eventually(lambda: caller.scene.bitrates[:1] == [400_000])


async def test_calls_that_come_and_go_leave_no_trace(broker: PrivateBroker) -> None:
    async with media_backend(Broker.from_url(broker.url)) as backend, calling_robot(broker, wanted=False) as caller:

        async def call_and_hang_up(times: int) -> None:
            for number in range(times):
                caller.control.call()
                if number % 3 == 2:
                    await backend.receive(Offer)
                else:
                    await _connected(caller, backend)
                if number % 3 == 1:
                    await backend.send(Terminated())
                    await caller.is_in(CallState.CLOSED)
                else:
                    await caller.control.hang_up()
                    await backend.receive(Terminated)
                await backend.close()

        await call_and_hang_up(3)  # whatever is made once and kept, is made now
        gc.collect()
        before = counts()
        await call_and_hang_up(18)
        gc.collect()
        await eventually(lambda: counts().no_more_than(before))
        assert not caller.scene.encoding


async def _connected(caller: Caller, backend: MediaBackend) -> None:
    await backend.answer()
    await caller.is_in(CallState.CONNECTED)
    await backend.frame()
