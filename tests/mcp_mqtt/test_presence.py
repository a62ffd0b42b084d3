"""Who is online."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import BrokerError, RemoteError, SettingsError
from robot_node.mcp_mqtt.presence import OnlineServer, directory, online_servers, parse_presence, presence_filters
from robot_node.mqtt import Broker, ConnectOptions, Subscription, connect
from tests.mcp_mqtt.peers import PRESENCE, SERVER_ID, SERVER_NAME, raw_peer, until_set
from tests.mcp_mqtt.proxy import Proxy
from tests.mcp_mqtt.toys import Toy, fast_backoff, running
from tests.waiting import DEADLINE_S, eventually

ROBOTS_CONF = Path(__file__).parents[2] / "config" / "mosquitto" / "robots.conf"
VERSIONS = {"protocol_versions": list(KNOWN_PROTOCOL_VERSIONS)}
TOY = OnlineServer(SERVER_ID, SERVER_NAME, "a toy", {**VERSIONS, "site": 7})
DOOR = OnlineServer("robot-2", "barn/door", meta=VERSIONS)


def online_message(**params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": "notifications/server/online", "params": params}


async def test_all_servers_are_listed_with_what_they_say(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with (
        running(broker, toy, description="a toy", meta={"site": 7}),
        running(broker, toy, server_id="robot-2", server_name="barn/door"),
    ):
        listed = await online_servers(address)
        filtered = await online_servers(address, name_filter="barn/+")
    assert listed == (DOOR, TOY)
    assert filtered == (DOOR,)
    assert await online_servers(address) == ()


async def test_many_servers_are_all_listed(broker: PrivateBroker, address: Broker) -> None:
    async with raw_peer(broker, "fleet") as fleet:
        for number in range(300):
            await fleet.publish(f"$mcp-server/presence/r{number}/fleet/{number}", online_message(), retain=True)
    assert len(await online_servers(address)) == 300


async def test_with_the_settings_that_we_ship_a_broker_tells_of_more_than_a_thousand_robots() -> None:
    """With mosquitto's default, a client that subscribes at QoS 1 never hears of those beyond 1020."""
    (line,) = (each for each in ROBOTS_CONF.read_text().splitlines() if each.startswith("max_queued_messages"))
    heard: set[str] = set()
    async with (
        PrivateBroker(extra=line) as private,
        connect(Broker(private.url), ConnectOptions(client_id="fleet")) as fleet,
        connect(Broker(private.url), ConnectOptions(client_id="sdk"), lambda each: heard.add(each.topic)) as client,
    ):
        for start in range(0, 1200, 20):
            topics = [f"$mcp-server/presence/r{number}/fleet/{number}" for number in range(start, start + 20)]
            await asyncio.gather(*(fleet.publish(topic, b"{}", qos=1, retain=True) for topic in topics))
        await client.subscribe(Subscription("$mcp-server/presence/#", qos=1))
        await eventually(lambda: len(heard) == 1200, "all are heard of")


async def test_malformed_presence_of_strangers_is_passed_over(
    broker: PrivateBroker, address: Broker, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(broker, toy, description="a toy", meta={"site": 7}), raw_peer(broker, "stranger") as stranger:
        for number, payload in enumerate((b"\xff", b"{", b"123", b"null", b"[]", b'{"method":"x"}')):
            await stranger.publish(f"$mcp-server/presence/bad-{number}/a/b", payload, retain=True)
        odd = online_message(description=["a", "list"], meta="text", server_name=5)
        await stranger.publish("$mcp-server/presence/odd/a/b", odd, retain=True)
        await stranger.publish("$mcp-server/presence/bare/a/b", {"method": "notifications/server/online"}, retain=True)
        listed = await online_servers(address)
    assert listed == (OnlineServer("bare", "a/b"), OnlineServer("odd", "a/b"), TOY)
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert 1 <= len(lines) <= 6
    assert all("$mcp-server/presence/bad-" in line for line in lines)


@given(st.text(), st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_presence_message_is_too_odd_to_look_at(topic: str, payload: bytes | str) -> None:
    body = payload if isinstance(payload, bytes) else payload.encode()
    assert isinstance(parse_presence(f"$mcp-server/presence/{topic}", body), OnlineServer | str)


async def test_an_unreachable_broker_and_a_bad_filter_are_errors() -> None:
    with pytest.raises(BrokerError, match="Cannot reach the MQTT broker"):
        await online_servers(Broker("mqtt://127.0.0.1:1"))
    with pytest.raises(SettingsError, match="cannot filter server names"):
        await online_servers(Broker("mqtt://127.0.0.1:1"), name_filter="#/a")


async def test_the_brokers_filters_are_used_instead_of_our_own(broker: PrivateBroker, toy: Toy) -> None:
    async with Proxy(broker) as proxy, running(broker, toy), running(broker, toy, server_id="r2", server_name="b/c"):
        proxy.connack_properties = (("MCP-SERVER-NAME-FILTERS", '["b/#", "x/+"]'),)
        assert [server.server_id for server in await online_servers(proxy.address)] == ["r2"]
        assert await online_servers(proxy.address, name_filter="robot-node/#") == ()
        assert "$mcp-server/presence/+/b/# (QoS 0)" in broker.log
        proxy.connack_properties = (("MCP-SERVER-NAME-FILTERS", "b/#"),)
        with pytest.raises(BrokerError, match="MCP-SERVER-NAME-FILTERS cannot be used"):
            await online_servers(proxy.address)


def test_filters_may_be_given_as_whole_topics() -> None:
    given_filters = (("MCP-SERVER-NAME-FILTERS", '["$mcp-server/presence/+/b/#"]'),)
    assert presence_filters(given_filters, "#") == ("$mcp-server/presence/+/b/#",)
    assert presence_filters((), "a/+") == ("$mcp-server/presence/+/a/+",)


async def test_a_directory_follows_arrivals_and_departures(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    seen: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    async with directory(address, backoff=fast_backoff()) as followed:

        async def watch() -> None:
            async for servers in followed.changes():
                seen.put_nowait(tuple(server.server_id for server in servers))

        watching = asyncio.create_task(watch())
        async with asyncio.timeout(DEADLINE_S):
            assert await seen.get() == ()
            async with running(broker, toy):
                assert await seen.get() == (SERVER_ID,)
                async with running(broker, toy, server_id="robot-2", server_name="a/b"):
                    assert await seen.get() == ("robot-2", SERVER_ID)
                assert await seen.get() == (SERVER_ID,)
            assert await seen.get() == ()
        watching.cancel()
        await asyncio.wait([watching])


async def test_waiting_for_one_server(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with directory(address, backoff=fast_backoff()) as followed:
        with pytest.raises(RemoteError, match=r"No robot-1 came online within 0\.05 s"):
            await followed.wait_for(SERVER_ID, timeout_s=0.05)
        waiting = asyncio.create_task(followed.wait_for(server_name=SERVER_NAME, timeout_s=DEADLINE_S))
        async with (
            running(broker, toy, server_id="other", server_name="a/b"),
            running(broker, toy, description="a toy", meta={"site": 7}),
        ):
            assert await waiting == TOY
            assert await followed.wait_for(SERVER_ID) == TOY


@pytest.mark.own_broker
async def test_a_directory_comes_back_after_the_broker_did(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with running(broker, toy) as server, directory(address, backoff=fast_backoff()) as followed:
        await followed.wait_for(SERVER_ID, timeout_s=DEADLINE_S)
        server.online.clear()
        await broker.stop()
        await eventually(lambda: not followed.connected)
        assert followed.servers == ()
        await broker.start()
        await until_set(server.online)
        await followed.wait_for(SERVER_ID, timeout_s=DEADLINE_S)


async def test_presence_that_is_cleared_while_listing_is_not_listed(broker: PrivateBroker, address: Broker) -> None:
    async with raw_peer(broker, "stranger") as stranger, contextlib.AsyncExitStack() as stack:
        followed = await stack.enter_async_context(directory(address))
        await stranger.publish(PRESENCE, online_message(), retain=True)
        await followed.wait_for(SERVER_ID, timeout_s=DEADLINE_S)
        await stranger.publish(PRESENCE, b"", retain=True)
        await eventually(lambda: followed.servers == ())
