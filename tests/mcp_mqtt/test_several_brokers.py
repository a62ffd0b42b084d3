"""A robot with several brokers: when its own dies, it is called through the next one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest
from mcp import Client

from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RobotNodeError
from robot_node.mcp_mqtt.presence import directory
from robot_node.mqtt import Broker
from tests.mcp_mqtt.brokers import bridged_brokers
from tests.mcp_mqtt.peers import SERVER_ID, SERVER_NAME, until_set
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S


@pytest.mark.peer("mosquitto", works="a bridge between two brokers, over MQTT 5; the robot's own one is killed")
async def test_a_robot_whose_broker_is_killed_is_called_through_the_other_one(
    toy: Toy, record_property: Callable[[str, object], None]
) -> None:
    ended = asyncio.Event()

    async def on_message(message: object) -> None:
        if isinstance(message, RobotNodeError):
            ended.set()

    async with bridged_brokers() as (one, other):
        address = Broker.from_url(other.url)
        async with running(Broker(f"{one.url},{other.url}"), toy) as server, directory(address) as followed:
            found = await followed.wait_for(SERVER_ID, timeout_s=DEADLINE_S)
            async with Client(followed.transport(found), message_handler=on_message) as client:
                assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
                server.online.clear()
                one.signal(signal.SIGKILL)
                killed = asyncio.get_running_loop().time()
                async with asyncio.timeout(DEADLINE_S):
                    await ended.wait()  # the session is over at once, instead of waiting for answers in vain
            await followed.wait_for(SERVER_ID, timeout_s=DEADLINE_S)
            result = await remote.call(address, SERVER_NAME, "add", {"a": 40, "b": 2})
            took = asyncio.get_running_loop().time() - killed
    assert result.structured_content == {"result": 42}
    assert [status.connected for status in server.statuses[:3]] == [True, False, True]
    record_property("called again through the other broker", f"{took:.2f} s after the robot's one was killed")


async def test_our_clients_take_the_next_broker_too(toy: Toy, broker: PrivateBroker) -> None:
    nobody = "mqtt://127.0.0.1:1"
    async with running(broker, toy):
        both = Broker(f"{nobody},{broker.url}")
        assert [found.server_id for found in await remote.online(both)] == [SERVER_ID]
        assert (await remote.call(both, SERVER_ID, "add", {"a": 1, "b": 1})).structured_content == {"result": 2}
        async with directory(both) as followed:
            await followed.wait_for(SERVER_ID, timeout_s=DEADLINE_S)


async def test_a_lost_connection_moves_to_the_next_broker_and_back(toy: Toy) -> None:
    async with (
        PrivateBroker() as one,
        PrivateBroker() as other,
        running(Broker(f"{one.url},{other.url}"), toy) as server,
    ):
        assert [found.server_id for found in await remote.online(Broker(one.url))] == [SERVER_ID]
        server.online.clear()
        await one.stop()
        await until_set(server.online)
        assert [found.server_id for found in await remote.online(Broker(other.url))] == [SERVER_ID]
        server.online.clear()
        await one.start()
        await other.stop()
        await until_set(server.online)
        assert [found.server_id for found in await remote.online(Broker(one.url))] == [SERVER_ID]


async def test_when_no_broker_answers_the_error_names_all() -> None:
    with pytest.raises(RobotNodeError, match=r"127\.0\.0\.1:1\b.*127\.0\.0\.1:2\b"):
        await remote.call(Broker("mqtt://127.0.0.1:1,mqtt://127.0.0.1:2"), SERVER_ID, "add", {})
