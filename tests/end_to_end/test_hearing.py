"""A robot that hears: what somebody says near it reaches an agent and a viewer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import EVENTS, agent, events
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import RobotProcess, plain_client, wait_until_online
from tests.speech.sounds import spoken_file
from tests.waiting import DEADLINE_S


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
        async with (
            asyncio.timeout(2 * DEADLINE_S),
            agent(broker) as client,
            client.listen(resource_subscriptions=[EVENTS]) as updates,
            plain_client(broker, "reader") as reader,
        ):
            await reader.subscribe("$message/viewer-1")
            async with watching(broker, "viewer-1"):
                message = await anext(aiter(reader.messages))
                assert isinstance(message.payload, bytes)
                assert json.loads(message.payload) == {"type": "asr_response", "results": "hello robot", "by": ""}
                while "hello robot" not in await heard(client):
                    await anext(updates)
        assert len(robot.children()) == 1
        assert await robot.stop() == 0
    finally:
        await robot.kill()


async def heard(client: Client) -> list[str]:
    return [event["text"] for event in await events(client) if event["kind"] == "heard"]
