"""What a broker refuses, and why it says so (MQTT 5's Reason Strings): the doctor repeats it."""

from __future__ import annotations

from robot_node.apps.doctor.broker import check_broker
from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.probe import Probe
from robot_node.apps.doctor.rights import own_topics
from robot_node.mcp_mqtt.topics import ServerTopics
from tests.mqtt.scripted_broker import (
    CONNECT,
    PUBLISH_QOS_1,
    SUBSCRIBE,
    packet,
    puback,
    reason_string,
    scripted_broker,
    suback,
)

ROBOT = ServerTopics("kitchen", "robot-node/kitchen")


async def test_why_it_is_not_let_in() -> None:
    connack = packet(0x20, b"\0\x87" + reason_string("this account is locked until noon"))
    found: list[Finding] = []
    async with scripted_broker({CONNECT: lambda _: connack}) as broker:
        await check_broker(broker.address, found.append)
    assert found[-1].check == "credentials"
    assert '(the broker says: "this account is locked until noon")' in found[-1].detail


async def test_why_a_message_is_refused() -> None:
    answers = {SUBSCRIBE: suback([0]), PUBLISH_QOS_1: puback(0x87, "no publishing on $ topics")}
    async with scripted_broker(answers) as broker:
        finding = await own_topics(broker.address, Probe.new("anna"), ROBOT)
    assert not finding.ok
    assert 'not authorized (the broker says: "no publishing on $ topics")' in finding.detail


async def test_why_a_subscription_is_refused() -> None:
    async with scripted_broker({SUBSCRIBE: suback([0x97], "40 subscriptions are enough")}) as broker:
        finding = await own_topics(broker.address, Probe.new("anna"), ROBOT)
    assert not finding.ok
    assert 'quota exceeded (the broker says: "40 subscriptions are enough")' in finding.detail
