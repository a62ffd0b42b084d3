"""A robot with sound, as its owner set it up: heard by a viewer, turned down by an agent; unasked, silent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.end_to_end.agents import agent, status
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, wait_until_online
from tests.sound import loudest_hz
from tests.waiting import eventually
from tests.webrtc.peer import peer
from tests.webrtc.test_audio import hear, offer

_SOUND = {
    "ROBOT_NODE_AUDIO__MICROPHONE": "default",
    "ROBOT_NODE_AUDIO__LOUDSPEAKER": "default",
    "ROBOT_NODE_AUDIO__VOLUME": "60",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def robot_with_sound(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RobotProcess]:
    async with PrivateBroker() as broker:
        running = RobotProcess(broker, tmp_path_factory.mktemp("robot"), settings=_SOUND)
        await running.start()
        try:
            await wait_until_online(broker)
            yield running
        finally:
            await running.kill()


async def test_a_viewer_hears_the_microphone_which_is_shown_as_open_until_it_leaves(
    robot_with_sound: RobotProcess,
) -> None:
    async with agent(robot_with_sound.broker) as client:
        assert not (await status(client))["microphone_on"]
        async with peer(Broker.from_url(robot_with_sound.broker.url), answerer=SERVER_ID) as viewer:
            assert await offer(viewer) == "sendonly"
            assert loudest_hz(await hear(viewer)) == pytest.approx(440, abs=10)
            assert (await status(client))["microphone_on"]

        async def is_closed() -> bool:
            return not (await status(client))["microphone_on"]

        await eventually(is_closed, "the microphone is closed")


async def test_an_agent_sets_the_volume_that_the_settings_began_with(robot_with_sound: RobotProcess) -> None:
    async with agent(robot_with_sound.broker) as client:
        began = await status(client)
        assert (began["volume"], began["muted"], began["loudspeaker_error"]) == (60, False, "")
        result = await client.call_tool("control_volume", {"volume": 20, "muted": True})
        assert result.structured_content == {"volume": 20, "muted": True}
        now = await status(client)
        assert (now["volume"], now["muted"]) == (20, True)


async def test_a_missing_device_that_was_asked_for_is_reported_and_the_robot_runs(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    robot = RobotProcess(broker, tmp_path, settings={"ROBOT_NODE_AUDIO__LOUDSPEAKER": "USB"})
    await robot.start()
    try:
        await wait_until_online(broker)
        await eventually(lambda: "The loudspeaker 'USB' cannot be used" in robot.log, "the reason in the log")
        async with agent(broker) as client:
            assert "'USB'" in (await status(client))["loudspeaker_error"]
    finally:
        await robot.kill()
