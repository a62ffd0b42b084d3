"""set_camera and get_camera: what an agent sets is seen in its next photo; only what the camera has is offered."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from mcp import Client
from mcp.shared.subscriptions import ToolsListChanged

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.indicator import NoIndicator
from robot_node.devices.privacy import NoPrivacySwitch
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.devices import CameraSettings
from robot_node.tools.server import build_server
from tests.devices.camera.rig import decode_jpeg
from tests.robots import make_robot

SMALL: dict[str, Any] = {"width": 320, "height": 180, "photo_switches_on": False, "adjustable": True}


@asynccontextmanager
async def agent(
    pi: SimulatedPi | None = None, *, notifier: Notifier | None = None, **cameras: dict[str, Any]
) -> AsyncIterator[Client]:
    """An agent of a robot with these cameras, or with one; they are off."""
    platform, telemetry = (pi or simulated_platform(scene="clock")).platform, Telemetry()
    settings = {name: CameraSettings(**SMALL | each) for name, each in (cameras or {"camera": {}}).items()}
    its = Cameras.build(platform, settings, telemetry.state, indicator=NoIndicator(), privacy=NoPrivacySwitch())
    robot = make_robot(platform, telemetry, cameras=its)
    try:
        server = build_server(robot, name="test/robot", description="A robot.", notifier=notifier)
        async with Client(server) as client:
            yield client
    finally:
        await its.close()


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured result; of an error its text."""
    result = await client.call_tool(tool, arguments)
    return result.content[0].text if result.is_error else result.structured_content  # type: ignore[union-attr]  # text


async def photo(client: Client) -> np.ndarray:
    """Brightness of a photo's pixels, without the code that changes."""
    picture, *_ = (await client.call_tool("take_photo", {"quality": 0.95})).content
    pixels = decode_jpeg(base64.b64decode(picture.data)).astype(np.int16)  # type: ignore[union-attr]  # an image
    return pixels[: pixels.shape[0] * 3 // 4]


def detail(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture, axis=1)).mean())


async def offered(client: Client) -> dict[str, Any]:
    """The arguments of set_camera, as a model gets them."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    properties: dict[str, Any] = tools["set_camera"].input_schema["properties"]
    return properties


async def test_zoom_and_focus_are_seen_in_the_next_photo() -> None:
    async with agent() as client:
        await call(client, "control_camera", enabled=True)
        sharp = await photo(client)
        assert await call(client, "set_camera", focus_distance_m=0.1) == {"controls": {"focus_dioptres": 10.0}}
        assert detail(await photo(client)) < 0.7 * detail(sharp)
        await call(client, "set_camera", focus="once")
        assert detail(await photo(client)) > 0.9 * detail(sharp)
        result = await call(client, "set_camera", zoom=2, pan=-1, tilt=1)
        assert result == {"controls": {"focus": "once", "zoom": 2.0, "pan": -1.0, "tilt": 1.0}}
        zoomed = await photo(client)
        corner = sharp[: zoomed.shape[0] // 2, : zoomed.shape[1] // 2]
        assert np.abs(zoomed[::2, ::2][: corner.shape[0]] - corner[: zoomed[::2].shape[0]]).mean() < 12
        assert await call(client, "set_camera", reset=True, night=True) == {"controls": {"night": True}}


async def test_only_what_the_camera_has_is_offered_with_its_ranges() -> None:
    pi = simulated_platform(scene="clock")
    pi.sensor.lacking, pi.sensor.autofocus = frozenset({"HdrMode"}), False
    async with agent(pi) as client:
        before = await offered(client)
        assert {"hdr", "focus", "focus_distance_m", "zoom"} <= before.keys(), "not known yet"
        assert (await call(client, "get_camera"))["ranges"] == {}
        await call(client, "control_camera", enabled=True)
        after = await offered(client)
        assert before.keys() - after.keys() == {"hdr", "focus", "focus_distance_m"}
        assert after["zoom"] == {"type": "number", "minimum": 1, "maximum": 40.5}
        assert after["gain"] == {"type": "number", "minimum": 0, "maximum": 16, "description": "0: automatic"}
        assert after["white_balance"]["enum"][0] == "auto"
        assert len(json.dumps(after)) < 1500
        status = await call(client, "get_camera")
        assert status["ranges"]["gain"] == "1 to 16, or 0: automatic"
        assert status["ranges"]["contrast"] == "0 to 32 (by itself 1)"
        assert "hdr" not in status["ranges"]
        assert "This camera has no hdr. It has: white_balance," in await call(client, "set_camera", hdr="night")
        assert "gain of this camera can be 1 to 16" in await call(client, "set_camera", gain=17)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Nothing to set."),
        ({"zom": 2}, "set_camera has no argument 'zom'. Did you mean zoom?"),
        ({"rotate": 45}, "rotate of set_camera must be one of 0, 90, 180, 270"),
        ({"focus_distance_m": 0}, "focus_distance_m of set_camera must be a number above 0"),
        ({"focus": "once", "focus_distance_m": 1}, "focus_dioptres cannot be set to 1"),
    ],
)
async def test_what_cannot_be_set_is_explained(arguments: dict[str, Any], message: str) -> None:
    async with agent() as client:
        assert message in await call(client, "set_camera", **arguments)


async def test_agents_are_notified_once_when_the_ranges_are_known() -> None:
    events: list[object] = []
    notifier = Notifier()
    stop = notifier.subscribe(events.append)
    async with agent(notifier=notifier) as client:
        for enabled in (True, False, True):
            await call(client, "control_camera", enabled=enabled)
    stop()
    assert [event for event in events if isinstance(event, ToolsListChanged)] == [ToolsListChanged()]


async def test_they_are_offered_where_the_settings_permit_it() -> None:
    async with agent(front={"adjustable": False}, rear={"number": 1}) as client:
        assert (await offered(client))["camera"]["enum"] == ["front", "rear"]
        assert "The controls of this camera are fixed." in await call(client, "set_camera", zoom=2)
        assert await call(client, "set_camera", zoom=2, camera="rear") == {"controls": {"zoom": 2.0}}
    async with agent(camera={"adjustable": False}) as client:
        assert not {"set_camera", "get_camera"} & {tool.name for tool in (await client.list_tools()).tools}


async def test_the_video_is_changed_where_the_settings_permit_it() -> None:
    video = {"width": 320, "height": 180, "frame_rate": 30, "bitrate": 2_000_000}
    async with agent() as client:
        assert await call(client, "set_video") == video, "nothing is changed"
        await client.call_tool("control_camera", {"enabled": True})
        assert await call(client, "set_video", width=640, height=360) == video | {"width": 640, "height": 360}
        assert (await photo(client)).shape[1] == 640
        assert "The sensor gives at most" not in (refused := await call(client, "set_video", width=1920, height=1080))
        assert "need H.264 level 4.0: more than the 3.1" in refused
    async with agent(front={"adjustable": False}, rear={"number": 1}) as client:
        assert "The video of this camera is fixed." in await call(client, "set_video", width=64)
        assert (await call(client, "set_video", width=64, camera="rear"))["width"] == 64
    async with agent(camera={"adjustable": False}) as client:
        assert "set_video" not in {tool.name for tool in (await client.list_tools()).tools}
