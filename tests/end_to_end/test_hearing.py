"""A robot that hears: what somebody says near it reaches an agent and a viewer; unasked, it hears nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextResourceContents

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME, RobotProcess, plain_client, wait_until_online
from tests.speech.spoken import spoken_file
from tests.waiting import DEADLINE_S

EVENTS = "robot://events"


def processes_of(robot: RobotProcess) -> list[str]:
    assert robot.process is not None
    pid = robot.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


async def test_an_agent_and_a_viewer_are_told_what_is_said_near_the_robot(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    robot = RobotProcess(
        broker,
        tmp_path,
        settings={
            "ROBOT_NODE_AUDIO__MICROPHONE": "default",
            "ROBOT_NODE_HEARING__ENGINE": "pocketsphinx",
            "ROBOT_NODE_HEARING__PHRASES": '["hello robot", "take a photo"]',
            "ROBOT_NODE_SIMULATION__MICROPHONE_SOUND": str(spoken_file(tmp_path / "hello.wav", "hello robot")),
        },
    )
    await robot.start()
    try:
        await wait_until_online(broker)
        agent = Client(mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME, client_id="agent"))
        async with (
            asyncio.timeout(2 * DEADLINE_S),
            agent as client,
            client.listen(resource_subscriptions=[EVENTS]) as updates,
            plain_client(broker, "reader") as reader,
        ):
            while "hello robot" not in await heard(client):
                await anext(updates)
            await reader.subscribe("$message/viewer-1")
            async with watching(broker, "viewer-1"):
                message = await anext(aiter(reader.messages))
                assert isinstance(message.payload, bytes)
                assert json.loads(message.payload) == {"type": "asr_response", "results": "hello robot", "by": ""}
        assert len(processes_of(robot)) == 1
        assert await robot.stop() == 0
    finally:
        await robot.kill()


async def heard(client: Client) -> list[str]:
    (content,) = (await client.read_resource(EVENTS)).contents
    assert isinstance(content, TextResourceContents)
    events: list[dict[str, Any]] = json.loads(content.text)["events"]
    return [event["text"] for event in events if event["kind"] == "heard"]


async def test_a_robot_that_was_not_asked_to_hear_has_no_engine(robot: RobotProcess) -> None:
    assert processes_of(robot) == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "audio.microphone"),
        ({"ROBOT_NODE_HEARING__SOURCE": "viewer"}, "audio.viewer_may_speak"),
    ],
)
async def test_hearing_where_there_is_nothing_to_hear_is_explained_at_start(
    broker: PrivateBroker, tmp_path: Path, settings: dict[str, str], reason: str
) -> None:
    robot = RobotProcess(broker, tmp_path, settings={"ROBOT_NODE_HEARING__ENGINE": "pocketsphinx", **settings})
    await robot.start()
    try:
        assert robot.process is not None
        assert await asyncio.wait_for(robot.process.wait(), DEADLINE_S) != 0
        assert reason in robot.log
    finally:
        await robot.kill()
