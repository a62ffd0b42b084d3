"""What the adapted MQTT client relies on below the public names of aiomqtt and paho-mqtt, and what it mends there."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from robot_node.mqtt_client import MqttClient, PublishProperties, read_user_properties

mqtt_text = st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]), max_size=50)
pairs_of_text = st.lists(st.tuples(mqtt_text, mqtt_text), max_size=5)


def publish_properties(**values: Any) -> Properties:  # noqa: ANN401  # as many types as properties
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def packed(properties: Properties) -> bytes:
    return bytes(properties.pack())  # type: ignore[no-untyped-call]  # as above


@given(pairs_of_text, st.binary(max_size=20))
def test_what_paho_packs_is_read(pairs: list[tuple[str, str]], payload: bytes) -> None:
    data = packed(publish_properties(UserProperty=pairs))
    assert read_user_properties(data + payload) == (pairs, len(data))


@given(pairs_of_text)
def test_properties_packed_once_are_those_that_paho_packs(pairs: list[tuple[str, str]]) -> None:
    assert PublishProperties(pairs).pack() == packed(publish_properties(UserProperty=pairs))


def test_other_properties_of_a_publish_are_passed_over() -> None:
    data = packed(
        publish_properties(
            PayloadFormatIndicator=1,
            MessageExpiryInterval=70_000,
            ContentType="text/plain",
            ResponseTopic="a/b",
            CorrelationData=b"\0\1",
            SubscriptionIdentifier=200_000,
            TopicAlias=3,
            UserProperty=[("a", "1")],
        )
    )
    assert read_user_properties(data) == ([("a", "1")], len(data))


def test_a_pair_that_is_not_utf_8_is_left_out() -> None:
    good = packed(publish_properties(UserProperty=[("a", "1")]))
    data = bytes([2 * (len(good) - 1)]) + good[1:].replace(b"a", b"\xff") + good[1:]
    assert read_user_properties(data)[0] == [("a", "1")]


def test_very_many_properties_count_as_none() -> None:
    data = packed(publish_properties(UserProperty=[("a", "x" * 100)] * 1000))
    assert read_user_properties(data + b"payload") == ([], len(data))


@given(st.binary(max_size=60))
def test_malformed_properties_are_an_mqtt_exception_and_nothing_else(data: bytes) -> None:
    try:
        pairs, length = read_user_properties(data)
    except MQTTException:
        return
    assert length <= len(data)
    assert all(isinstance(text, str) for pair in pairs for text in pair)


def test_paho_reads_publish_properties_by_our_reader() -> None:
    data = packed(publish_properties(UserProperty=[("a", "\ufeff")]))
    _, length = (properties := publish_properties()).unpack(data)  # type: ignore[no-untyped-call]  # paho's
    assert (vars(properties)["UserProperty"], length) == ([("a", "\ufeff")], len(data))
    # Packets of other kinds are still paho's.
    connack = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    connack.ReceiveMaximum = 20
    data = packed(connack)
    again = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]  # as above
    again.unpack(data)  # type: ignore[no-untyped-call]  # as above
    assert vars(again)["ReceiveMaximum"] == 20


@pytest.mark.parametrize(
    "name",
    [
        "_on_connect",
        "_on_message",
        "_on_subscribe",
        "_on_unsubscribe",
        "_on_socket_register_write",
        "_on_socket_close",
        "_client_connect",
    ],
)
def test_what_is_overridden_exists_with_the_same_parameters(name: str) -> None:
    theirs = list(inspect.signature(getattr(aiomqtt.Client, name)).parameters)
    ours = list(inspect.signature(getattr(MqttClient, name)).parameters)
    named = [parameter for parameter in ours if parameter != "answer"]
    assert named == theirs[: len(named)]
    assert ours == named + (["answer"] if len(theirs) > len(named) else [])


async def test_what_is_used_of_aiomqtt_exists() -> None:
    client = aiomqtt.Client("127.0.0.1", protocol=aiomqtt.ProtocolVersion.V5)
    assert isinstance(client._client, paho.Client)
    assert isinstance(client._disconnected, asyncio.Future)
    assert client._pending_subscribes == {}
    assert client._pending_unsubscribes == {}
    assert client._loop is asyncio.get_running_loop()
    assert client._client.connect_timeout > 0
    assert not client._client.want_write()
