"""Photos as agents get them: always small enough, with a text that says what they are."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client
from mcp_types import ImageContent, TextContent
from PIL import Image

from hw_mocks.clock_scene import read_stamp
from hw_mocks.platform import simulated_platform
from robot_node.devices.camera.camera import Camera
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.devices import CameraSettings
from robot_node.tools.server import build_server
from tests.devices.camera.rig import stamp_at
from tests.robots import make_robot


@asynccontextmanager
async def agent(scene: str = "clock", **settings: Any) -> AsyncIterator[Client]:
    """An agent of a robot whose camera is off."""
    platform, telemetry = simulated_platform(scene=scene).platform, Telemetry()
    camera = Camera(platform, CameraSettings(**settings), telemetry.state)
    robot = make_robot(platform, telemetry, camera=camera)
    try:
        async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
            yield client
    finally:
        await camera.close()


async def picture_of(client: Client, tool: str, **arguments: Any) -> tuple[Image.Image, int, str]:
    """Return picture, bytes of its file, and the text of a result."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    image, text = result.content
    assert isinstance(image, ImageContent), "first, as clients have always taken it"
    assert image.mime_type == "image/jpeg"
    assert isinstance(text, TextContent)
    jpeg = base64.b64decode(image.data)
    return Image.open(io.BytesIO(jpeg)), len(jpeg), text.text


@pytest.mark.slow
async def test_a_photo_of_noise_fits_and_says_what_was_lowered() -> None:
    async with agent("noise", width=1920, height=1080) as client:
        await client.call_tool("control_camera", {"enabled": True})
        picture, size, text = await picture_of(client, "take_photo")
        assert size <= 750_000
        assert f"{picture.width}x{picture.height} pixels, {size} bytes, quality 0." in text
        assert "Lowered to fit max_bytes: quality from 0.9" in text


async def test_a_photo_is_as_large_as_asked_for_and_says_when_it_was_taken() -> None:
    async with agent(width=640, height=360) as client:
        await client.call_tool("control_camera", {"enabled": True})
        picture, size, text = await picture_of(client, "take_photo", max_side=320, quality=0.5)
        assert picture.size == (320, 180)
        said = re.fullmatch(r"Taken (\S+): 320x180 pixels, (\d+) bytes, quality 0.5\.", text)
        assert said is not None, text
        assert int(said[2]) == size
        assert datetime.fromisoformat(said[1]) <= datetime.now(UTC)
        _, size, _ = await picture_of(client, "take_photo", max_bytes=10_000)
        assert size <= 10_000


@pytest.mark.parametrize("size", ["video", "full"])
async def test_the_time_of_a_photo_is_that_which_its_picture_shows(size: str) -> None:
    async with agent(width=640, height=360) as client:
        await client.call_tool("control_camera", {"enabled": True})
        picture, _, text = await picture_of(client, "take_photo", size=size)
        said = re.match(r"Taken (\S+): ", text)
        assert said is not None, text
        age = datetime.now(UTC) - datetime.fromisoformat(said[1])
        taken_us = time.monotonic_ns() // 1000 - age // timedelta(microseconds=1)
        shown = read_stamp(np.asarray(picture.convert("L")))
        assert shown is not None
        assert abs(shown - stamp_at(taken_us)) <= 20, "milliseconds"


async def test_a_photo_may_switch_the_camera_on_for_itself() -> None:
    async with agent(photo_switches_on=True) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["take_photo"].description is not None
        assert "Switches the camera on and off" in tools["take_photo"].description
        assert tools["take_photo"].annotations is not None
        assert not tools["take_photo"].annotations.read_only_hint
        picture, _, _ = await picture_of(client, "take_photo")
        assert picture.width > 0


async def test_a_photo_only_if_the_camera_is_on_never_switches_it_on() -> None:
    async with agent(photo_switches_on=True, width=640, height=360) as client:
        refused = await client.call_tool("take_photo", {"only_if_on": True})
        assert refused.is_error
        assert "The camera is off" in str(refused.content)
        await client.call_tool("control_camera", {"enabled": True})
        picture, _, _ = await picture_of(client, "take_photo", only_if_on=True, max_side=320)
        assert picture.size == (320, 180)
        refused = await client.call_tool("take_photo", {"only_if_on": True, "size": "full"})
        assert refused.is_error
        assert "Leave out only_if_on" in str(refused.content)


@pytest.mark.parametrize("arguments", [{"max_bytes": 9_999}, {"max_side": 8}, {"quality": 1.1}])
async def test_wrong_limits_are_refused(arguments: dict[str, Any]) -> None:
    async with agent() as client:
        refused = await client.call_tool("take_photo", arguments)
        assert refused.is_error
        assert f"{next(iter(arguments))} of take_photo must be a" in str(refused.content)


async def test_looking_shows_photos_over_time_on_one_sheet() -> None:
    async with agent(photo_switches_on=True, width=320, height=240) as client:
        sheet, size, text = await picture_of(client, "look", seconds=0.2, frames=3)
        assert sheet.size == (640, 480), "two columns, two rows"
        assert size <= 750_000
        said = re.match(r"3 photos from (\S+), row by row at 0\.0 s, (\d+\.\d) s, (\d+\.\d) s: 640x480 pixels", text)
        assert said is not None, text
        assert 0.1 <= float(said[2]) <= float(said[3])
        assert float(said[3]) >= 0.2


async def test_looking_returns_a_picture_each_when_asked_to() -> None:
    async with agent("noise", photo_switches_on=True, width=640, height=480) as client:
        result = await client.call_tool("look", {"seconds": 0.1, "frames": 5, "separate": True})
        *images, text = result.content
        assert [image.type for image in images] == ["image"] * 5
        assert sum(len(base64.b64decode(image.data)) for image in images if isinstance(image, ImageContent)) <= 750_000
        assert isinstance(text, TextContent)
        lines = text.text.splitlines()[1:]
        assert [line.split(" s: ")[0] for line in lines] == sorted(line.split(" s: ")[0] for line in lines)
        assert len(lines) == 5


async def test_what_changes_between_two_photos_is_seen() -> None:
    async with agent(photo_switches_on=True, width=320, height=240) as client:
        result = await client.call_tool("look", {"seconds": 0.2, "frames": 2, "separate": True})
        first, second, _ = result.content
        assert isinstance(first, ImageContent)
        assert isinstance(second, ImageContent)
        assert first.data != second.data, "the scene shows a running clock"


async def test_looking_needs_the_camera_on_unless_it_may_switch_it() -> None:
    async with agent() as client:
        refused = await client.call_tool("look", {"seconds": 0.1})
        assert refused.is_error
        assert "The camera is off. Call control_camera" in str(refused.content)


async def test_a_full_photo_has_the_sensors_size_and_fits_all_the_same() -> None:
    async with agent(width=640, height=360) as client:
        await client.call_tool("control_camera", {"enabled": True})
        picture, size, text = await picture_of(client, "take_photo", size="full", max_bytes=10_000_000)
        assert picture.size == (4608, 2592)
        assert f"4608x2592 pixels, {size} bytes, quality 0.9." in text
        picture, _, _ = await picture_of(client, "take_photo", size="full", max_side=1024)
        assert picture.size == (1024, 576)
        picture, _, _ = await picture_of(client, "take_photo")
        assert picture.size == (640, 360)
        refused = await client.call_tool("take_photo", {"dng": True})
        assert refused.is_error
        assert "Set photo_folder in [camera]" in str(refused.content)


async def test_a_robot_with_a_folder_offers_full_size_and_stores_the_photo_there(tmp_path: Path) -> None:
    async with agent(width=640, height=360) as client:
        (tool,) = [each for each in (await client.list_tools()).tools if each.name == "take_photo"]
        assert not {"size", "dng"} & tool.input_schema["properties"].keys(), "costs others nothing"
    async with agent(photo_folder=tmp_path, photo_switches_on=True) as client:
        (tool,) = [each for each in (await client.list_tools()).tools if each.name == "take_photo"]
        assert tool.input_schema["properties"]["size"]["enum"] == ["video", "full"]
        _, _, text = await picture_of(client, "take_photo", dng=True, max_side=64)
        dng, jpeg = re.findall(r"Stored: (\S+)\.(?= |$)", text)
        assert dng.endswith(".dng")
        with Image.open(jpeg) as stored:
            assert stored.size == (4608, 2592), "the whole of it, whatever the message took"
