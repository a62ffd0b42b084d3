"""One remedy for each reason code of MQTT 5, in whatever packet it comes, and none that misleads."""

from __future__ import annotations

import asyncio

import pytest
from aiomqtt import MqttCodeError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from robot_node.errors import BrokerError
from robot_node.mqtt import Subscription, connect
from robot_node.mqtt.errors import reason_of, remedy_for, remedy_of
from tests.mqtt.rig import ONE
from tests.mqtt.scripted_broker import CONNECT, SUBSCRIBE, Answer, packet, scripted_broker, suback
from tests.waiting import DEADLINE_S

# MQTT 5.0: 3.2.2.2, 3.4.2.1, 3.9.3, 3.11.3 and 3.14.2.1. Below 0x80 is success. Not 0x99 in CONNACK, about a property
# of a will that we never set: paho does not know it, and takes it for malformed (tests/attack/test_nasty_broker.py).
CODES = {
    PacketTypes.CONNACK: "80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 9a 9b 9c 9d 9f",
    PacketTypes.PUBACK: "80 83 87 90 91 97 99",
    PacketTypes.SUBACK: "80 83 87 8f 91 97 9e a1 a2",
    PacketTypes.UNSUBACK: "80 83 87 8f 91",
    PacketTypes.DISCONNECT: "81 82 83 87 89 8b 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a2",
}
ALL = [(kind, int(code, 16)) for kind, codes in CODES.items() for code in codes.split()]

# What a remedy has to speak of. A word that belongs to one cause only is in no other remedy.
SPEAKS_OF = {
    0x84: "MQTT 5",
    0x85: "another client id",
    0x86: "password",
    0x88: "not ready",
    0x89: "overloaded",
    0x8A: "ban",
    0x8B: "stops or restarts",
    0x8C: "authentication",
    0x8D: "keepalive_s",
    0x8E: "Another client uses the same client id",
    0x8F: "topic filter",
    0x93: "receive maximum",
    0x95: "size of a packet",
    0x96: "per second",
    0x97: "limit that is reached",
    0x98: "administrator",
    0x99: "content",
    0x9A: "retained",
    0x9B: "QoS 1",
    0x9C: "broker.url",
    0x9D: "new address",
    0x9F: "new connections",
    0xA0: "duration",
    0xA2: "wildcard",
}


@pytest.mark.parametrize(("kind", "value"), ALL)
def test_each_reason_code_has_one_sentence(kind: int, value: int) -> None:
    remedy = remedy_of(ReasonCode(kind, identifier=value))
    assert remedy[0].isupper()
    assert remedy[-1] == "."
    assert ". " not in remedy
    assert SPEAKS_OF.get(value, "") in remedy
    assert ("Another client" in remedy) == (value == 0x8E)


def test_no_remedy_is_for_two_causes() -> None:
    told = [
        remedy_of(ReasonCode(kind, identifier=value))
        for value, kind in {value: kind for kind, value in ALL}.items()
        if value in SPEAKS_OF
    ]
    assert len(set(told)) == len(told)


def test_who_may_not_use_a_topic_is_not_told_to_check_the_password() -> None:
    for kind in (PacketTypes.SUBACK, PacketTypes.PUBACK):
        assert "Allow this topic" in remedy_of(ReasonCode(kind, "Not authorized"))
    assert "password" in remedy_of(ReasonCode(PacketTypes.CONNACK, "Not authorized"))


def test_a_lost_connection_has_no_remedy_of_a_refusal() -> None:
    lost = MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, "Unspecified error"), "paho's, when a socket closes")
    assert (reason_of(lost), remedy_for(lost)) == ("the connection was lost", "")


async def test_the_remedy_is_in_the_errors() -> None:
    answers: dict[int, Answer] = {SUBSCRIBE: suback([0x97])}
    async with scripted_broker(answers) as broker, connect(broker.address, ONE) as connection:
        with pytest.raises(BrokerError, match=r"quota exceeded\. Raise the broker's limit that is reached"):
            await connection.subscribe(Subscription("x"))
    async with scripted_broker({CONNECT: lambda _: packet(0x20, b"\0\x80\0")}) as broker:
        with pytest.raises(BrokerError, match=r"unspecified error\. See what the broker's log says\."):
            async with connect(broker.address, ONE):
                pass
    answers = {SUBSCRIBE: lambda _: packet(0xE0, b"\x89\0")}
    async with scripted_broker(answers) as broker, connect(broker.address, ONE) as connection:
        with pytest.raises(BrokerError):
            await connection.subscribe(Subscription("x"))
        with pytest.raises(BrokerError, match=r"server busy\. The broker is overloaded"):
            await asyncio.wait_for(connection.lost(), DEADLINE_S)
