"""A robot in a process of its own records: made by a tool, listed, fetched, decoded; and playable after kill -9."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest
import pytest_asyncio
from mcp import Client
from mcp_types import BlobResourceContents, TextResourceContents

from hw_mocks.clock_scene import read_stamp
from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import agent, events, status, structured
from tests.end_to_end.robot_process import RobotProcess
from tests.ports import free_port
from tests.waiting import eventually

_STAMPS = 1 << 24


@pytest_asyncio.fixture(loop_scope="function")
async def robot(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[RobotProcess]:
    """A robot that may record, with a microphone; each keyframe comes with the next half second."""
    settings = {
        "RECORDING__ENABLED": "true",
        "RECORDING__FOLDER": str(tmp_path / "clips"),
        "RECORDING__MIN_FREE_MB": "0",
        "CAMERA__WIDTH": "640",
        "CAMERA__HEIGHT": "360",
        "CAMERA__KEYFRAME_INTERVAL_S": "0.5",
        "CAMERA__OFF_WHEN_UNWATCHED_S": "3600",
        "AUDIO__MICROPHONE": "default",
        "HTTP__ENABLED": "true",
        "HTTP__PORT": str(free_port()),
    }
    process = RobotProcess(broker, tmp_path, settings={f"ROBOT_NODE_{name}": value for name, value in settings.items()})
    async with process.online():
        yield process


def stamps(mp4: bytes) -> list[int]:
    """The capture times that the pictures show, in milliseconds of the monotonic clock."""
    with av.open(io.BytesIO(mp4), "r") as container:
        found = [
            read_stamp(frame.to_ndarray(format="yuv420p")[: frame.height].astype(np.uint8, copy=False))
            for frame in container.decode(video=0)
        ]
    return [stamp for stamp in found if stamp is not None]


async def listed(client: Client) -> list[dict[str, Any]]:
    """What robot://clips lists."""
    (content,) = (await client.read_resource("robot://clips")).contents
    assert isinstance(content, TextResourceContents)
    clips: list[dict[str, Any]] = json.loads(content.text)["clips"]
    return clips


async def fetched(client: Client, clip: dict[str, Any]) -> bytes:
    """Read a clip in its chunks and join them."""
    data = b""
    for chunk in range(clip["chunks"]):
        (content,) = (await client.read_resource(f"{clip['uri']}?chunk={chunk}")).contents
        assert isinstance(content, BlobResourceContents)
        assert content.mime_type == "video/mp4"
        data += base64.b64decode(content.blob)
    assert len(data) == clip["bytes"]
    return data


@pytest.mark.slow
async def test_a_moment_is_in_the_clip_and_a_recording_plays_after_a_kill(robot: RobotProcess) -> None:
    folder = robot.folder / "clips"
    async with agent(robot.broker) as client:
        await structured(client, "control_camera", enabled=True)
        assert (await status(client))["recording"] is False
        began = time.monotonic()
        await eventually(lambda: time.monotonic() > began + 2, "there are two seconds before the moment")
        moment = time.monotonic()
        clip = await structured(client, "save_clip", before_s=1.5, after_s=1.5)
        assert clip["seconds"] >= 2.5
        (found,) = await listed(client)
        assert (found["uri"], found["bytes"]) == (clip["uri"], clip["bytes"])
        data = await fetched(client, found)
        await eventually(lambda: "HTTP at " in robot.log, "the HTTP server is up")
        port = robot.settings["ROBOT_NODE_HTTP__PORT"]
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as player:
            assert (await player.get("/clips/")).json()["clips"][0]["name"] == clip["name"]
            answer = await player.get(f"/clips/{clip['name']}", headers={"Range": "bytes=1000-"})
            assert answer.content == data[1000:]
        shown = [(stamp - int(moment * 1000)) % _STAMPS for stamp in stamps(data)]
        offsets = [offset - _STAMPS if offset > _STAMPS // 2 else offset for offset in shown]
        assert offsets == sorted(offsets)
        assert offsets[0] <= -1000
        assert offsets[-1] >= 1000
        assert min(map(abs, offsets)) < 500, "the moment itself"
        with av.open(str(folder / clip["name"]), "r") as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) > 48_000, "a second of sound"

        recording = await structured(client, "start_recording")
        assert recording["recording"]
        assert (await status(client))["recording"] is True
        texts = [event["text"] for event in await events(client) if event["kind"] == "recording"]
        assert texts[-1] == f"Recording began: {recording['name']}."
        file = folder / recording["name"]
        await eventually(lambda: file.exists() and file.stat().st_size > 100_000, "some seconds are on the disk")
    await robot.kill()
    times = stamps(file.read_bytes())
    assert len(times) > 20
    assert times == sorted(times)
