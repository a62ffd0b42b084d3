"""The recording proxy itself: what it shows is what a library that is not ours has sent."""

from __future__ import annotations

import asyncio

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from robot_node.apps.private_broker import PrivateBroker
from tests.mcp_mqtt.packets import Connack, Connect, Disconnect, Filter, Other, Publish, Suback, Subscribe, Unsubscribe
from tests.mcp_mqtt.tap import Tap


def properties_of(packet_type: int, **values: object) -> Properties:
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


async def test_every_packet_is_shown_as_it_was_sent(broker: PrivateBroker) -> None:
    will_properties = properties_of(PacketTypes.WILLMESSAGE, UserProperty=("of", "will"), WillDelayInterval=7)
    async with Tap(broker, connack_properties=(("given", "ä" * 80), ("more", ""))) as tap:
        async with aiomqtt.Client(
            "127.0.0.1",
            tap.address.port,
            identifier="peer",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            keepalive=33,
            will=aiomqtt.Will("last/words", b"bye", 1, True, will_properties),
            properties=properties_of(
                PacketTypes.CONNECT, SessionExpiryInterval=9, MaximumPacketSize=5000, UserProperty=("a", "b")
            ),
        ) as client:
            await client.subscribe([("x/+", SubscribeOptions(qos=1, noLocal=True)), ("y", SubscribeOptions(qos=0))])
            said = properties_of(PacketTypes.PUBLISH, UserProperty=[("a", "1"), ("a", "2")], ContentType="text")
            await client.publish("y", b"z" * 3000, 1, False, said)
            await asyncio.wait_for(anext(aiter(client.messages)), 45)
            await client.unsubscribe(["x/+", "y"])
        await tap.until(lambda seen: isinstance(seen.packet, Disconnect))
        sent = [each.packet for each in tap.packets_of("peer") if each.to_broker and each.packet != Other("PUBACK")]
        assert sent[1:] == [
            Subscribe(1, (Filter("x/+", 1, True), Filter("y", 0, False))),
            Publish("y", b"z" * 3000, 1, False, (("a", "1"), ("a", "2"))),
            Unsubscribe(3, ("x/+", "y")),
            Disconnect(0),
        ]
        connect, connack, _, suback = (each.packet for each in tap.packets_of("peer")[:4])
        assert isinstance(connect, Connect)
        assert (connect.client_id, connect.protocol, connect.clean_start, connect.keepalive_s) == ("peer", 5, True, 33)
        assert (connect.session_expiry_s, connect.maximum_packet_bytes) == (9, 5000)
        assert connect.user_properties == (("a", "b"),)
        will = connect.will
        assert will is not None
        assert (will.topic, will.payload, will.qos, will.retain, will.delay_s) == ("last/words", b"bye", 1, True, 7)
        assert will.user_properties == (("of", "will"),)
        assert isinstance(connack, Connack)
        assert (connack.reason, connack.user_properties) == (0, (("given", "ä" * 80), ("more", "")))
        assert suback == Suback(1, (1, 0))


def client_of(tap: Tap, identifier: str, timeout_s: float) -> aiomqtt.Client:
    port, protocol = tap.address.port, aiomqtt.ProtocolVersion.V5
    return aiomqtt.Client("127.0.0.1", port, identifier=identifier, protocol=protocol, timeout=timeout_s)


async def test_a_silent_network_carries_nothing_and_loses_nothing(broker: PrivateBroker) -> None:
    async with Tap(broker) as tap, client_of(tap, "peer", 20) as client:
        await client.subscribe("x")
        tap.silence()
        with pytest.raises(aiomqtt.MqttError):
            await client.publish("x", b"late", 1, timeout=0.3)
        with pytest.raises(aiomqtt.MqttError):
            await client_of(tap, "late", 0.3).__aenter__()
        tap.heal()
        message = await asyncio.wait_for(anext(aiter(client.messages)), 45)
        assert message.payload == b"late"
