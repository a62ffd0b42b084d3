"""The tools of a robot with several cameras; with one camera they are as if there could be no others."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from hw_mocks.platform import simulated_platform
from robot_node.tools.listing import listed
from tests.devices.pins.rig import Rig, robot
from tests.markers import marker_of_jpeg

CAMERAS = {"front": {}, "rear": {"number": 1}}


async def call(it: Rig, tool: str, **arguments: object) -> Any:
    return await it.server.call_tool(tool, arguments)


async def read(it: Rig, uri: str) -> dict[str, Any]:
    (content, *_) = cast("Any", await it.server.read_resource(uri))
    read: dict[str, Any] = json.loads(content.content)
    return read


async def offered(it: Rig) -> dict[str, Any]:
    """The arguments named camera in the list of tools, by tool."""
    listings = {tool.name: listed(tool).input_schema["properties"] for tool in await it.server.list_tools()}
    return {name: found["camera"] for name, found in listings.items() if "camera" in found}


async def test_a_photo_is_of_the_camera_that_the_call_names() -> None:
    async with robot(simulated_platform(scene="clock", cameras=2), cameras=CAMERAS) as it:
        for name in CAMERAS:
            await call(it, "control_camera", enabled=True, camera=name)
        for arguments, marker in (({}, 0), ({"camera": "rear"}, 1), ({"camera": "front"}, 0)):
            photo, _ = (await call(it, "take_photo", **arguments)).content
            assert marker_of_jpeg(base64.b64decode(photo.data)) == marker
        shot, _, _ = (await call(it, "look", camera="rear", frames=2, seconds=0.01, separate=True)).content
        assert marker_of_jpeg(base64.b64decode(shot.data)) == 1


async def test_each_is_switched_by_its_name_and_the_status_tells_the_state_of_each() -> None:
    async with robot(simulated_platform(scene="clock", cameras=2), cameras=CAMERAS) as it:
        result = await call(it, "control_camera", enabled=True, camera="rear")
        assert result.structured_content == {"camera": "on"}
        expected = {"front": "off", "rear": "on"}
        assert (await call(it, "get_status")).structured_content["cameras"] == expected
        for uri in ("robot://status", "robot://camera"):
            found = await read(it, uri)
            assert (found["camera"], found["cameras"]) == ("off", expected)


async def test_a_name_that_no_camera_has_is_an_error_that_lists_those_there_are() -> None:
    async with robot(simulated_platform(scene="clock", cameras=2), cameras=CAMERAS) as it:
        for tool, arguments in (("control_camera", {"enabled": True}), ("take_photo", {}), ("look", {})):
            with pytest.raises(ToolError, match=r"There is no camera 'left'; there are: front, rear\."):
                await call(it, tool, camera="left", **arguments)


async def test_the_argument_is_offered_with_the_names_where_there_are_several() -> None:
    async with robot(simulated_platform(scene="clock", cameras=2), cameras=CAMERAS) as it:
        found = await offered(it)
        assert set(found) >= {"control_camera", "take_photo", "look"}
        assert {tuple(each["enum"]) for each in found.values()} == {("front", "rear")}


@pytest.mark.parametrize("sections", [{}, {"cameras": {"only": {}}}])
async def test_with_one_camera_nothing_is_offered_or_told_of_others(sections: dict[str, Any]) -> None:
    async with robot(**sections) as it:
        assert await offered(it) == {}
        assert "cameras" not in (await call(it, "get_status")).structured_content
        for uri in ("robot://status", "robot://camera"):
            assert "cameras" not in await read(it, uri)
        await call(it, "control_camera", enabled=True)
        assert [text for kind, text in it.told if kind == "camera"] == ["The camera was switched on."]
