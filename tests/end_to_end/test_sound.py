"""A robot with sound, as its owner set it up: heard by a viewer, turned down by an agent; unasked, silent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, robot_node, wait_until_online
from tests.sound import loudest_hz
from tests.waiting import eventually
from tests.webrtc.peer import peer
from tests.webrtc.test_audio import hear, offer

_SOUND = {
    "ROBOT_NODE_AUDIO__MICROPHONE": "default",
    "ROBOT_NODE_AUDIO__LOUDSPEAKER": "default",
    "ROBOT_NODE_AUDIO__VOLUME": "60",
}


@pytest.fixture
async def robot_with_sound(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[RobotProcess]:
    running = RobotProcess(broker, tmp_path, settings=_SOUND)
    await running.start()
    try:
        await wait_until_online(broker)
        yield running
    finally:
        await running.kill()


async def call(robot: RobotProcess, tool: str, arguments: str = "{}") -> Any:
    result = await robot_node("call", SERVER_ID, tool, arguments, broker=robot.broker)
    assert result.status == 0, result.stderr
    return json.loads(result.stdout)


async def test_a_viewer_hears_the_microphone_which_is_shown_as_open_until_it_leaves(
    robot_with_sound: RobotProcess,
) -> None:
    assert not (await call(robot_with_sound, "get_status"))["microphone_on"]
    async with peer(Broker.from_url(robot_with_sound.broker.url), answerer=SERVER_ID) as viewer:
        assert await offer(viewer) == "sendonly"
        assert loudest_hz(await hear(viewer)) == pytest.approx(440, abs=10)
        assert (await call(robot_with_sound, "get_status"))["microphone_on"]
    for _ in range(10):
        if not (status := await call(robot_with_sound, "get_status"))["microphone_on"]:
            break
    assert not status["microphone_on"]
    assert await robot_with_sound.stop() == 0


async def test_an_agent_sets_the_volume_that_the_settings_began_with(robot_with_sound: RobotProcess) -> None:
    status = await call(robot_with_sound, "get_status")
    assert (status["volume"], status["muted"], status["loudspeaker_error"]) == (60, False, "")
    assert await call(robot_with_sound, "control_volume", '{"volume": 20, "muted": true}') == {
        "volume": 20,
        "muted": True,
    }
    status = await call(robot_with_sound, "get_status")
    assert (status["volume"], status["muted"]) == (20, True)


async def test_a_robot_that_was_not_asked_for_sound_has_none(robot: RobotProcess) -> None:
    result = await robot_node("call", SERVER_ID, "control_volume", '{"volume": 20}', broker=robot.broker)
    assert result.status != 0
    async with peer(Broker.from_url(robot.broker.url), answerer=SERVER_ID) as viewer:
        assert await offer(viewer) == "inactive"


async def test_a_missing_device_that_was_asked_for_is_reported_and_the_robot_runs(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    robot = RobotProcess(broker, tmp_path, settings={"ROBOT_NODE_AUDIO__LOUDSPEAKER": "USB"})
    await robot.start()
    try:
        await wait_until_online(broker)
        await eventually(lambda: "The loudspeaker 'USB' cannot be used" in robot.log, "the reason in the log")
        status = await call(robot, "get_status")
        assert "'USB'" in status["loudspeaker_error"]
    finally:
        await robot.kill()
