"""Broker and network that fail in the ways that leave both sides with different ideas of who is connected.

docs/conformance.md states what happens when, and within which time.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client, MCPError

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.jsonrpc import SERVER_ONLINE, dump_notification
from robot_node.mcp_mqtt.presence import directory, online_servers
from robot_node.mqtt import Broker, ConnectOptions, connect
from tests.mcp_mqtt.packets import Publish
from tests.mcp_mqtt.peers import PRESENCE, SERVER_ID, SERVER_NAME, RawPeer, raw_peer, until_set
from tests.mcp_mqtt.tap import Seen, Tap
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S, eventually


async def works(address: Broker, server_id: str = SERVER_ID) -> None:
    async with asyncio.timeout(DEADLINE_S), Client(mqtt_transport(address, server_id, SERVER_NAME)) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}


async def names_online(address: Broker) -> set[str]:
    return {server.server_id for server in await online_servers(address)}


@asynccontextmanager
async def presence_watcher(broker: PrivateBroker) -> AsyncIterator[RawPeer]:
    async with raw_peer(broker, "observer") as observer:
        await observer.subscribe(PRESENCE)
        yield observer


async def next_presence(observer: RawPeer) -> bool:
    """Whether the next presence message says that the server is online."""
    return bool((await observer.until(lambda message: message.topic == PRESENCE)).payload)


def is_presence(seen: Seen) -> bool:
    return seen.to_broker and isinstance(seen.packet, Publish) and seen.packet.topic == PRESENCE


@pytest.mark.slow
async def test_a_half_open_connection_is_noticed_by_both_sides_and_presence_comes_back(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    async with (
        Tap(broker) as network,
        presence_watcher(broker) as observer,
        running(network.address, toy, keepalive_s=1, connect_timeout_s=0.5) as server,
    ):
        assert await next_presence(observer)
        network.silence()
        assert not await next_presence(observer)  # after 1.5 times the keep-alive interval, the broker says so
        await eventually(lambda: not server.statuses[-1].connected)  # the server notices by itself
        server.online.clear()
        network.heal()
        await until_set(server.online)
        assert await next_presence(observer)
        assert await names_online(address) == {SERVER_ID}
        await works(address)
        assert not [message for message in observer.seen() if message.topic == PRESENCE]


async def test_a_connection_that_only_the_server_has_lost_is_taken_over_before_presence_comes_back(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    # The broker still believes in the old connection, and publishes its will only when the new one takes it over:
    # would that come after the new announcement, a server that lives would look dead for ever.
    async with (
        Tap(broker) as network,
        presence_watcher(broker) as observer,
        running(network.address, toy) as server,
    ):
        assert await next_presence(observer)
        for _ in range(3):
            server.online.clear()
            network.cut(broker_side=False)
            await until_set(server.online)
            assert [await next_presence(observer), await next_presence(observer)] == [False, True]
        assert await names_online(address) == {SERVER_ID}
        await works(address)
        assert not [message for message in observer.seen() if message.topic == PRESENCE]


async def test_a_short_silence_loses_nothing(broker: PrivateBroker, toy: Toy) -> None:
    async with (
        Tap(broker) as network,
        presence_watcher(broker) as observer,
        running(network.address, toy, keepalive_s=20) as server,
        Client(mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME)) as client,
    ):
        assert await next_presence(observer)
        network.silence()
        calling = asyncio.create_task(client.call_tool("add", {"a": 1, "b": 1}))
        await asyncio.wait([calling], timeout=1.0)
        assert not calling.done()
        network.heal()
        async with asyncio.timeout(DEADLINE_S):
            assert (await calling).structured_content == {"result": 2}
        assert [status.connected for status in server.statuses] == [True]
        assert not [message for message in observer.seen() if message.topic == PRESENCE]


@pytest.mark.slow
async def test_a_busy_connection_is_not_mistaken_for_a_dead_one(broker: PrivateBroker, address: Broker) -> None:
    async def be_busy_then_idle(qos: int) -> None:
        server_id = f"robot-{qos}"
        transport = mqtt_transport(replace(address, keepalive_s=1), server_id, SERVER_NAME, qos=qos)
        async with (
            running(broker, toy_server(), server_id=server_id, qos=qos, keepalive_s=1) as server,
            Client(transport) as client,
        ):
            until = asyncio.get_running_loop().time() + 3.5
            while asyncio.get_running_loop().time() < until:
                await client.call_tool("add", {"a": 1, "b": 1})
            await asyncio.sleep(3.5)
            await client.call_tool("add", {"a": 1, "b": 1})
            assert [status.connected for status in server.statuses] == [True]

    async with asyncio.TaskGroup() as group:
        for qos in (0, 1):
            group.create_task(be_busy_then_idle(qos))


async def test_a_client_in_a_silent_network_fails_its_calls_instead_of_hanging(broker: PrivateBroker, toy: Toy) -> None:
    async with Tap(broker) as network, running(broker, toy):
        transport = mqtt_transport(
            replace(network.address, keepalive_s=1, connect_timeout_s=0.5), SERVER_ID, SERVER_NAME
        )
        async with Client(transport) as client:
            await client.list_tools()
            network.silence()
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(MCPError, match="The connection to the broker was lost"):
                    await client.call_tool("add", {"a": 1, "b": 1})
                with pytest.raises(MCPError):
                    await client.call_tool("add", {"a": 1, "b": 1})
        with pytest.raises(BrokerError, match="Cannot reach"):
            async with mqtt_transport(replace(network.address, connect_timeout_s=0.3), SERVER_ID, SERVER_NAME):
                pass
        network.heal()
        await works(network.address)


def persistent(folder: Any) -> PrivateBroker:
    return PrivateBroker(extra=f"persistence true\npersistence_location {folder}/\nautosave_interval 3600")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
@pytest.mark.own_broker
async def test_a_restarted_broker_without_persistence_learns_anew_who_is_online(
    broker: PrivateBroker, address: Broker, toy: Toy, how: signal.Signals
) -> None:
    async with running(broker, toy) as server:
        server.online.clear()
        broker.signal(how)
        await broker.stop()
        await broker.start()
        await until_set(server.online)
        assert await names_online(address) == {SERVER_ID}
        await works(address)
    assert await names_online(address) == set()


@pytest.mark.slow
async def test_a_presence_that_a_killed_broker_brings_back_from_its_disk_goes_by_itself(
    tmp_path_factory: Any,
    toy: Toy,
) -> None:
    async with persistent(tmp_path_factory.mktemp("broker")) as broker:
        address = Broker.from_url(broker.url)
        async with running(broker, toy, presence_expiry_s=3) as alive:
            async with running(broker, toy_server(), server_id="mortal", presence_expiry_s=3):
                broker.signal(signal.SIGUSR1)  # makes mosquitto write its file
                await eventually(lambda: "Saving in-memory database" in broker.log)
                assert await names_online(address) == {SERVER_ID, "mortal"}  # the file is complete then
                alive.online.clear()
                broker.signal(signal.SIGKILL)  # power cut: of the broker and of one of the servers
                await broker.stop()
            await broker.start()
            assert "mortal" in await names_online(address)
            await until_set(alive.online)

            async def mortal_is_gone() -> bool:
                return "mortal" not in await names_online(address)

            await eventually(mortal_is_gone)
            assert await names_online(address) == {SERVER_ID}  # which lives on, and renews its presence
            await works(address)


async def test_a_directory_forgets_whom_the_broker_has_forgotten(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    # What a broker brings back from its disk and lets expire later: nobody tells those who saw it.
    expiring = ConnectOptions("ghostwriter", publish_properties=(("MCP-COMPONENT-TYPE", "mcp-server"),))
    async with (
        running(broker, toy),
        directory(address, relist_s=0.3) as known,
        connect(address, expiring, lambda _: None) as ghostwriter,
    ):
        ghost = f"$mcp-server/presence/ghost/{SERVER_NAME}"
        await ghostwriter.publish(ghost, dump_notification(SERVER_ONLINE), qos=1, retain=True, expiry_s=1)
        seen = []
        async with asyncio.timeout(DEADLINE_S):
            await known.wait_for("ghost")
            async for servers in known.changes():
                seen.append({server.server_id for server in servers})
                if seen[-1] == {SERVER_ID}:
                    break
        assert seen == [{"ghost", SERVER_ID}, {SERVER_ID}]


async def test_a_stopped_broker_with_persistence_brings_back_no_dead_server(tmp_path_factory: Any, toy: Toy) -> None:
    async with persistent(tmp_path_factory.mktemp("broker")) as broker:
        address = Broker.from_url(broker.url)
        async with running(broker, toy) as alive:
            async with running(broker, toy_server(), server_id="mortal"):
                assert await names_online(address) == {SERVER_ID, "mortal"}
                alive.online.clear()
                await broker.stop()
            await broker.start()
            await until_set(alive.online)
            assert await names_online(address) == {SERVER_ID}
            await works(address)
