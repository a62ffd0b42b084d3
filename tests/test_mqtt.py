"""The MQTT connection, against real mosquitto."""

from __future__ import annotations

import asyncio

import pytest

from robot_node.errors import BrokerError
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.private_broker import PrivateBroker


async def test_a_message_arrives_with_its_user_properties(broker: PrivateBroker) -> None:
    arrived: asyncio.Queue[Incoming] = asyncio.Queue()
    address = Broker.from_url(broker.url)
    options = ConnectOptions(client_id="one", publish_properties=(("A", "1"), ("B", "2")))
    async with connect(address, options, arrived.put_nowait) as connection:
        await connection.subscribe(Subscription("$mcp-x/+"))
        await connection.publish("$mcp-x/y", b"hello", qos=1)
        message = await asyncio.wait_for(arrived.get(), 5)
    assert message == Incoming("$mcp-x/y", b"hello", user_properties=(("A", "1"), ("B", "2")))


async def test_no_broker_is_an_error_that_names_it() -> None:
    with pytest.raises(BrokerError, match=r"Cannot reach the MQTT broker at mqtt://127\.0\.0\.1:1: "):
        async with connect(Broker.from_url("mqtt://127.0.0.1:1"), ConnectOptions(client_id="x"), lambda _: None):
            pass
