"""Another size of the video while a whole robot records: one file ends, and the next one begins."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import av
from mcp import Client

from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.settings.root import Settings
from robot_node.tools.server import build_server
from tests.waiting import eventually


async def test_set_video_ends_one_file_and_begins_another(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "display": {"driver": "none"},
            "camera": {"width": 640, "height": 360, "frame_rate": 10, "adjustable": True},
            "recording": {"enabled": True, "folder": tmp_path, "min_free_mb": 0},
        }
    )
    async with AsyncExitStack() as devices:
        robot = await daemon.build_robot(settings, simulated_platform(scene="clock").platform, devices)
        recorder, counters = robot.recorder, robot.telemetry.counters
        assert recorder is not None
        running = asyncio.create_task(recorder.run())
        async with Client(build_server(robot, name="tests/robot", description="")) as agent:
            await agent.call_tool("control_camera", {"enabled": True})
            await agent.call_tool("start_recording", {})
            await eventually(lambda: recorder.ring_seconds > 0.5)
            changed = await agent.call_tool("set_video", {"width": 320, "height": 180})
            assert not changed.is_error, changed.content
            await eventually(lambda: counters.recordings_saved == 1, "the first file is complete")
            await eventually(lambda: recorder.ring_seconds > 0.5)
            ended = await agent.call_tool("stop_recording", {})
            assert not ended.is_error, ended.content
        running.cancel()
        await asyncio.wait([running])
    assert [size_of(path) for path in clips(tmp_path)] == [(640, 360), (320, 180)]


def size_of(path: Path) -> tuple[int, int]:
    with av.open(str(path), "r") as container:
        (size,) = {(frame.width, frame.height) for frame in container.decode(video=0)}
    return size


def clips(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.mp4"))
