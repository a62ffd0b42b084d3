"""A whole robot, and viewers that do not have every codec."""

from __future__ import annotations

import asyncio

from tests.end_to_end.agents import agent
from tests.end_to_end.footage import Footage
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import RobotProcess


async def test_viewers_with_one_codec_each_see_the_clip_at_once(robot: RobotProcess, footage: Footage) -> None:
    async with (
        agent(robot.broker) as client,
        watching(robot.broker, "h264", codec="video/H264") as h264,
        watching(robot.broker, "vp8", codec="video/VP8") as vp8,
    ):
        await client.call_tool("control_camera", {"enabled": True})
        for viewer in (h264, vp8):
            await asyncio.to_thread(footage.assert_plays, await viewer.frames(25))
