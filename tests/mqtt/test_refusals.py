"""What a broker refuses, and why it says so (MQTT 5's Reason Strings): in errors, in the log."""

from __future__ import annotations

import asyncio

import pytest

from robot_node.errors import BrokerError
from robot_node.mqtt import Subscription, connect
from tests.mqtt.rig import ONE
from tests.mqtt.scripted_broker import (
    CONNECT,
    PUBLISH_QOS_1,
    SUBSCRIBE,
    WELCOME,
    Answer,
    packet,
    puback,
    reason_string,
    scripted_broker,
    suback,
)
from tests.waiting import DEADLINE_S


async def test_a_refused_subscription_names_the_topic() -> None:
    # mosquitto accepts every subscription, and drops what its access rules forbid; other brokers refuse it.
    answers = {SUBSCRIBE: suback([0, 0x87])}
    async with scripted_broker(answers) as broker, connect(broker.address, ONE) as connection:
        with pytest.raises(BrokerError, match=r"subscription to yours/a: not authorized\. Allow this topic"):
            await connection.subscribe(Subscription("mine/b"), Subscription("yours/a"))


async def test_why_a_subscription_is_refused_is_in_the_error() -> None:
    answers = {SUBSCRIBE: suback([0x97], "40 subscriptions are enough.")}
    async with scripted_broker(answers) as broker, connect(broker.address, ONE) as connection:
        said = r'to x: quota exceeded \(the broker says: "40 subscriptions are enough"\)'
        with pytest.raises(BrokerError, match=said):
            await connection.subscribe(Subscription("x"))


async def test_why_a_client_is_not_let_in_is_in_the_error() -> None:
    connack = packet(0x20, b"\0\x8a" + reason_string("Too many\x1b[31m failures; come back at noon."))
    async with scripted_broker({CONNECT: lambda _: connack}) as broker:
        said = r'refused the client one: banned \(the broker says: "Too many \[31m failures; come back at noon"\)\.'
        with pytest.raises(BrokerError, match=said):
            async with connect(broker.address, ONE):
                pass


async def test_why_a_connection_is_ended_is_in_the_error() -> None:
    goodbye = packet(0xE0, b"\x8b" + reason_string("Node 2 goes down for maintenance"))
    said = r'stay connected: server shutting down \(the broker says: "Node 2 goes down for maintenance"\)'
    answers: dict[int, Answer] = {SUBSCRIBE: lambda _: goodbye}
    async with scripted_broker(answers) as broker, connect(broker.address, ONE) as connection:
        with pytest.raises(BrokerError, match="Cannot subscribe: server shutting down"):
            await connection.subscribe(Subscription("x"))
        with pytest.raises(BrokerError, match=said):
            await asyncio.wait_for(connection.lost(), DEADLINE_S)


async def test_a_connection_that_is_ended_in_the_moment_it_is_up_is_lost() -> None:
    goodbye = packet(0xE0, b"\x8e\0")
    answers: dict[int, Answer] = {CONNECT: lambda _: WELCOME + goodbye}
    async with scripted_broker(answers) as broker, connect(broker.address, ONE) as connection:
        with pytest.raises(BrokerError, match=r"session taken over\. Another client uses the same client id"):
            await asyncio.wait_for(connection.lost(), DEADLINE_S)


async def test_why_a_message_is_refused_is_returned_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer = puback(0x87, "no publishing on $ topics")
    async with scripted_broker({PUBLISH_QOS_1: answer}) as broker, connect(broker.address, ONE) as connection:
        refusal = await connection.publish("$x", b"", qos=1)
    assert refusal == 'not authorized (the broker says: "no publishing on $ topics")'
    assert f"The broker refused what one published on $x: {refusal}." in caplog.text


async def test_a_reason_that_only_repeats_the_code_is_not_said_twice() -> None:
    answers = {PUBLISH_QOS_1: puback(0x87, "Not authorized")}
    async with scripted_broker(answers) as broker, connect(broker.address, ONE) as connection:
        assert await connection.publish("x", b"", qos=1) == "not authorized"
