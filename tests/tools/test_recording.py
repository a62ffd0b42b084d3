"""The tools and resources of recording as agents get them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import BlobResourceContents, TextContent, TextResourceContents

from hw_mocks.platform import simulated_platform
from robot_node.core.state import CameraState
from robot_node.robot.recording.library import Library
from robot_node.robot.robot import Robot
from robot_node.tools.recording import CHUNK_BYTES, read_chunk
from robot_node.tools.server import build_server
from tests.robot.recording.source import Studio, studio
from tests.robots import make_robot
from tests.waiting import eventually


@asynccontextmanager
async def agent(folder: Path, **settings: Any) -> AsyncIterator[tuple[Client, Studio]]:
    """An agent of a robot that may record."""
    async with studio(folder, **settings) as it:
        robot = make_robot(simulated_platform(scene="clock").platform, it.telemetry, recorder=it.recorder)
        async with Client(build_server(robot, name="test/robot", description="A robot.")) as client:
            yield client, it
        await robot.camera.close()


def put(library: Library, size: int, days_ago: float = 0) -> str:
    name = library.name_for(datetime.now(UTC) - timedelta(days=days_ago))
    library.create(name)
    (library.folder / name).write_bytes(bytes(range(256)) * (size // 256))
    return name


async def text_of(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def test_a_robot_that_may_not_record_has_none_of_it(parts: Robot) -> None:
    async with Client(build_server(parts, name="test/robot", description="A robot.")) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert not names & {"save_clip", "start_recording", "stop_recording"}
        assert "robot://clips" not in {str(each.uri) for each in (await client.list_resources()).resources}
        assert "recording" not in (await client.call_tool("get_status")).structured_content


async def test_an_agent_is_told_what_to_call_first(tmp_path: Path) -> None:
    async with agent(tmp_path) as (client, _):
        for tool in ("save_clip", "start_recording"):
            assert "Call control_camera with enabled=true first." in await text_of(client, tool)
        assert "Call start_recording or save_clip first." in await text_of(client, "stop_recording")


async def test_recording_by_tools(tmp_path: Path) -> None:
    async with agent(tmp_path) as (client, it):
        await it.on()
        asked = it.source.keyframes
        began = (await client.call_tool("start_recording")).structured_content
        assert began is not None
        assert began["recording"]
        await eventually(lambda: it.source.keyframes > asked)
        recorded = await it.source.play(2)
        during = (await client.call_tool("save_clip")).structured_content
        assert during == began, "the moment is in there"
        ended = (await client.call_tool("stop_recording")).structured_content
        assert ended is not None
        assert (ended["name"], ended["recording"], ended["ended_early"]) == (began["name"], False, "")
        assert ended["bytes"] == (tmp_path / ended["name"]).stat().st_size
        assert it.numbers(ended["name"]) == recorded
        (content,) = (await client.read_resource("robot://clips")).contents
        assert isinstance(content, TextResourceContents)
        (listed,) = json.loads(content.text)["clips"]
        assert listed["seconds"] == pytest.approx(ended["seconds"], abs=0.2)
        assert not listed["recording"]
        assert it.telemetry.state.snapshot.camera is CameraState.ON


async def test_clips_are_listed_with_their_chunks_and_read_in_them(tmp_path: Path) -> None:
    async with agent(tmp_path) as (client, it):
        library = it.recorder.library
        large, small = put(library, 2 * CHUNK_BYTES + 256 * 10, days_ago=1), put(library, 2560)
        (content,) = (await client.read_resource("robot://clips")).contents
        assert isinstance(content, TextResourceContents)
        listed = json.loads(content.text)
        assert [(clip["name"], clip["chunks"]) for clip in listed["clips"]] == [(large, 3), (small, 1)]
        assert listed["folder"] == str(tmp_path)
        data = b""
        for chunk in range(3):
            (blob,) = (await client.read_resource(f"robot://clips/{large}?chunk={chunk}")).contents
            assert isinstance(blob, BlobResourceContents)
            assert len(blob.blob) <= 1_000_000
            data += base64.b64decode(blob.blob)
        assert data == (tmp_path / large).read_bytes()
        (blob,) = (await client.read_resource(f"robot://clips/{small}")).contents
        assert isinstance(blob, BlobResourceContents)
        assert base64.b64decode(blob.blob) == (tmp_path / small).read_bytes()
        with pytest.raises(
            MCPError, match=r"Read its 3 chunks, .*\?chunk=0 and so on, .* copy the file from the robot: /"
        ):
            await client.read_resource(f"robot://clips/{large}")
        with pytest.raises(MCPError, match="there is no chunk 3"):
            await client.read_resource(f"robot://clips/{large}?chunk=3")


@pytest.mark.parametrize("name", ["../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "none.mp4", "clip-x.mp4"])
async def test_nothing_else_on_the_disk_can_be_read(tmp_path: Path, name: str) -> None:
    async with agent(tmp_path) as (client, _):
        with pytest.raises(MCPError):
            await client.read_resource(f"robot://clips/{name}")


async def test_an_empty_file_is_read_as_such(tmp_path: Path) -> None:
    async with studio(tmp_path) as it:
        name = put(it.recorder.library, 0)
        assert read_chunk(it.recorder.library, name, 0) == b""
