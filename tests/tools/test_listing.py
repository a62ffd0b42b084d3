"""What lists of tools cost a model, and that nothing is lost by what they leave out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client
from mcp_types import Tool

from hw_mocks.platform import simulated_platform
from robot_node.robot.robot import Robot
from robot_node.tools.listing import UNLISTED, listed_schema
from robot_node.tools.server import build_server
from tests.robots import make_robot


def compact(tool: Tool) -> str:
    return json.dumps(tool.model_dump(mode="json", by_alias=True, exclude_none=True), separators=(",", ":"))


@pytest.fixture
async def robot() -> AsyncIterator[Robot]:
    made = make_robot(simulated_platform(scene="clock").platform)
    yield made
    await made.camera.close()


async def tools_of(robot: Robot) -> list[Tool]:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        return (await client.list_tools()).tools


@pytest.mark.parametrize(
    ("schema", "listed"),
    [
        ({"type": "number", "title": "Q", "default": 0.9}, {"type": "number", "default": 0.9}),
        ({"anyOf": [{"type": "number"}, {"type": "null"}], "default": None}, {"type": "number"}),
        (
            {"anyOf": [{"type": "number", "maximum": 1}, {"type": "null"}], "default": None, "description": "x"},
            {"type": "number", "maximum": 1, "description": "x"},
        ),
        (
            {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}], "default": None},
            {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]},
        ),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        ({"type": "string", UNLISTED: False}, {"type": "string"}),
    ],
)
def test_an_argument_says_what_a_model_needs(schema: dict[str, Any], listed: dict[str, Any]) -> None:
    assert listed_schema({"type": "object", "title": "t", "properties": {"title": schema}}) == {
        "type": "object",
        "properties": {"title": listed},
    }


def test_an_argument_that_is_not_offered_is_left_out() -> None:
    assert listed_schema({"properties": {"a": {"type": "string", UNLISTED: True}}}) == {"properties": {}}


async def test_the_list_is_small(robot: Robot) -> None:
    for tool in await tools_of(robot):
        assert len(compact(tool)) < 700, tool.name
        assert tool.output_schema is None
        assert '"title"' not in json.dumps(tool.input_schema)


async def test_what_is_not_offered_is_accepted_as_before(robot: Robot) -> None:
    async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
        (photo,) = [tool for tool in (await client.list_tools()).tools if tool.name == "take_photo"]
        assert "source" not in photo.input_schema["properties"]
        await client.call_tool("control_camera", {"enabled": True})
        assert not (await client.call_tool("take_photo", {"source": "remote"})).is_error
        assert not (await client.call_tool("show_text", {"text": "Hello", "duration": None})).is_error
        refused = await client.call_tool("take_photo", {"sauce": "local"})
        assert "It takes quality, max_side, max_bytes" in str(refused.content)
        assert "source." not in str(refused.content)
