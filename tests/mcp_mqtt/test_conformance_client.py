"""What a client must do, read off what crosses the broker. docs/conformance.md says which sentence each test holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import EmptyResult, PingRequest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import TimeLimits, mqtt_transport
from robot_node.mcp_mqtt.presence import directory
from tests.mcp_mqtt.packets import Connect, Disconnect, Publish, Suback, Subscribe, Unsubscribe
from tests.mcp_mqtt.peers import (
    CAPABILITY,
    CONTROL,
    DISCONNECTED,
    PRESENCE,
    SERVER_ID,
    SERVER_NAME,
    RawPeer,
    raw_peer,
    rpc_topic,
)
from tests.mcp_mqtt.tap import Seen, Tap
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S

MODES = ["auto", "legacy", "2026-07-28"]
OWN_PRESENCE = "$mcp-client/presence/agent"
IDENTITY = (("MCP-COMPONENT-TYPE", "mcp-client"), ("MCP-MQTT-CLIENT-ID", "agent"))
ONLINE = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": {"server_name": SERVER_NAME}}


@pytest.fixture
async def tap(broker: PrivateBroker) -> AsyncIterator[Tap]:
    """Between the client and its broker; the server uses the broker directly."""
    async with Tap(broker) as tap:
        yield tap


@pytest.fixture
async def online(broker: PrivateBroker, toy: Toy) -> AsyncIterator[None]:
    """The toy server is online as robot-1."""
    async with running(broker, toy):
        yield


def client_of(tap: Tap, mode: str = "legacy") -> Client:
    return Client(mqtt_transport(tap.address, SERVER_ID, SERVER_NAME, client_id="agent"), mode=mode)


async def after_a_life(tap: Tap, mode: str = "legacy") -> list[Seen]:
    """What crossed the broker while a client opened a session, listed, called and left."""
    async with client_of(tap, mode) as client:
        await client.list_tools()
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
    await tap.until(lambda seen: isinstance(seen.packet, Disconnect))
    return tap.packets_of("agent")


def methods_on(tap: Tap, topic: str) -> list[str]:
    """The methods of the requests and notifications that the client sent on a topic."""
    sent = (each for each in tap.sent_by("agent", Publish) if each.topic == topic)
    return [message["method"] for each in sent if "method" in (message := json.loads(each.payload))]


def first(seen: list[Seen], kind: type, topic: str = "") -> int:
    """Where the first packet of a type, for publishing or subscribing ``topic``, stands in the record."""

    def fits(packet: Any) -> bool:
        return isinstance(packet, kind) and (not topic or topic in {getattr(packet, "topic", ""), *topics_of(packet)})

    return next(index for index, each in enumerate(seen) if fits(each.packet))


def topics_of(packet: object) -> tuple[str, ...]:
    return packet.topics if isinstance(packet, Subscribe | Unsubscribe) else ()


@pytest.mark.usefixtures("online")
async def test_a_client_speaks_mqtt_5_and_leaves_no_mqtt_session_behind(tap: Tap) -> None:
    await after_a_life(tap)
    (connect,) = tap.sent_by("agent", Connect)
    assert connect.protocol == 5
    assert connect.session_expiry_s == 0
    assert connect.clean_start


@pytest.mark.usefixtures("online")
async def test_a_clients_connect_says_what_it_is(tap: Tap) -> None:
    await after_a_life(tap)
    component, (name, meta) = tap.sent_by("agent", Connect)[0].user_properties
    assert component == ("MCP-COMPONENT-TYPE", "mcp-client")
    assert name == "MCP-META"
    assert set(json.loads(meta)) == {"version", "implementation", "location"}


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("mode", MODES)
async def test_everything_that_a_client_publishes_says_who_sent_it(tap: Tap, mode: str) -> None:
    await after_a_life(tap, mode)
    published = tap.sent_by("agent", Publish)
    assert {each.topic for each in published} == {CONTROL, rpc_topic("agent"), OWN_PRESENCE}
    assert {each.user_properties for each in published} == {IDENTITY}
    assert not [each for each in published if each.retain]
    will = tap.sent_by("agent", Connect)[0].will
    assert will is not None
    assert will.user_properties == IDENTITY


@pytest.mark.usefixtures("online")
async def test_the_will_of_a_client_says_that_it_is_gone(tap: Tap) -> None:
    await after_a_life(tap)
    will = tap.sent_by("agent", Connect)[0].will
    assert will is not None
    assert (will.topic, json.loads(will.payload)) == (OWN_PRESENCE, DISCONNECTED)
    assert not will.retain
    assert will.delay_s == 0


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("mode", MODES)
async def test_a_client_subscribes_all_it_needs_before_it_opens_a_session(tap: Tap, mode: str) -> None:
    seen = await after_a_life(tap, mode)
    subscribes = tap.sent_by("agent", Subscribe)
    opening = first(seen, Publish, CONTROL)
    for topic in (rpc_topic("agent"), CAPABILITY, PRESENCE):
        (subscribe,) = (each for each in subscribes if topic in each.topics)
        (suback,) = (
            index
            for index, each in enumerate(seen)
            if isinstance(each.packet, Suback) and each.packet.identifier == subscribe.identifier
        )
        assert first(seen, Subscribe, topic) < suback < opening


@pytest.mark.usefixtures("online")
async def test_a_client_subscribes_rpc_topics_with_no_local(tap: Tap) -> None:
    seen = await after_a_life(tap)
    filters = [each for subscribe in tap.sent_by("agent", Subscribe) for each in subscribe.filters]
    assert [each.no_local for each in filters if each.topic == rpc_topic("agent")] == [True]
    heard = [each.packet for each in seen if not each.to_broker and isinstance(each.packet, Publish)]
    assert IDENTITY not in {packet.user_properties for packet in heard}


@pytest.mark.usefixtures("online")
async def test_a_client_initialises_on_the_control_topic_and_goes_on_on_the_rpc_topic(tap: Tap) -> None:
    await after_a_life(tap)
    published = tap.sent_by("agent", Publish)
    assert published[0].topic == CONTROL
    opening = json.loads(published[0].payload)
    assert opening["method"] == "initialize"
    assert set(opening["params"]) >= {"protocolVersion", "capabilities", "clientInfo"}
    assert set(opening["params"]["clientInfo"]) >= {"name", "version"}
    assert methods_on(tap, CONTROL) == ["initialize"]
    assert methods_on(tap, rpc_topic("agent")) == ["notifications/initialized", "tools/list", "tools/call"]


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("mode", ["auto", "2026-07-28"])
async def test_a_session_of_2026_07_28_is_opened_on_the_control_topic_too(tap: Tap, mode: str) -> None:
    await after_a_life(tap, mode)
    assert methods_on(tap, CONTROL) == ["server/discover"]
    assert methods_on(tap, rpc_topic("agent"))[-1] == "tools/call"


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("mode", MODES)
async def test_a_client_that_leaves_says_so_before_it_disconnects(tap: Tap, mode: str) -> None:
    seen = await after_a_life(tap, mode)
    assert methods_on(tap, OWN_PRESENCE) == ["notifications/disconnected"]
    assert tap.sent_by("agent", Disconnect) == [Disconnect(0)]
    assert first(seen, Publish, OWN_PRESENCE) < first(seen, Disconnect)


@pytest.mark.usefixtures("online")
async def test_every_session_has_a_client_id_of_its_own(tap: Tap) -> None:
    for _ in range(2):
        async with Client(mqtt_transport(tap.address, SERVER_ID, SERVER_NAME), mode="legacy"):
            pass
    ids = [each.packet.client_id for each in tap.seen if isinstance(each.packet, Connect)]
    assert len(set(ids)) == len(ids) == 2
    assert not [each for each in ids if set(each) & set("/+#")]


@pytest.mark.parametrize("how", ["offline", "disconnected"])
async def test_a_server_that_leaves_is_over_and_its_topics_are_given_up(
    tap: Tap, broker: PrivateBroker, toy: Toy, how: str
) -> None:
    async with running(broker, toy) as server, client_of(tap) as client:
        waiting = asyncio.create_task(client.call_tool("wait", {}))
        await toy.started.get()
        if how == "offline":
            await server.stop()
        else:
            async with raw_peer(broker, "voice") as voice:
                await voice.publish(rpc_topic("agent"), DISCONNECTED, sender=SERVER_ID)
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(MCPError):
                await waiting
        await tap.until(lambda seen: isinstance(seen.packet, Unsubscribe))
    (unsubscribe,) = tap.sent_by("agent", Unsubscribe)
    assert set(unsubscribe.topics) == {CAPABILITY, rpc_topic("agent")}


async def test_a_directory_forgets_a_server_that_leaves_and_leaves_single_ones(
    tap: Tap, broker: PrivateBroker, toy: Toy
) -> None:
    async with directory(tap.address, client_id="agent") as found:
        async with running(broker, toy):
            server = await found.wait_for(SERVER_ID, timeout_s=DEADLINE_S)
            async with Client(found.transport(server), mode="legacy") as client:
                await client.list_tools()
            await tap.until(lambda seen: isinstance(seen.packet, Unsubscribe))
            assert methods_on(tap, rpc_topic("agent"))[-1] == "notifications/disconnected"
            (unsubscribe,) = tap.sent_by("agent", Unsubscribe)
            assert set(unsubscribe.topics) == {CAPABILITY, rpc_topic("agent")}
            assert found.servers == (server,)
            assert not tap.sent_by("agent", Disconnect)
        async with asyncio.timeout(DEADLINE_S):
            async for servers in found.changes():
                if not servers:
                    break


async def test_a_directory_uses_the_filters_that_the_broker_gives(broker: PrivateBroker, toy: Toy) -> None:
    given = ("MCP-SERVER-NAME-FILTERS", json.dumps(["robot-node/#", "elsewhere/+"]))
    async with (
        Tap(broker, connack_properties=(given,)) as tap,
        running(broker, toy),
        directory(tap.address, name_filter="+/kitchen", client_id="agent") as found,
    ):
        await found.wait_for(SERVER_ID, timeout_s=DEADLINE_S)
        (subscribe,) = tap.sent_by("agent", Subscribe)
    assert subscribe.topics == ("$mcp-server/presence/+/robot-node/#", "$mcp-server/presence/+/elsewhere/+")


async def test_a_directory_is_a_client_like_any_other(tap: Tap, broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), directory(tap.address, client_id="agent") as found:
        await found.wait_for(SERVER_ID, timeout_s=DEADLINE_S)
        (connect,) = tap.sent_by("agent", Connect)
        (subscribe,) = tap.sent_by("agent", Subscribe)
    assert (connect.protocol, connect.session_expiry_s) == (5, 0)
    assert [name for name, _ in connect.user_properties] == ["MCP-COMPONENT-TYPE", "MCP-META"]
    assert connect.will is not None
    assert connect.will.topic == OWN_PRESENCE
    assert subscribe.topics == ("$mcp-server/presence/+/#",)


async def test_a_name_is_online_while_any_instance_of_it_is(broker: PrivateBroker, tap: Tap) -> None:
    async with raw_peer(broker, "robots") as robots, directory(tap.address, client_id="agent") as found:
        for server_id in ("robot-1", "robot-2"):
            await announce(robots, server_id, ONLINE)
            await found.wait_for(server_id, timeout_s=DEADLINE_S)
        await announce(robots, "robot-1", b"")
        async with asyncio.timeout(DEADLINE_S):
            async for servers in found.changes():
                if [(each.server_id, each.server_name) for each in servers] == [("robot-2", SERVER_NAME)]:
                    break


async def announce(robots: RawPeer, server_id: str, payload: bytes | dict[str, Any]) -> None:
    await robots.publish(f"$mcp-server/presence/{server_id}/{SERVER_NAME}", payload, sender=server_id, retain=True)


async def test_an_unanswered_ping_ends_the_connection(tap: Tap, broker: PrivateBroker) -> None:
    async with raw_peer(broker, SERVER_ID) as server:
        await server.subscribe(CONTROL)
        await announce(server, SERVER_ID, ONLINE)
        limits = TimeLimits(by_method={"ping": 0.2})
        transport = mqtt_transport(tap.address, SERVER_ID, SERVER_NAME, client_id="agent", time_limits=limits)
        answering = asyncio.create_task(answer_initialize(server))
        async with Client(transport, mode="legacy") as client:
            await answering
            with pytest.raises(MCPError, match="did not answer ping within"):
                await client.session.send_request(PingRequest(), EmptyResult)
            await tap.until(lambda seen: isinstance(seen.packet, Publish) and seen.packet.topic == OWN_PRESENCE)
            with pytest.raises(MCPError, match="Connection closed"):
                await client.list_tools()
        await tap.until(lambda seen: isinstance(seen.packet, Disconnect))
        assert set(methods_on(tap, OWN_PRESENCE)) == {"notifications/disconnected"}


async def answer_initialize(server: RawPeer) -> None:
    asked = await server.until(lambda message: message.topic == CONTROL)
    info = {"name": "raw", "version": "1"}
    result = {"protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": info}
    message = {"jsonrpc": "2.0", "id": asked.json["id"], "result": result}
    await server.publish(rpc_topic("agent"), message, sender=SERVER_ID)


def test_the_recommended_time_limits_are_the_defaults_and_can_be_changed() -> None:
    seconds = {
        10.0: ["ping"],
        60.0: ["tools/call", "completion/complete", "sampling/createMessage"],
        30.0: [
            *("initialize", "roots/list", "resources/list", "tools/list", "prompts/list", "prompts/get"),
            *("resources/read", "resources/templates/list", "resources/subscribe", "logging/setLevel"),
        ],
    }
    assert {limit: [m for m in methods if TimeLimits().of(m) == limit] for limit, methods in seconds.items()} == seconds
    assert TimeLimits(default_s=1.0, by_method={"tools/call": 2.0}).of("tools/call") == 2.0
    assert TimeLimits(default_s=1.0, by_method={"tools/call": 2.0}).of("ping") == 1.0
