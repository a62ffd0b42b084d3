"""A robot in a process of its own calls a media backend because an agent says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.webrtc.signaling import Offer, Terminated
from tests.end_to_end.agents import agent, status
from tests.end_to_end.footage import Footage, clip_path
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, wait_until_online
from tests.webrtc.media_backend import media_backend


def robot_process(broker: PrivateBroker, folder: Path, **dialer: str) -> RobotProcess:
    settings = {f"ROBOT_NODE_DIALER__{name.upper()}": value for name, value in dialer.items()}
    settings |= {
        "ROBOT_NODE_CAMERA__WIDTH": "640",
        "ROBOT_NODE_CAMERA__HEIGHT": "272",
        "ROBOT_NODE_CAMERA__FRAME_RATE": "25",
    }
    return RobotProcess(broker, folder, scene=str(clip_path()), settings=settings)


@pytest.mark.slow
async def test_an_agent_makes_the_robot_call_and_hang_up(
    broker: PrivateBroker, tmp_path: Path, footage: Footage
) -> None:
    robot = robot_process(broker, tmp_path, enabled="true", call_at_start="false")
    async with media_backend(Broker.from_url(broker.url)) as backend:
        await robot.start()
        try:
            await wait_until_online(broker)
            async with agent(broker) as client:
                await client.call_tool("control_camera", {"enabled": True})
                assert backend.silent()
                begun = datetime.now(UTC)
                called = await client.call_tool("call_backend", {})
                assert called.structured_content == {"call": "connecting", "call_error": ""}
                await backend.answer(bare=True)
                await asyncio.to_thread(footage.assert_plays, [await backend.frame() for _ in range(50)])
                now = await status(client)
                assert (now["call"], now["viewers"]) == ("connected", 0)
                call = now["streaming"]["call"]
                assert (call["state"], call["backend"]) == ("connected", "multimedia_proxy")
                assert datetime.fromisoformat(call["since"]) > begun
                over = await client.call_tool("hang_up", {})
                assert over.structured_content == {"call": "closed", "call_error": ""}
                assert "hung up" in (await backend.receive(Terminated)).reason
                assert backend.silent()
        finally:
            await robot.kill()


async def test_a_robot_calls_at_start_and_a_killed_one_is_missed_at_once(broker: PrivateBroker, tmp_path: Path) -> None:
    robot = robot_process(broker, tmp_path, enabled="true")
    async with media_backend(Broker.from_url(broker.url)) as backend:
        await robot.start()
        try:
            await backend.receive(Offer)
            assert backend.caller == f"{SERVER_ID}-dialer"
        finally:
            await robot.kill()
        assert (await backend.receive(Terminated)).reason == "The robot has lost its connection."
