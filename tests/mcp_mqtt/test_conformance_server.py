"""What a server must do, read off what crosses the broker. docs/conformance.md says which sentence each test holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import pytest
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.presence import online_servers
from robot_node.mqtt import Broker
from tests.mcp_mqtt.packets import Connack, Connect, Disconnect, Packet, Publish, Suback, Subscribe, Unsubscribe
from tests.mcp_mqtt.peers import (
    CAPABILITY,
    CONTROL,
    DISCONNECTED,
    INITIALIZED,
    PRESENCE,
    SERVER_ID,
    SERVER_NAME,
    RawPeer,
    call,
    initialize,
    raw_peer,
    request,
    rpc_topic,
)
from tests.mcp_mqtt.tap import Seen, Tap
from tests.mcp_mqtt.toys import Toy, running, toy_server

CLIENT_TOPICS = {"$mcp-client/presence/agent", "$mcp-client/capability/agent", rpc_topic("agent")}
IDENTITY = (("MCP-COMPONENT-TYPE", "mcp-server"), ("MCP-MQTT-CLIENT-ID", SERVER_ID))


@pytest.fixture
async def tap(broker: PrivateBroker) -> AsyncIterator[Tap]:
    """Between the server and its broker; the test's own clients use the broker directly."""
    async with Tap(broker) as tap:
        yield tap


@pytest.fixture
async def agent(broker: PrivateBroker, tap: Tap, toy: Toy) -> AsyncIterator[RawPeer]:
    """A client that can say anything, of a server that is online."""
    async with running(tap.address, toy), raw_peer(broker, "agent") as peer:
        yield peer


async def after_a_life(tap: Tap, broker: PrivateBroker, toy: Toy) -> Tap:
    """The record of a server that came online, served two clients of both eras, and left."""
    async with running(tap.address, toy), raw_peer(broker, "agent") as agent, raw_peer(broker, "other") as other:
        await agent.open_session()
        await agent.rpc(call(1, "count", to=2))
        await agent.rpc(call(2, "fail"))
        await agent.rpc(request(3, "no/such/method"))
        await agent.rpc(b"{")
        await agent.rpc(call(4, "announce", times=1))
        for request_id in (1, 2, 3, None, 4):
            await agent.answer(request_id)
        await other.control(request("a", "server/discover"))
        await other.answer("a")
        await agent.leave()
        await tap.until(lambda seen: isinstance(seen.packet, Unsubscribe))
    await tap.until(lambda seen: isinstance(seen.packet, Disconnect))
    return tap


def connect_of(tap: Tap) -> Connect:
    return tap.sent_by(SERVER_ID, Connect)[0]


def only(kind: type[Packet], seen: list[Seen]) -> list[Any]:
    return [each.packet for each in seen if isinstance(each.packet, kind)]


def index_of(seen: list[Seen], wanted: object) -> int:
    """Where the only such packet stands in the record."""
    (index,) = (index for index, each in enumerate(seen) if each.packet == wanted)
    return index


def is_answer(packet: Packet, request_id: object) -> bool:
    if not isinstance(packet, Publish) or packet.topic != rpc_topic("agent"):
        return False
    message = json.loads(packet.payload)
    return "method" not in message and message["id"] == request_id


@pytest.mark.usefixtures("agent")
def test_a_server_speaks_mqtt_5_and_leaves_no_mqtt_session_behind(tap: Tap) -> None:
    connect = connect_of(tap)
    assert connect.protocol == 5
    assert connect.session_expiry_s == 0
    assert connect.clean_start


@pytest.mark.usefixtures("agent")
def test_a_servers_connect_says_what_it_is(tap: Tap) -> None:
    component, (name, meta) = connect_of(tap).user_properties
    assert component == ("MCP-COMPONENT-TYPE", "mcp-server")
    assert name == "MCP-META"
    implementation = f"robot-node {version('robot-node')}"
    assert json.loads(meta) == {"version": "1.2.3", "implementation": implementation, "location": ""}


async def test_a_server_tells_the_broker_how_large_a_packet_may_be(tap: Tap, toy: Toy) -> None:
    async with running(tap.address, toy, max_message_bytes=4000):
        told = connect_of(tap).maximum_packet_bytes
    assert told is not None
    assert told > 4000, "the broker would drop what is to be answered with an error"
    assert told < 100_000


async def test_everything_that_a_server_publishes_says_who_sent_it(tap: Tap, broker: PrivateBroker, toy: Toy) -> None:
    await after_a_life(tap, broker, toy)
    published = tap.sent_by(SERVER_ID, Publish)
    assert {each.topic for each in published} == {PRESENCE, CAPABILITY, rpc_topic("agent"), rpc_topic("other")}
    assert {each.user_properties for each in published} == {IDENTITY}
    will = connect_of(tap).will
    assert will is not None
    assert will.user_properties == IDENTITY


@pytest.mark.usefixtures("agent")
def test_the_will_of_a_server_clears_its_presence(tap: Tap) -> None:
    will = connect_of(tap).will
    assert will is not None
    assert (will.topic, will.payload) == (PRESENCE, b"")
    assert will.retain, "else the broker keeps the presence of a dead server"
    assert will.delay_s == 0


@pytest.mark.usefixtures("agent")
def test_a_server_announces_itself_once_it_can_be_reached(tap: Tap) -> None:
    seen = tap.packets_of(SERVER_ID)
    subscribe, online = only(Subscribe, seen)[0], only(Publish, seen)[0]
    assert subscribe.topics == (CONTROL,)
    assert (online.topic, online.retain) == (PRESENCE, True)
    assert json.loads(online.payload) == {
        "jsonrpc": "2.0",
        "method": "notifications/server/online",
        "params": {
            "server_name": SERVER_NAME,
            "description": "",
            "meta": {"protocol_versions": list(KNOWN_PROTOCOL_VERSIONS)},
        },
    }
    assert index_of(seen, subscribe) < index_of(seen, Suback(subscribe.identifier, (0,))) < index_of(seen, online)


@pytest.mark.slow
async def test_a_server_renews_its_presence_before_the_broker_forgets_it(tap: Tap, address: Broker, toy: Toy) -> None:
    async with running(tap.address, toy, presence_expiry_s=3):
        until = asyncio.get_running_loop().time() + 5
        while asyncio.get_running_loop().time() < until:
            assert [each.server_id for each in await online_servers(address)] == [SERVER_ID]
        announcements = tap.sent_by(SERVER_ID, Publish)
        assert {(each.topic, each.retain, each.expiry_s) for each in announcements} == {(PRESENCE, True, 3)}
        assert len({each.payload for each in announcements}) == 1


async def test_a_server_retains_its_presence_and_nothing_else(tap: Tap, broker: PrivateBroker, toy: Toy) -> None:
    await after_a_life(tap, broker, toy)
    assert all(each.retain == (each.topic == PRESENCE) for each in tap.sent_by(SERVER_ID, Publish))


async def test_a_server_that_leaves_clears_its_presence_first(tap: Tap, broker: PrivateBroker, toy: Toy) -> None:
    await after_a_life(tap, broker, toy)
    *_, goodbye, disconnect = (
        each for each in tap.packets_of(SERVER_ID) if isinstance(each.packet, Publish | Disconnect)
    )
    assert disconnect.packet == Disconnect(0)
    assert isinstance(goodbye.packet, Publish)
    assert (goodbye.packet.topic, goodbye.packet.payload, goodbye.packet.retain) == (PRESENCE, b"", True)


@pytest.mark.parametrize("opening", [initialize(7), request(7, "server/discover")], ids=["legacy", "2026-07-28"])
async def test_a_server_subscribes_a_clients_topics_before_it_answers(
    tap: Tap, agent: RawPeer, opening: dict[str, Any]
) -> None:
    await agent.control(opening)
    await agent.answer(7)
    seen = tap.packets_of(SERVER_ID)
    subscribe = only(Subscribe, seen)[1]
    assert set(subscribe.topics) == CLIENT_TOPICS
    (suback,) = (each for each in only(Suback, seen) if each.identifier == subscribe.identifier)
    assert all(reason < 0x80 for reason in suback.reasons)
    answer = next(index for index, each in enumerate(seen) if each.to_broker and is_answer(each.packet, 7))
    assert index_of(seen, subscribe) < index_of(seen, suback) < answer


async def test_a_server_subscribes_rpc_topics_with_no_local(tap: Tap, agent: RawPeer) -> None:
    await agent.open_session()
    (options,) = (each for each in tap.sent_by(SERVER_ID, Subscribe)[1].filters if each.topic == rpc_topic("agent"))
    assert options.no_local
    await agent.rpc(call(1, "add", a=1, b=1))
    await agent.answer(1)
    heard = [each.packet for each in tap.packets_of(SERVER_ID) if not each.to_broker]
    assert not [packet for packet in heard if isinstance(packet, Publish) and packet.user_properties == IDENTITY]


async def test_a_server_answers_initialize_on_the_rpc_topic_with_what_it_can_do(tap: Tap, agent: RawPeer) -> None:
    await agent.control(initialize(7))
    await agent.answer(7)
    (answer,) = (each for each in tap.publishes_on(rpc_topic("agent")) if is_answer(each.packet, 7))
    assert isinstance(answer.packet, Publish)
    result = json.loads(answer.packet.payload)["result"]
    assert result["protocolVersion"] == "2025-03-26"
    assert result["serverInfo"] == {"name": "toy", "version": "1.2.3"}
    assert "tools" in result["capabilities"]


async def test_nothing_but_the_opening_of_a_session_is_served_before_it(tap: Tap, agent: RawPeer) -> None:
    await agent.rpc(call(1, "add", a=1, b=1))  # nobody listens there yet
    await agent.control(request(2, "tools/list"))
    assert "error" in await agent.answer(2)
    assert len(tap.sent_by(SERVER_ID, Subscribe)) == 1
    await agent.open_session()
    await agent.rpc(call(3, "add", a=1, b=1))
    assert "result" in await agent.answer(3)
    assert not [each for each in tap.publishes_on(rpc_topic("agent")) if is_answer(each.packet, 1)]


async def test_a_client_id_may_open_another_session(tap: Tap, agent: RawPeer) -> None:
    await agent.open_session()
    await agent.control(initialize(8))
    await agent.answer(8)
    await agent.rpc(INITIALIZED)
    await agent.rpc(call(1, "add", a=1, b=1))
    assert "result" in await agent.answer(1)
    assert not tap.sent_by(SERVER_ID, Unsubscribe)


@pytest.mark.parametrize("where", ["presence", "rpc", "will"])
async def test_a_server_gives_up_the_topics_of_a_client_that_left(
    tap: Tap, broker: PrivateBroker, toy: Toy, where: str
) -> None:
    async with Tap(broker) as network, running(tap.address, toy):
        async with raw_peer(network.address, "agent", will=json.dumps(DISCONNECTED).encode()) as agent:
            await agent.open_session()
            if where == "presence":
                await agent.leave()
            elif where == "rpc":
                await agent.rpc(DISCONNECTED)
            else:
                network.cut()
            await tap.until(lambda seen: isinstance(seen.packet, Unsubscribe))
        (unsubscribe,) = tap.sent_by(SERVER_ID, Unsubscribe)
        assert set(unsubscribe.topics) == CLIENT_TOPICS
        assert len(unsubscribe.topics) == 3


async def test_a_server_tells_all_its_clients_of_changed_tools_once(
    tap: Tap, broker: PrivateBroker, agent: RawPeer
) -> None:
    async with raw_peer(broker, "other") as other:
        await agent.open_session()
        await other.open_session()
        await agent.rpc(call(1, "announce", times=1))
        await agent.answer(1)
        await tap.until(lambda seen: isinstance(seen.packet, Publish) and seen.packet.topic == CAPABILITY)
        await other.rpc(call(2, "add", a=1, b=1))
        await other.answer(2)
    (notification,) = tap.publishes_on(CAPABILITY)
    assert isinstance(notification.packet, Publish)
    assert json.loads(notification.packet.payload)["method"] == "notifications/tools/list_changed"
    everywhere = [each.packet.payload for each in tap.seen if each.to_broker and isinstance(each.packet, Publish)]
    assert len([payload for payload in everywhere if b"list_changed" in payload]) == 1


async def test_a_server_uses_the_name_that_the_broker_gives_it(broker: PrivateBroker, toy: Toy) -> None:
    async with Tap(broker, connack_properties=(("MCP-SERVER-NAME", "given/by/broker"),)) as tap:
        given_presence = f"$mcp-server/presence/{SERVER_ID}/given/by/broker"
        async with running(tap.address, toy):
            assert any(isinstance(each.packet, Connack) and each.packet.user_properties for each in tap.seen)
            assert [each.topic for each in tap.sent_by(SERVER_ID, Publish)] == [given_presence]
            assert json.loads(tap.sent_by(SERVER_ID, Publish)[0].payload)["params"]["server_name"] == "given/by/broker"
            assert tap.sent_by(SERVER_ID, Subscribe)[-1].topics == (f"$mcp-server/{SERVER_ID}/given/by/broker",)
            will = tap.sent_by(SERVER_ID, Connect)[-1].will
            assert will is not None
            assert will.topic == given_presence
        assert [each.payload for each in tap.sent_by(SERVER_ID, Publish)][1:] == [b""]


async def test_a_server_tells_of_a_changed_resource_on_the_capability_topic_once(
    tap: Tap, broker: PrivateBroker
) -> None:
    notifier = Notifier()
    uri = "robot://door"
    async with (
        running(tap.address, toy_server(notifier)),
        raw_peer(broker, "agent") as agent,
        raw_peer(broker, "other") as other,
    ):
        for peer in (agent, other):
            await peer.open_session()
            await peer.rpc(request(1, "resources/subscribe", {"uri": uri}))
            assert (await peer.answer(1))["result"] == {}
        notifier.resource_updated(uri)
        await tap.until(lambda seen: isinstance(seen.packet, Publish) and seen.packet.topic == CAPABILITY)
        await other.rpc(call(2, "add", a=1, b=1))
        await other.answer(2)
    (notification,) = tap.publishes_on(CAPABILITY)
    assert isinstance(notification.packet, Publish)
    message = json.loads(notification.packet.payload)
    assert message["method"] == "notifications/resources/updated"
    assert message["params"]["uri"] == uri


async def test_a_server_that_ends_a_session_says_so_and_gives_up_its_topics(
    tap: Tap, broker: PrivateBroker, toy: Toy
) -> None:
    async with (
        running(tap.address, toy, ping_interval_s=0.1, ping_timeout_s=0.1),
        raw_peer(broker, "agent") as agent,
    ):
        await agent.open_session()
        asked = await agent.until(lambda message: b'"ping"' in message.payload)
        assert asked.topic == rpc_topic("agent")  # and is not answered
        await tap.until(lambda seen: isinstance(seen.packet, Unsubscribe))
    (unsubscribe,) = tap.sent_by(SERVER_ID, Unsubscribe)
    assert set(unsubscribe.topics) == CLIENT_TOPICS
    said = [json.loads(each.payload) for each in tap.sent_by(SERVER_ID, Publish) if each.topic == rpc_topic("agent")]
    *asked_for, last = [message["method"] for message in said if "method" in message]
    assert set(asked_for) == {"ping"}
    assert last == "notifications/disconnected"
    seen = [each.packet for each in tap.packets_of(SERVER_ID) if each.to_broker]
    (goodbye,) = (each for each in seen if isinstance(each, Publish) and b"disconnected" in each.payload)
    assert seen.index(goodbye) < seen.index(unsubscribe)


async def test_a_client_that_answers_pings_stays(tap: Tap, broker: PrivateBroker, toy: Toy) -> None:
    async with (
        running(tap.address, toy, ping_interval_s=0.1, ping_timeout_s=1.0),
        raw_peer(broker, "agent") as agent,
    ):
        await agent.open_session()
        for _ in range(3):
            asked = await agent.until(lambda message: b'"ping"' in message.payload)
            await agent.rpc({"jsonrpc": "2.0", "id": asked.json["id"], "result": {}})
        await agent.rpc(call(1, "add", a=1, b=1))
        assert "result" in await agent.answer(1)
        assert not tap.sent_by(SERVER_ID, Unsubscribe)


async def test_a_server_hears_nothing_that_is_meant_for_others(tap: Tap, broker: PrivateBroker, toy: Toy) -> None:
    async with running(tap.address, toy), raw_peer(broker, "agent") as agent, raw_peer(broker, "stranger") as stranger:
        await agent.open_session()
        for topic in (
            "$mcp-server/robot-2/robot-node/kitchen",
            "$mcp-server/presence/robot-2/robot-node/kitchen",
            "$mcp-server/capability/robot-2/robot-node/kitchen",
            "$mcp-rpc/agent/robot-2/robot-node/kitchen",
            "$mcp-client/presence/stranger",
            "$mcp-client/capability/stranger",
        ):
            await stranger.publish(topic, DISCONNECTED)
        await agent.rpc(call(1, "add", a=1, b=1))
        await agent.answer(1)
    heard = [each.packet for each in tap.packets_of(SERVER_ID) if not each.to_broker]
    assert {each.topic for each in heard if isinstance(each, Publish)} == {CONTROL, rpc_topic("agent")}
