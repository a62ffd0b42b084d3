"""A retained message that follows its content, on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.changes import Changes
from robot_node.core.state import CameraState, InputState, RobotState
from robot_node.devices.board import BoardReadings
from robot_node.mqtt import Broker, Connection, ConnectOptions, connect
from robot_node.robot.monitoring.figures import Figures, figures_of
from robot_node.robot.monitoring.health import health_relevant, health_topic, publish_health
from robot_node.robot.monitoring.retained import Pace, keep_retained
from robot_node.robot.robot import Robot
from robot_node.settings.root import HealthSettings
from tests.end_to_end.robot_process import plain_client
from tests.tools.test_volume import pi, silent_robot
from tests.waiting import DEADLINE_S

__all__ = ["pi", "silent_robot"]  # fixtures

TOPIC = "tests/retained"
NEVER_S = 3600.0


@contextlib.asynccontextmanager
async def reader(broker: PrivateBroker) -> AsyncIterator[aiomqtt.Client]:
    async with plain_client(broker, "reader") as client, asyncio.timeout(DEADLINE_S):
        await client.subscribe(TOPIC)
        yield client


@contextlib.asynccontextmanager
async def connection(broker: PrivateBroker) -> AsyncIterator[Connection]:
    async with connect(Broker.from_url(broker.url), ConnectOptions(client_id="writer"), lambda _: None) as link:
        yield link


class Counter:
    """Content that counts how often it was requested."""

    asked = 0

    async def __call__(self) -> bytes:
        self.asked += 1
        return b"%d" % self.asked


async def next_payload(client: aiomqtt.Client) -> bytes:
    message = await anext(aiter(client.messages))
    assert isinstance(message.payload, bytes)
    return message.payload


async def test_a_change_is_published_at_once_and_the_end_clears_it(broker: PrivateBroker) -> None:
    async with reader(broker) as client, connection(broker) as link:
        state, content = RobotState(), Counter()
        pace = Pace(shortest_s=0.01, longest_s=NEVER_S, expiry_s=60)
        task = asyncio.create_task(keep_retained(link, TOPIC, content, Changes(state.listen), pace))
        assert await next_payload(client) == b"1"
        state.update(viewers=1)
        assert await next_payload(client) == b"2"
        task.cancel()
        assert await next_payload(client) == b""
        await asyncio.wait([task])


async def test_without_a_change_it_is_renewed_before_it_expires(broker: PrivateBroker) -> None:
    async with reader(broker) as client, connection(broker) as link:
        pace = Pace(shortest_s=0.01, longest_s=0.02, expiry_s=60)
        task = asyncio.create_task(keep_retained(link, TOPIC, Counter(), Changes(), pace))
        assert [await next_payload(client) for _ in range(3)] == [b"1", b"2", b"3"]
        task.cancel()
        await asyncio.wait([task])


async def test_however_much_changes_messages_keep_their_distance(broker: PrivateBroker) -> None:
    async with reader(broker) as client, connection(broker) as link:
        state, content = RobotState(), Counter()
        pace = Pace(shortest_s=NEVER_S, longest_s=2 * NEVER_S, expiry_s=60)
        task = asyncio.create_task(keep_retained(link, TOPIC, content, Changes(state.listen), pace))
        assert await next_payload(client) == b"1"
        for viewers in range(100):
            state.update(viewers=viewers)
            await asyncio.sleep(0)
        task.cancel()
        assert await next_payload(client) == b""
        assert content.asked == 1
        await asyncio.wait([task])


@pytest.mark.parametrize(
    ("change", "early"),
    [
        ({"emotion": "happy"}, False),
        ({"sessions": 1}, False),
        ({"speaking": True}, False),
        ({"inputs": {"bumper": InputState("button", active=True)}}, False),
        ({"camera": CameraState.STARTING}, True),
        ({"privacy": True}, True),
        ({"viewers": 1}, True),
        ({"signaling_connected": True}, True),
        ({"faults": {"display": "It is unplugged."}}, True),
        ({"faults": {"face": "The service face crashed."}}, True),
    ],
)
def test_which_changes_make_health_come_early(change: dict[str, Any], early: bool) -> None:
    state = RobotState()
    before = health_relevant(state.snapshot)
    state.update(**change)
    assert (health_relevant(state.snapshot) != before) is early


async def test_health_comes_early_for_what_a_person_would_ask_about(broker: PrivateBroker, silent_robot: Robot) -> None:
    async def figures() -> Figures:
        return figures_of(silent_robot.telemetry, BoardReadings(), "robot-1")

    async with plain_client(broker, "reader") as client, connection(broker) as link, asyncio.timeout(DEADLINE_S):
        await client.subscribe(health_topic("robot-1"))
        settings = HealthSettings(enabled=True, interval_s=NEVER_S)
        telling = publish_health(link, "robot-1", settings, silent_robot.telemetry.state, figures, shortest_s=0.01)
        task = asyncio.create_task(telling)
        first = Figures.model_validate_json(await next_payload(client))
        silent_robot.telemetry.state.update(emotion="happy", sessions=1, speaking=True)
        silent_robot.telemetry.state.set_fault("camera", "It is unplugged.", camera=CameraState.FAILED)
        second = Figures.model_validate_json(await next_payload(client))
        silent_robot.telemetry.state.update(emotion="sad", sessions=2, speaking=False)
        task.cancel()
        assert await next_payload(client) == b""
        await asyncio.wait([task])
    assert not first.faults.now
    assert second.faults.now == {"camera": "It is unplugged."}
    assert second.sessions.open == 1
