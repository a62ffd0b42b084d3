"""How a server shows itself on real mosquitto: CONNECT, presence, and what it publishes beside it."""

from __future__ import annotations

import asyncio
import json

import pytest
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.implementation import IMPLEMENTATION
from robot_node.mcp_mqtt.server import ServerLimits
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Backoff, Connection
from tests.mcp_mqtt.peers import CONTROL, PRESENCE, SERVER_ID, SERVER_NAME, RawPeer, Received, call, raw_peer, until_set
from tests.mcp_mqtt.proxy import Proxy, in_packet
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S, eventually


async def kept_of(peer: RawPeer, topic: str) -> list[Received]:
    """What the broker has kept of a topic."""
    marker = "$mcp-server/presence/marker/a/b"
    await peer.publish(marker, b"{}", retain=True)
    await peer.subscribe(topic)
    await peer.subscribe(marker)
    await peer.until(lambda message: message.topic == marker)
    return peer.seen()


async def test_presence_is_retained_and_carries_what_the_server_says_of_itself(broker: PrivateBroker, toy: Toy) -> None:
    async with (
        running(broker, toy, description="a toy", meta={"rbac": {"roles": []}}),
        raw_peer(broker, "observer") as observer,
    ):
        await observer.subscribe(PRESENCE)
        message = await observer.until(lambda message: message.topic == PRESENCE)
    assert message.retain
    assert message.qos == 1
    assert message.user_properties == (("MCP-COMPONENT-TYPE", "mcp-server"), ("MCP-MQTT-CLIENT-ID", SERVER_ID))
    meta = {"protocol_versions": list(KNOWN_PROTOCOL_VERSIONS), "rbac": {"roles": []}}
    assert message.json == {
        "jsonrpc": "2.0",
        "method": "notifications/server/online",
        "params": {"server_name": SERVER_NAME, "description": "a toy", "meta": meta},
    }


async def test_the_control_topic_is_subscribed_before_presence_is_published(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy):
        log = broker.log
    assert 0 < log.index(f"{SERVER_ID} 0 {CONTROL}") < log.index(f"Received PUBLISH from {SERVER_ID}")


async def test_leaving_clears_the_presence_then_disconnects(broker: PrivateBroker, toy: Toy) -> None:
    async with raw_peer(broker, "observer") as observer:
        async with running(broker, toy):
            await observer.subscribe(PRESENCE)
            await observer.until(lambda message: message.topic == PRESENCE)
        gone = await observer.until(lambda message: message.payload == b"")
        assert gone.topic == PRESENCE
    await eventually(lambda: f"Received DISCONNECT from {SERVER_ID}" in broker.log)
    async with raw_peer(broker, "latecomer") as latecomer:
        assert await kept_of(latecomer, PRESENCE) == []


async def test_a_server_that_dies_leaves_no_presence_behind(broker: PrivateBroker, toy: Toy) -> None:
    async with Proxy(broker) as proxy, running(proxy.address, toy) as server, raw_peer(broker, "observer") as observer:
        await observer.subscribe(PRESENCE)
        await observer.until(lambda message: message.topic == PRESENCE)
        server.online.clear()
        proxy.cut()
        gone = await observer.until(lambda message: message.payload == b"")
        assert gone.user_properties == (("MCP-COMPONENT-TYPE", "mcp-server"), ("MCP-MQTT-CLIENT-ID", SERVER_ID))
        await until_set(server.online)


async def test_the_presence_of_a_server_that_died_is_not_kept_for_those_who_come_later(
    broker: PrivateBroker, toy: Toy
) -> None:
    slow = Backoff(initial_s=DEADLINE_S, maximum_s=DEADLINE_S)  # it stays dead while we look
    async with (
        Proxy(broker) as proxy,
        running(proxy.address, toy, backoff=slow),
        raw_peer(broker, "observer") as observer,
    ):
        await observer.subscribe(PRESENCE)
        kept = await observer.until(lambda message: message.topic == PRESENCE)
        assert kept.retain
        proxy.cut()
        await observer.until(lambda message: message.payload == b"")
        async with raw_peer(broker, "latecomer") as latecomer:
            assert await kept_of(latecomer, PRESENCE) == []


async def test_connect_says_what_connects(broker: PrivateBroker, toy: Toy) -> None:
    async with Proxy(broker) as proxy, running(proxy.address, toy, location="kitchen shelf"):
        (connect,) = proxy.connects
    assert in_packet("MCP-COMPONENT-TYPE", "mcp-server") in connect
    meta = {"version": "1.2.3", "implementation": IMPLEMENTATION, "location": "kitchen shelf"}
    assert in_packet("MCP-META", json.dumps(meta)) in connect
    protocol_level, flags = connect[connect.index(b"MQTT") + 4 :][:2]
    assert protocol_level == 5
    clean_start, will, will_qos, will_retain = flags & 2, flags & 4, flags >> 3 & 3, flags & 32
    assert clean_start
    assert will
    assert will_qos == 1
    assert will_retain
    assert b"\x11\x00\x00\x00\x00" in connect  # session expiry interval 0
    # Maximum packet size: several times our own limit, so that what exceeds ours can still be answered.
    assert b"\x27" + (8 * ServerLimits().max_message_bytes).to_bytes(4, "big") in connect


async def test_the_brokers_name_for_the_server_is_used_instead_of_its_own(broker: PrivateBroker, toy: Toy) -> None:
    given = f"$mcp-server/presence/{SERVER_ID}/site-7/robot"
    async with Proxy(broker) as proxy, raw_peer(broker, "observer") as observer:
        proxy.connack_properties = (("MCP-SERVER-NAME", "site-7/robot"),)
        await observer.subscribe("$mcp-server/presence/#")
        async with running(proxy.address, toy) as server:
            online = await observer.until(lambda message: bool(message.payload))
            assert online.topic == given
            assert online.json["params"]["server_name"] == "site-7/robot"
            assert [status.connected for status in server.statuses] == [True, False, True]
            # The will, too: this name's presence is cleared when the server dies.
            proxy.connack_properties = ()
            server.online.clear()
            proxy.cut()
            gone = await observer.until(lambda message: message.payload == b"")
            assert gone.topic == given
            await until_set(server.online)
            own = await observer.until(lambda message: bool(message.payload))
            assert own.topic == PRESENCE


async def test_an_extra_publisher_can_clean_up_at_the_end(broker: PrivateBroker, toy: Toy) -> None:
    async def publish(connection: Connection, topics: ServerTopics) -> None:
        await connection.publish("tests/extra", topics.presence.encode(), retain=True)
        try:
            await asyncio.Event().wait()
        finally:
            await connection.publish("tests/extra", b"", retain=True)

    async with raw_peer(broker, "observer") as observer:
        await observer.subscribe("tests/extra")
        async with running(broker, toy, extra_publisher=publish):
            told = await observer.until(lambda message: message.topic == "tests/extra")
            assert told.payload == PRESENCE.encode()
            assert told.user_properties == (("MCP-COMPONENT-TYPE", "mcp-server"), ("MCP-MQTT-CLIENT-ID", SERVER_ID))
        assert (await observer.until(lambda message: message.topic == "tests/extra")).payload == b""


async def test_an_extra_publisher_may_fail_and_sessions_go_on(
    broker: PrivateBroker, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    failed = asyncio.Event()

    async def publish(_connection: Connection, _topics: ServerTopics) -> None:
        failed.set()
        async with asyncio.TaskGroup():
            raise BrokerError("The broker takes nothing more.")

    async with running(broker, toy, extra_publisher=publish), raw_peer(broker, "agent-1") as agent:
        await failed.wait()
        await agent.open_session()
        await agent.rpc(call(1, "add", a=1, b=2))
        assert "result" in await agent.answer(1)
    assert "The broker takes nothing more." in caplog.text
    assert "failed" not in caplog.text
