"""Clients that say nothing for long: those that live stay, those that vanished without a will are let go."""

from __future__ import annotations

import asyncio

import pytest
from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import (
    DISCONNECTED,
    SERVER_ID,
    SERVER_NAME,
    RawPeer,
    Received,
    call,
    initialize,
    raw_peer,
    request,
    rpc_topic,
)
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S, eventually

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def is_ping(message: Received) -> bool:
    return bool(message.json.get("method") == "ping")


def is_goodbye(message: Received) -> bool:
    return bool(message.json == DISCONNECTED)


async def test_a_client_that_vanished_without_a_will_is_let_go(broker: PrivateBroker, toy: Toy) -> None:
    async with (
        running(broker, toy, max_sessions=1, ping_interval_s=0.2, ping_timeout_s=0.3),
        raw_peer(broker, "vanished") as vanished,
        raw_peer(broker, "next") as newcomer,
    ):
        await vanished.open_session()
        await vanished.rpc(call(1, "wait", name="call"))
        ping = await vanished.until(is_ping)
        assert ping.topic == rpc_topic("vanished")
        assert set(ping.json) == {"jsonrpc", "id", "method"}
        goodbye = await vanished.until(is_goodbye)
        assert goodbye.topic == rpc_topic("vanished")
        await eventually(lambda: f"Sending UNSUBACK to {SERVER_ID}" in broker.log)
        unsubscribed = broker.log.partition(f"Received UNSUBSCRIBE from {SERVER_ID}")[2]
        for topic in ("$mcp-client/presence/vanished", "$mcp-client/capability/vanished", rpc_topic("vanished")):
            assert topic in unsubscribed
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            assert await toy.ended.get() == "call cancelled"
        await newcomer.open_session()  # its place is free


@pytest.mark.parametrize("answer", ["result", pytest.param("error", marks=pytest.mark.slow)])  # three pings each
async def test_a_client_that_answers_stays(broker: PrivateBroker, toy: Toy, answer: str) -> None:
    body = {"result": {}} if answer == "result" else {"error": {"code": -32601, "message": "Method not found"}}
    async with running(broker, toy, ping_interval_s=0.1, ping_timeout_s=5.0), raw_peer(broker, "agent") as agent:
        await agent.open_session()
        ids = []
        for _ in range(3):
            ping = await agent.until(is_ping)
            ids.append(ping.json["id"])
            await agent.rpc({"jsonrpc": "2.0", "id": ping.json["id"]} | body)
        await agent.rpc(call(1, "add", a=1, b=2))
        assert "result" in await agent.answer(1)
        assert len(set(ids)) == 3
        assert not any(is_goodbye(message) for message in agent.seen())


@pytest.mark.slow  # four pings
async def test_the_official_client_stays_however_long_it_says_nothing(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    async with (
        running(broker, toy, ping_interval_s=0.1, ping_timeout_s=5.0, idle_limit_s=0.2),
        raw_peer(broker, "observer") as observer,
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent"), mode="legacy") as client,
    ):
        await observer.subscribe(rpc_topic("agent"))
        for _ in range(4):
            await observer.until(is_ping)
        assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}


@pytest.mark.filterwarnings("ignore:ping is removed")
async def test_pings_go_both_ways(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with (
        running(broker, toy),
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode="legacy") as client,
    ):
        await client.send_ping()


async def discover(peer: RawPeer) -> None:
    await peer.control(request(0, "server/discover", {"_meta": ENVELOPE}))
    assert "result" in await peer.answer(0)


async def test_an_idle_client_of_2026_is_let_go_without_a_ping(broker: PrivateBroker, toy: Toy) -> None:
    async with (
        running(broker, toy, ping_interval_s=0.1, ping_timeout_s=0.1, idle_limit_s=0.5),
        raw_peer(broker, "agent") as agent,
    ):
        await discover(agent)
        await agent.until(is_goodbye)
        assert agent.seen() == []
        # One that didn't listen gets an error, instead of waiting in vain.
        await agent.rpc(request(1, "tools/list", {"_meta": ENVELOPE}))
        error = (await agent.answer(1))["error"]
        assert error["code"] == -32013
        assert "idle for too long" in error["message"]
        await eventually(lambda: f"Sending UNSUBACK to {SERVER_ID}" in broker.log)
        await discover(agent)  # and may come again
        await agent.rpc(request(1, "tools/list", {"_meta": ENVELOPE}))
        assert "result" in await agent.answer(1)


async def test_a_client_that_listens_to_changes_is_not_idle(broker: PrivateBroker) -> None:
    notifier = Notifier()
    async with (
        running(broker, toy_server(notifier), idle_limit_s=0.2),
        raw_peer(broker, "listener") as listener,
        raw_peer(broker, "idler") as idler,
    ):
        params = {"notifications": {"resourceSubscriptions": ["toy://x"]}, "_meta": ENVELOPE}
        await listener.control(request("stream", "subscriptions/listen", params))
        await listener.until(lambda message: "acknowledged" in message.json.get("method", ""))
        for _ in range(2):
            await discover(idler)
            await idler.until(is_goodbye)
        notifier.resource_updated("toy://x")
        update = await listener.until(lambda message: message.json.get("method") == "notifications/resources/updated")
        assert update.json["params"]["uri"] == "toy://x"
        assert not any(is_goodbye(message) for message in listener.seen())
        # When it stops listening, it is as idle as anybody.
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "stream"}}
        await listener.rpc(cancelled)
        await listener.until(is_goodbye)


async def test_zero_asks_nobody_and_ends_nothing(broker: PrivateBroker, toy: Toy) -> None:
    async with (
        running(broker, toy, ping_interval_s=0, idle_limit_s=0),
        running(broker, toy_server(), server_id="robot-2", ping_interval_s=0.1, ping_timeout_s=0.1),
        raw_peer(broker, "agent") as agent,
    ):
        await agent.open_session()
        other = rpc_topic("agent").replace(SERVER_ID, "robot-2")
        await agent.subscribe(other)
        control = other.replace("$mcp-rpc/agent", "$mcp-server")
        for number in range(3):  # what another server does meanwhile is our clock
            await agent.publish(control, initialize(number))
            await agent.until(lambda message: message.topic == other and is_goodbye(message))
        await agent.rpc(call(1, "add", a=1, b=2))
        assert "result" in await agent.answer(1)
        assert not any(message.topic == rpc_topic("agent") for message in agent.seen())
