"""What the adapted MQTT client relies on below the public names of aiomqtt and paho-mqtt, and what it mends there."""

from __future__ import annotations

import asyncio
import inspect
import logging
import select
import socket
import time
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import MQTTException
from paho.mqtt._packet import decode_publish
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from robot_node.mqtt.client import MqttClient, PublishProperties
from robot_node.mqtt.packets import read_publish, read_user_properties, write_publish
from robot_node.mqtt.paho import PahoClient
from robot_node.mqtt.types import Incoming
from tests.waiting import DEADLINE_S

mqtt_text = st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]), max_size=50)
pairs_of_text = st.lists(st.tuples(mqtt_text, mqtt_text), max_size=5)


def publish_properties(**values: Any) -> Properties:
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


@given(mqtt_text.filter(lambda text: not set("+#") & set(text)), st.binary(max_size=300), pairs_of_text, st.booleans())
def test_what_we_write_is_a_publish_to_paho_and_to_ourselves(
    topic: str,
    payload: bytes,
    pairs: list[tuple[str, str]],
    retain: bool,
) -> None:
    packet = write_publish(topic, payload, packed(publish_properties(UserProperty=pairs)), retain=retain)
    ours = read_publish(b"before" + packet + b"after", len(b"before"))
    assert ours == (Incoming(topic, payload, retain, tuple(pairs)), 0, len(b"before") + len(packet))
    head = next(index for index in range(1, 5) if not packet[index] & 0x80) + 1
    theirs = decode_publish(packet[0], packet[head:], MQTTProtocolVersion.MQTTv5)
    assert (theirs.topic, theirs.payload, theirs.retain, theirs.qos) == (topic.encode(), payload, retain, 0)


@given(st.data())
def test_a_packet_that_is_incomplete_is_left_until_the_rest_has_come(data: st.DataObject) -> None:
    packet = write_publish("a/b", b"payload", packed(publish_properties(UserProperty=[("a", "1")])), retain=False)
    assert read_publish(packet[: data.draw(st.integers(1, len(packet) - 1))], 0) is None


@given(st.binary(min_size=1, max_size=60))
def test_no_bytes_make_the_reader_of_packets_fail(data: bytes) -> None:
    for kind in (data[:1], b"\x30", b"\x33"):
        found = read_publish(kind + data[1:], 0)
        assert found is None or found.end <= len(data)


@pytest.mark.parametrize("topic", ["a/+", "#", "a" * 65_536])
def test_what_is_no_topic_name_is_not_written(topic: str) -> None:
    with pytest.raises(ValueError, match="is no topic name"):
        write_publish(topic, b"", b"\0", retain=False)


@given(st.lists(st.integers(1, 40), max_size=20))
def test_packets_of_all_kinds_cut_anywhere_arrive_whole_and_in_order(pieces: list[int]) -> None:
    received: list[bytes | bytearray] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _client, _userdata, message: received.append(message.payload)
    adopted = PahoClient.adopt(client, lambda message: received.append(message.payload))
    properties = packed(publish_properties(UserProperty=[("a", "1")]))
    stream, sent = b"", []
    for index in range(8):
        payload = f"number {index}".encode()
        sent.append(payload)
        packet = write_publish("a/b", payload, properties, retain=False)
        if index % 2:  # at QoS 1
            packet = bytes([0x32, packet[1] + 2]) + packet[2:7] + bytes([0, index]) + packet[7:]
        stream += packet
        if index == 4:
            stream += b"\xd0\x00"  # PINGRESP
    ours, broker = socket.socketpair()
    with ours, broker:
        ours.settimeout(0)
        client._sock = ours
        for size in (*pieces, len(stream)):
            broker.send(stream[:size])
            stream = stream[size:]
            while select.select([ours], [], [], 0)[0]:  # as an event loop calls it
                assert adopted.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
        while adopted.want_write():
            adopted.loop_write()
        assert received == sent
        answers = broker.recv(1000)
        assert answers == b"".join(bytes([0x40, 2, 0, index]) for index in (1, 3, 5, 7))
        broker.close()
        assert adopted.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS


def test_what_a_socket_does_not_take_at_once_is_written_later_and_before_what_follows() -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_socket_register_write = lambda *_: None
    adopted = PahoClient.adopt(client, lambda _: None)
    ours, broker = socket.socketpair()
    with ours, broker:
        ours.settimeout(0)
        client._sock = ours
        adopted.write(b"x" * 5_000_000)
        adopted.write(b"end")
        received = b""
        while not received.endswith(b"end"):
            assert adopted.want_write() or broker.recv(1, socket.MSG_PEEK)
            received += broker.recv(1_000_000)
            adopted.loop_write()
        assert received == b"x" * 5_000_000 + b"end"
        assert not adopted.want_write()


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
        "_on_disconnect",
        "_on_subscribe",
        "_on_unsubscribe",
        "_on_socket_register_write",
        "_on_socket_close",
        "_on_socket_open",
        "_client_connect",
    ],
)
def test_what_is_overridden_exists_with_the_same_parameters(name: str) -> None:
    theirs = list(inspect.signature(getattr(aiomqtt.Client, name)).parameters)
    ours = list(inspect.signature(getattr(MqttClient, name)).parameters)
    named = [parameter for parameter in ours if parameter not in {"answer", "details"}]
    assert named == theirs[: len(named)]
    assert len(ours) == len(named) + (len(theirs) > len(named))


async def test_of_a_broken_socket_only_we_tell(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ours, peer = socket.socketpair()
    with ours, peer:
        client = MqttClient(lambda _: None, "127.0.0.1")
        client._client._sock = ours
        ours.shutdown(socket.SHUT_WR)  # a write fails: EPIPE
        client._client._packet_queue(0xC0, b"\xc0\x00", 0, 0)  # PINGREQ (MQTT 5.0, 3.12)
        client._client.loop_write()
        assert not caplog.records
        with pytest.raises(aiomqtt.MqttError):
            await client._connected


@pytest.mark.parametrize("moment", ["_on_socket_open", "_on_socket_register_write"])
async def test_of_a_socket_that_is_closed_before_it_is_watched_nobody_complains(
    moment: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed_first(client: MqttClient, *args: Any) -> None:
        """In the thread that connects: meanwhile, the event loop closes the socket."""
        client._loop.call_soon_threadsafe(client._client._sock_close)
        deadline = time.monotonic() + DEADLINE_S
        while client._client.socket() is not None and time.monotonic() < deadline:
            time.sleep(0.001)
        original(client, *args)

    original = getattr(MqttClient, moment)
    monkeypatch.setattr(MqttClient, moment, closed_first)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        client = MqttClient(lambda _: None, "127.0.0.1", server.sockets[0].getsockname()[1], timeout=1)
        with pytest.raises(aiomqtt.MqttError):
            await client.__aenter__()
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_what_is_used_of_aiomqtt_exists() -> None:
    client = aiomqtt.Client("127.0.0.1", protocol=aiomqtt.ProtocolVersion.V5)
    assert isinstance(client._client, paho.Client)
    assert isinstance(client._disconnected, asyncio.Future)
    assert client._pending_subscribes == {}
    assert client._pending_unsubscribes == {}
    assert client._pending_publishes == {}
    assert list(inspect.signature(client._pending_call).parameters) == ["mid", "value", "pending_dict"]
    assert isinstance(client._connected, asyncio.Future)
    assert client._loop is asyncio.get_running_loop()
    assert client._client.connect_timeout > 0
    assert not client._client.want_write()


def test_what_is_used_of_paho_exists() -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    assert client._in_packet["command"] == 0
    assert client._out_messages == {}
    assert client._transport == "tcp"
    assert client._sock is None
    for method, parameters in {
        "_sock_recv": ["bufsize"],
        "_do_on_publish": ["mid", "reason_code", "properties"],
        "_packet_queue": ["command", "packet", "mid", "qos", "info"],
        "loop_read": ["max_packets"],
        "loop_write": [],
        "want_write": [],
    }.items():
        assert list(inspect.signature(getattr(client, method)).parameters) == parameters
