"""What Home Assistant's entities may say, and how much of it at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, connect
from robot_node.robot.home_assistant.commands import Commands
from robot_node.robot.home_assistant.entities import Equipment, entities
from tests.waiting import eventually

PREFIX = "robot-node/robot-1/set/"
TABLE = entities(Equipment(cameras=("rear",), emotions=("happy", "sad"), loudspeaker=True))
COMMANDS = {each.key: each.command for each in TABLE if each.command is not None}


@pytest.mark.parametrize(
    ("key", "payload", "tool", "arguments"),
    [
        ("camera", "ON", "control_camera", {"enabled": True}),
        ("camera_rear", "OFF", "control_camera", {"enabled": False, "camera": "rear"}),
        ("emotion", "sad", "change_emotion", {"emotion": "sad"}),
        ("volume", "0", "control_volume", {"volume": 0}),
        ("volume", "100.0", "control_volume", {"volume": 100}),
        ("muted", "ON", "control_volume", {"muted": True}),
        ("stop", "PRESS", "stop_all", {}),
    ],
)
def test_each_entity_that_acts_is_a_call_of_a_tool(
    key: str, payload: str, tool: str, arguments: Mapping[str, Any]
) -> None:
    assert (COMMANDS[key].tool, COMMANDS[key].arguments(payload)) == (tool, arguments)
    assert set(COMMANDS) == {"camera", "camera_rear", "emotion", "volume", "muted", "stop"}


@pytest.mark.parametrize(
    ("key", "payload"),
    [
        ("camera", "on"),
        ("camera", ""),
        ("emotion", '{"emotion": "happy"}'),
        ("emotion", "furious"),
        ("volume", "101"),
        ("volume", "-1"),
        ("volume", "4e1"),
        ("volume", "٤٠"),
        ("volume", "nan"),
        ("volume", "9" * 5000),
        ("muted", "None"),
        ("stop", "ON"),
    ],
)
def test_what_an_entity_cannot_say_is_refused(key: str, payload: str) -> None:
    with pytest.raises(ValueError, match="it is no"):
        COMMANDS[key].arguments(payload)


class Robot:
    """A robot whose tools wait until they are let go."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.heard: list[str] = []
        self.let_go = asyncio.Event()

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> str:
        self.called.append(f"{tool} {dict(arguments)}")
        await self.let_go.wait()
        return ""

    def hear(self, incoming: Incoming) -> None:
        self.heard.append(incoming.topic)


@contextlib.asynccontextmanager
async def obeying(broker: PrivateBroker, robot: Robot) -> AsyncIterator[Connection]:
    """Home Assistant's connection, while a robot obeys on its own one."""
    address = Broker.from_url(broker.url)
    commands = Commands(PREFIX, TABLE, robot.call, "home-assistant")
    async with (
        connect(address, ConnectOptions("robot-1"), robot.hear) as own,
        connect(address, ConnectOptions("home")) as home,
    ):
        obeying = asyncio.create_task(commands.obey(own))

        async def obeys() -> bool:
            await home.publish(f"{PREFIX}muted", b"ON", qos=1)
            return bool(robot.called)

        robot.let_go.set()
        await eventually(obeys, "a command is carried out")
        await home.publish(f"{PREFIX}emotion", b"sad", qos=1)
        await eventually(lambda: robot.called[-1].startswith("change_emotion"), "the last one of these")
        robot.called.clear()
        robot.let_go.clear()
        try:
            yield home
        finally:
            obeying.cancel()
            await asyncio.wait([obeying])


async def test_a_flood_is_dropped_and_stopping_is_not_held_up_by_it(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    robot = Robot()
    async with obeying(broker, robot) as home:
        for volume in range(50):
            await home.publish(f"{PREFIX}volume", str(volume).encode(), qos=1)
        await home.publish(f"{PREFIX}stop", b"PRESS", qos=1)
        await eventually(lambda: "stop_all {}" in robot.called, "the stop")
        assert robot.called[:-1] == [f"control_volume {{'volume': {volume}}}" for volume in range(8)]
        assert caplog.text.count("too many are under way") == 1
    assert not robot.heard
