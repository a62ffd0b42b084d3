"""A whole robot whose simulated camera shows real footage: agents wait for motion, and see it."""

from __future__ import annotations

import asyncio
import base64
import io
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client, MCPError
from mcp_types import BlobResourceContents, ImageContent, TextContent
from PIL import Image
from pydantic import ValidationError

from benchmarks._motion_scenes import frames_of
from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.settings.root import Settings
from robot_node.tools.server import build_server
from tests.vision.footage_camera import walker_clip
from tests.waiting import DEADLINE_S

MOTION_JPG = "robot://motion.jpg"


def _settings(**sections: Any) -> Settings:
    camera = {"width": 640, "height": 360, "frame_rate": 10}
    return Settings.model_validate(
        {"display": {"driver": "none"}, "camera": camera, "motion": {"enabled": True}, **sections}
    )


@pytest.mark.slow
async def test_an_agent_waits_for_motion_and_reads_its_picture(tmp_path: Path) -> None:
    pi = simulated_platform(scene=str(walker_clip(tmp_path)))
    async with AsyncExitStack() as devices:
        robot = await daemon.build_robot(_settings(), pi.platform, devices)
        assert robot.vision.motion is not None
        server = build_server(robot, name="tests/robot", description="", notifier=robot.notifier)
        watching = asyncio.create_task(robot.vision.motion.run())
        devices.callback(watching.cancel)
        async with Client(server) as agent:
            with pytest.raises(MCPError, match="Nothing has moved"):
                await agent.read_resource(MOTION_JPG)
            refused = await agent.call_tool("see_motion", {})
            assert refused.is_error
            assert "wait_for_event" in str(refused.content)
            await agent.call_tool("control_camera", {"enabled": True})
            result = await agent.call_tool("wait_for_event", {"kinds": ["motion"], "timeout_s": DEADLINE_S})
            assert isinstance(result.structured_content, dict)
            (event, *_) = result.structured_content["events"]
            assert (event["device"], event["text"]) == ("picture", "Motion began in picture.")
            status = await agent.call_tool("get_status", {})
            assert isinstance(status.structured_content, dict)
            assert status.structured_content["motion"] == {"picture": True}
            (content,) = (await agent.read_resource(MOTION_JPG)).contents
            assert isinstance(content, BlobResourceContents)
            assert content.mime_type == "image/jpeg"
            shown, said = (await agent.call_tool("see_motion", {})).content
            assert isinstance(shown, ImageContent)
            assert isinstance(said, TextContent)
            assert said.text.startswith("Motion in picture, 20")
            with Image.open(io.BytesIO(base64.b64decode(shown.data))) as image:
                assert image.size == (320, 180)
            await agent.call_tool("control_camera", {"enabled": False})
        watching.cancel()
        await asyncio.wait({watching})
    with Image.open(io.BytesIO(base64.b64decode(content.blob))) as image:
        assert image.size == (320, 180)
        seen = np.asarray(image.convert("L"), np.int16)
    frames = frames_of("bikes.mp4")
    empty, walker = (min(np.abs(seen - frames[index]).mean() for index in part) for part in ([216], range(187, 212)))
    assert walker < empty, "somebody is in the picture"


async def test_motion_alone_does_not_keep_the_camera_on_unless_a_setting_says_so() -> None:
    for keeps_on in (False, True):
        pi = simulated_platform(scene="noise")
        async with AsyncExitStack() as devices:
            camera = {"width": 320, "height": 180, "frame_rate": 10, "off_when_unwatched_s": 0.2}
            settings = _settings(camera=camera, motion={"enabled": True, "keeps_camera_on": keeps_on})
            robot = await daemon.build_robot(settings, pi.platform, devices)
            assert robot.vision.motion is not None
            watching = asyncio.create_task(robot.vision.motion.run())
            await asyncio.sleep(0)
            await robot.camera.start()
            if keeps_on:
                await asyncio.sleep(0.5)
                assert robot.telemetry.state.snapshot.camera == "on"
            else:
                async with asyncio.timeout(DEADLINE_S):
                    async for now in robot.telemetry.state.changes():
                        if now.camera == "off":
                            break
            watching.cancel()
            await asyncio.wait({watching})


def test_a_rule_for_motion_names_a_zone_that_there_is() -> None:
    rules = {"rules": [{"when": {"motion": "door"}, "then": {"emotion": "surprised"}}]}
    door = {"zones": {"door": {"rectangle": [0, 0, 0.5, 1]}}}
    _settings(reactions=rules, motion={"enabled": True, **door})
    with pytest.raises(ValidationError, match="there is no zone of motion 'door'; there are: picture"):
        _settings(reactions=rules)
    with pytest.raises(ValidationError, match="there is no zone of motion 'door'; there are none"):
        _settings(reactions=rules, motion=door)
