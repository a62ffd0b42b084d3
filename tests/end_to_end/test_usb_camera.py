"""A robot with a USB camera, from the device's pictures to a viewer's: unplugged in mid-stream, and back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from robot_node.webrtc.receiving import ViewerLimits
from robot_node.webrtc.viewer import view
from tests.devices.camera.rig import luma, stamp_of
from tests.end_to_end.agents import agent, status, structured
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.waiting import DEADLINE_S, eventually

SETTINGS: dict[str, dict[str, Any]] = {
    "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
    "camera": {"driver": "v4l2", "width": 640, "height": 360, "frame_rate": 15, "restart_after_s": 1},
    "display": {"driver": "none"},
    "webrtc": {"loopback": True},
}

PATIENT = ViewerLimits(answer_s=DEADLINE_S, connect_s=DEADLINE_S, frame_s=DEADLINE_S)


@pytest.mark.parametrize("video_format", ["mjpeg", "h264"])
async def test_a_camera_unplugged_in_mid_stream_and_back_is_seen_again_by_who_watches(
    broker: PrivateBroker, video_format: str
) -> None:
    pi = simulated_platform(scene="clock")
    pi.usb_cameras[0].keyframe_every = 5  # more often than once in restart_after_s
    camera = SETTINGS["camera"] | {"format": video_format}
    settings = load_settings(None, {**SETTINGS, "camera": camera, "broker": {"url": broker.url}})
    robot = asyncio.create_task(daemon.run(settings, pi.platform))
    try:
        async with asyncio.timeout(DEADLINE_S), agent(broker) as client:
            await structured(client, "control_camera", enabled=True)
            async with view(Broker.from_url(broker.url), SERVER_ID, limits=PATIENT) as viewer:
                before = stamp_of(luma((await viewer.frame()).image))
                assert pi.usb_cameras[0].opened["input_format"] == video_format

                pi.sensor.absent = True
                await eventually(lambda: not pi.sensor.capturing, "it is closed")
                await _until(client, "failed")
                refused = await client.call_tool("take_photo", {})
                assert refused.is_error

                pi.sensor.absent = False
                after = before
                while after - before < 1000:  # pictures of before are still on their way
                    after = stamp_of(luma((await viewer.frame()).image))
                await _until(client, "on")
                assert pi.sensor.starts == 2
                assert (await status(client))["viewers"] == 1, "it is the same session"
                assert not robot.done()
    finally:
        robot.cancel()
        await asyncio.wait([robot])


async def _until(client: Any, state: str) -> None:
    async def reached() -> bool:
        return bool((await status(client))["camera"] == state)

    await eventually(reached, f"the camera is {state}")
