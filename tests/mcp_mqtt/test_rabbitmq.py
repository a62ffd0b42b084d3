"""A broker that delivers retained messages to exact subscriptions only, as RabbitMQ 4: docs/brokers.md has the recipe.

Debian's RabbitMQ does not speak MQTT 5. The stand-in is mosquitto without retained messages for filters with wildcards.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from mcp import Client

from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.presence import directory
from robot_node.mqtt import Broker
from tests.altering_proxy import altering_proxy
from tests.mcp_mqtt.peers import SERVER_ID, SERVER_NAME
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S, eventually

EXPIRY_S, SEVERAL_RENEWALS_S = 1, 1.2  # a third of the former is the renewal


@contextlib.asynccontextmanager
async def like_rabbitmq(broker: PrivateBroker) -> AsyncIterator[Broker]:
    async with altering_proxy(broker, without_retained=lambda name: "+" in name or "#" in name) as address:
        yield replace(address, connect_timeout_s=4.0)


@pytest.mark.peer("RabbitMQ", works="`robots` and `call` wait for one renewal of the presence")
async def test_robots_and_call_wait_for_one_renewal(broker: PrivateBroker, toy: Toy) -> None:
    async with like_rabbitmq(broker) as address, running(broker, toy, presence_expiry_s=EXPIRY_S):
        listed = await remote.online(replace(address, presence_wait_s=SEVERAL_RENEWALS_S))
        assert [found.server_id for found in listed] == [SERVER_ID]
        # A call does not wait longer than for the robot that it needs.
        patient = replace(address, presence_wait_s=DEADLINE_S)
        assert (await remote.call(patient, SERVER_ID, "add", {"a": 40, "b": 2})).structured_content == {"result": 42}


async def test_without_the_setting_nobody_is_found(broker: PrivateBroker, toy: Toy) -> None:
    async with like_rabbitmq(broker) as address, running(broker, toy):
        with pytest.raises(RemoteError, match="No robot"):
            await remote.call(address, SERVER_ID, "add", {})
        async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME)) as client:  # an exact subscription
            assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}


@pytest.mark.slow  # waits for several renewals
async def test_a_directory_keeps_who_renews_its_presence(broker: PrivateBroker, toy: Toy) -> None:
    async with (
        like_rabbitmq(broker) as address,
        running(broker, toy, presence_expiry_s=EXPIRY_S),
        directory(replace(address, presence_wait_s=SEVERAL_RENEWALS_S), client_id="follower", relist_s=0.1) as followed,
    ):
        found = await followed.wait_for(SERVER_ID, timeout_s=DEADLINE_S)
        async with Client(followed.transport(found)) as client:
            before = broker.log.count("Received SUBSCRIBE from follower")
            await eventually(lambda: broker.log.count("Received SUBSCRIBE from follower") > before + 1)
            assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
