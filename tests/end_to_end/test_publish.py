"""A robot in a process of its own publishes to Janus because an agent says so, and cleans up after kill -9."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import agent, events, status
from tests.end_to_end.robot_process import RobotProcess
from tests.janus import running_janus
from tests.waiting import eventually
from tests.whip_front import TOKEN, WhipFront, whip_front


@pytest_asyncio.fixture(loop_scope="function")
async def front() -> AsyncIterator[WhipFront]:
    """A WHIP endpoint before a Janus."""
    async with running_janus() as janus, whip_front(janus) as opened:
        yield opened


def robot_process(broker: PrivateBroker, folder: Path, front: WhipFront, when: str) -> RobotProcess:
    settings = {
        "PUBLISH__URL": front.url,
        "PUBLISH__TOKEN": TOKEN,
        "PUBLISH__WHEN": when,
        "ROBOT__STATE_FILE": str(folder / "state.json"),
        "CAMERA__WIDTH": "320",
        "CAMERA__HEIGHT": "240",
    }
    return RobotProcess(broker, folder, settings={f"ROBOT_NODE_{name}": value for name, value in settings.items()})


async def test_an_agent_publishes_and_ends_it(broker: PrivateBroker, tmp_path: Path, front: WhipFront) -> None:
    async with robot_process(broker, tmp_path, front, "on_demand").online(), agent(broker) as client:
        await client.call_tool("control_camera", {"enabled": True})
        assert front.requests == []
        begun = await client.call_tool("publish_stream", {})
        assert begun.structured_content is not None
        publisher = await front.published()
        assert (await publisher.happened("media"))["receiving"]

        async def live() -> bool:
            return bool((await status(client))["publishing"] == "live")

        await eventually(live)
        ended = await client.call_tool("unpublish_stream", {})
        assert ended.structured_content == {"publishing": "off", "error": ""}
        assert front.requests == [("POST", "/whip"), ("DELETE", "/whip/session/1")]
        texts = [event["text"] for event in await events(client) if event["kind"] == "publish"]
        assert texts == ["The video is published.", "The video is not published any more."]


@pytest.mark.slow
async def test_what_a_killed_robot_left_behind_is_deleted_first(
    broker: PrivateBroker, tmp_path: Path, front: WhipFront
) -> None:
    robot = robot_process(broker, tmp_path, front, "always")
    async with robot.online():
        await front.published()
    front.janus, janus = None, front.janus
    async with robot.online():
        await front.asked("DELETE")
        await front.asked("POST", 2)
        front.janus = janus
        await front.published()
        assert await robot.stop() == 0
    assert front.requests[:3] == [("POST", "/whip"), ("DELETE", "/whip/session/1"), ("POST", "/whip")]
    assert front.requests[-1][0] == "DELETE"
    assert not front.publishers
    assert TOKEN not in robot.log
