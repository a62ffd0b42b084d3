"""From real footage to a file: somebody passes, a rule saves a clip, an agent fetches it, and the moment is in it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from contextlib import AsyncExitStack
from pathlib import Path

import av
import numpy as np
import pytest
from mcp import Client
from mcp_types import BlobResourceContents, TextResourceContents

from benchmarks._motion_scenes import SHOTS, frames_of
from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.settings.root import Settings
from robot_node.tools.server import build_server
from tests.robots import reactions_of
from tests.vision.footage_camera import walker_clip
from tests.waiting import DEADLINE_S


def settings(folder: Path, seconds: float) -> Settings:
    return Settings.model_validate(
        {
            "display": {"driver": "none"},
            "camera": {"width": 640, "height": 360, "frame_rate": 10, "keyframe_interval_s": 1},
            "motion": {"enabled": True},
            "recording": {
                "enabled": True,
                "folder": folder,
                "before_s": seconds,
                "after_s": seconds,
                "min_free_mb": 0,
            },
            "reactions": {"rules": [{"when": {"motion": "picture"}, "then": {"record": "clip"}}]},
        }
    )


@pytest.mark.parametrize("seconds", [1.5, pytest.param(5.0, marks=pytest.mark.slow)])
async def test_who_passes_is_in_the_clip_and_so_is_the_time_before(tmp_path: Path, seconds: float) -> None:
    chosen = settings(tmp_path / "clips", seconds)
    pi = simulated_platform(scene=str(walker_clip(tmp_path)))
    async with AsyncExitStack() as devices:
        robot = await daemon.build_robot(chosen, pi.platform, devices)
        assert robot.vision.motion is not None
        assert robot.recorder is not None
        services = (robot.vision.motion.run, robot.recorder.run, reactions_of(robot, chosen.reactions.rules).run)
        running = [asyncio.create_task(service()) for service in services]
        async with Client(build_server(robot, name="tests/robot", description="")) as agent:
            await agent.call_tool("control_camera", {"enabled": True})
            said = ""
            result = await agent.call_tool("get_events", {})
            while "Saved" not in said:
                assert result.structured_content is not None
                after = result.structured_content["cursor"]
                result = await agent.call_tool(
                    "wait_for_event", {"kinds": ["recording"], "after": after, "timeout_s": DEADLINE_S}
                )
                assert result.structured_content is not None
                said = " ".join(event["text"] for event in result.structured_content["events"])
            await agent.call_tool("control_camera", {"enabled": False})
            (content,) = (await agent.read_resource("robot://clips")).contents
            assert isinstance(content, TextResourceContents)
            clip = json.loads(content.text)["clips"][0]
            data = b""
            for chunk in range(clip["chunks"]):
                (content,) = (await agent.read_resource(f"{clip['uri']}?chunk={chunk}")).contents
                assert isinstance(content, BlobResourceContents)
                data += base64.b64decode(content.blob)
        for task in running:
            task.cancel()
        await asyncio.wait(running)
    times, pictures = pictures_of(data)
    assert times[-1] - times[0] >= 1.4 * seconds, "it had been still for 3 s at least"
    assert not shows_somebody(pictures[0]), "the time before"
    assert any(map(shows_somebody, pictures)), "the moment"


def pictures_of(mp4: bytes) -> tuple[list[float], list[np.ndarray]]:
    """The pictures of a file, each with its time in seconds."""
    with av.open(io.BytesIO(mp4), "r") as container:
        frames = list(container.decode(video=0))
        return [frame.time for frame in frames], [frame.to_ndarray(format="gray").astype(np.int16) for frame in frames]


def shows_somebody(picture: np.ndarray) -> bool:
    """Whether it differs more from the footage without anybody than noise and coding do."""
    shot = SHOTS["walker"]
    empty = frames_of(shot.clip)[shot.frames[0]]
    rows = [row for row in range(360) if picture[row].max() > 24]  # without the borders above and below
    height = len(rows)
    scaled = (
        av.VideoFrame.from_ndarray(empty, format="gray").reformat(width=640, height=height).to_ndarray(format="gray")
    )
    return float((np.abs(picture[rows] - scaled.astype(np.int16)) > 40).mean()) > 0.005
