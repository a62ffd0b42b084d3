"""Interoperation with EMQX's Python SDK: peers that say, byte for byte, what its client and its server said.

Recorded from emqx/mcp-python-sdk (commit 9088cc3) through mosquitto; docs/mcp-over-mqtt.md says what else was seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.presence import directory, online_servers
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import CONTROL, PRESENCE, SERVER_ID, SERVER_NAME, RawPeer, raw_peer, rpc_topic, until_set
from tests.mcp_mqtt.proxy import Proxy
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S, eventually

# What its client says, in the order of its keys.
WILL = b'{"method":"notifications/disconnected","params":null,"jsonrpc":"2.0"}'
GOODBYE = b'{"method":"notifications/disconnected","jsonrpc":"2.0"}'
INITIALIZED = b'{"method":"notifications/initialized","jsonrpc":"2.0"}'
CALL = b'{"method":"tools/call","params":{"name":"add","arguments":{"a":40,"b":2}},"jsonrpc":"2.0","id":1}'
LIST_TOOLS = b'{"method":"tools/list","jsonrpc":"2.0","id":2}'
PING = b'{"method":"ping","jsonrpc":"2.0","id":3}'

# What its server says.
ONLINE = b'{"method":"notifications/server/online","params":{"description":"an EMQX server","meta":{}},"jsonrpc":"2.0"}'
UNKNOWN_METHOD = '"error":{"code":-32602,"message":"Invalid request parameters","data":""}}'
WELCOME = (
    '"result":{"protocolVersion":"2025-11-25","capabilities":{"experimental":{},"prompts":{"listChanged":false},'
    '"resources":{"subscribe":false,"listChanged":false},"tools":{"listChanged":false}},'
    '"serverInfo":{"name":"demo/one","version":"1.25.0"}}}'
)
TOOLS = (
    '"result":{"tools":[{"name":"add","description":"Add","inputSchema":{"properties":{"a":{"type":"integer"}},'
    '"required":["a"],"title":"addArguments","type":"object"},"outputSchema":{"properties":{"result":{"type":"integer"'
    '}},"required":["result"],"title":"addOutput","type":"object"}}]}}'
)
ADDED = '"result":{"content":[{"type":"text","text":"42"}],"structuredContent":{"result":42},"isError":false}}'


def initialize(version: str = "2025-11-25") -> bytes:
    return (
        b'{"method":"initialize","params":{"protocolVersion":"%s","capabilities":{},'
        b'"clientInfo":{"name":"mcp","version":"0.1.0"}},"jsonrpc":"2.0","id":0}' % version.encode()
    )


async def open_session(client: RawPeer, version: str = "2025-11-25") -> dict[str, object]:
    await client.control(initialize(version))
    answer = await client.answer(0)
    await client.rpc(INITIALIZED)
    return answer


@pytest.mark.peer("EMQX Python SDK", works="its client: lists, calls, pings, in four versions of MCP")
@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_its_client_is_served_in_each_version_that_it_knows(
    broker: PrivateBroker, toy: Toy, version: str
) -> None:
    async with running(broker, toy), raw_peer(broker, "emqx-client", will=WILL) as client:
        welcome = await open_session(client, version)
        assert welcome["result"]["protocolVersion"] == version  # type: ignore[index]  # JSON
        await client.rpc(CALL)
        assert (await client.answer(1))["result"]["content"] == [{"text": "42", "type": "text"}]
        await client.rpc(LIST_TOOLS)
        assert "add" in {tool["name"] for tool in (await client.answer(2))["result"]["tools"]}
        await client.rpc(PING)
        assert (await client.answer(3))["result"] == {}


async def test_its_client_can_read_our_presence(broker: PrivateBroker, toy: Toy) -> None:
    # It goes deaf at an online message without a description that is a string.
    async with running(broker, toy), raw_peer(broker, "emqx-client", will=WILL) as client:
        await client.subscribe("$mcp-server/presence/+/#")
        online = await client.until(lambda message: message.topic == PRESENCE)
    assert isinstance(online.json["params"]["description"], str)
    assert isinstance(online.json["params"]["meta"], dict)
    assert "/" in online.json["params"]["server_name"]


async def test_its_client_vanishes_and_its_will_ends_the_session(broker: PrivateBroker, toy: Toy) -> None:
    async with Proxy(broker) as proxy, running(broker, toy):
        async with raw_peer(proxy.address, "emqx-client", will=WILL) as client:
            await open_session(client)
            await client.rpc(b'{"method":"tools/call","params":{"name":"wait"},"jsonrpc":"2.0","id":1}')
            async with asyncio.timeout(DEADLINE_S):
                await toy.started.get()
                proxy.cut()
                assert await toy.ended.get() == " cancelled"
        # And a second goodbye, which ends its own server, changes nothing.
        async with raw_peer(broker, "emqx-client", will=WILL) as client:
            for _ in range(2):
                await client.publish("$mcp-client/presence/emqx-client", GOODBYE)
                await client.rpc(GOODBYE)
            await open_session(client)


async def test_its_client_uses_one_client_id_for_all_servers(broker: PrivateBroker, toy: Toy) -> None:
    cellar_rpc = "$mcp-rpc/emqx-client/robot-2/robot-node/cellar"
    async with (
        running(broker, toy),
        running(broker, toy_server(), server_id="robot-2", server_name="robot-node/cellar"),
        raw_peer(broker, "emqx-client", will=WILL) as client,
    ):
        await client.subscribe(cellar_rpc)
        await open_session(client)
        await client.publish("$mcp-server/robot-2/robot-node/cellar", initialize())
        await client.until(lambda message: message.topic == cellar_rpc and message.json.get("id") == 0)
        await client.publish(cellar_rpc, INITIALIZED)
        await client.rpc(GOODBYE)  # leaves the kitchen only
        await client.publish(cellar_rpc, CALL)
        called = await client.until(lambda message: message.topic == cellar_rpc and message.json.get("id") == 1)
        assert called.json["result"]["structuredContent"] == {"result": 42}
        await eventually(lambda: f"{SERVER_ID} {rpc_topic('emqx-client')}\n" in broker.log)  # given up


@pytest.mark.peer("EMQX Python SDK", works="its client, after a restart of the broker")
@pytest.mark.own_broker
async def test_its_client_opens_its_session_anew_after_a_restart_of_the_broker(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy) as server:
        async with raw_peer(broker, "emqx-client", will=WILL) as client:
            await open_session(client)
            server.online.clear()
            await broker.stop()
        await broker.start()
        await until_set(server.online)
        async with raw_peer(broker, "emqx-client", will=WILL) as client:
            await open_session(client)  # the same client id, and request id 0 again
            await client.rpc(CALL)
            assert (await client.answer(1))["result"]["structuredContent"] == {"result": 42}


async def test_its_client_opens_a_second_session_without_leaving_the_first(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "emqx-client", will=WILL) as client:
        await open_session(client)
        await open_session(client)
        await client.rpc(CALL)
        assert (await client.answer(1))["result"]["structuredContent"] == {"result": 42}


@contextlib.asynccontextmanager
async def its_server(broker: PrivateBroker) -> AsyncIterator[RawPeer]:
    """A peer that answers as EMQX's server does: unknown methods with -32602, on the client's RPC topic."""
    async with raw_peer(broker, SERVER_ID) as server:
        await server.subscribe(CONTROL, rpc_topic("agent"))
        await server.publish(PRESENCE, ONLINE, retain=True)

        async def answer() -> None:
            answers = {"initialize": WELCOME, "tools/list": TOOLS, "tools/call": ADDED}
            while True:
                asked = (await server.until(lambda message: b'"id"' in message.payload)).json
                if token := asked.get("params", {}).get("_meta", {}).get("progressToken"):
                    step = f'{{"progressToken":{token},"progress":1.0,"total":1.0,"message":"step 1"}}'
                    progress = f'{{"method":"notifications/progress","params":{step},"jsonrpc":"2.0"}}'
                    await server.publish(rpc_topic("agent"), progress.encode(), sender=SERVER_ID)
                said = answers.get(asked["method"], UNKNOWN_METHOD)
                reply = f'{{"jsonrpc":"2.0","id":{json.dumps(asked["id"])},{said}'
                await server.publish(rpc_topic("agent"), reply.encode(), sender=SERVER_ID)

        answering = asyncio.create_task(answer())
        try:
            yield server
        finally:
            answering.cancel()
            await asyncio.wait([answering])


@pytest.mark.peer("EMQX Python SDK", works="its server: calls with progress")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_our_client_calls_its_server(broker: PrivateBroker, address: Broker, mode: str) -> None:
    steps: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (1, "step 1")
        steps.append(progress)

    async with its_server(broker), directory(address, client_id="agent") as followed:
        found = await followed.wait_for(SERVER_ID, timeout_s=DEADLINE_S)  # its presence has no server_name
        assert found.description == "an EMQX server"
        async with Client(followed.transport(found), mode=mode) as client:
            assert client.protocol_version == "2025-11-25"
            result = await client.call_tool("add", {"a": 40}, progress_callback=on_progress)
            assert isinstance(result.content[0], TextContent)
            assert result.structured_content == {"result": 42}
            await eventually(lambda: steps == [1.0])
            with pytest.raises(MCPError, match="Invalid request parameters"):
                await client.list_prompts()


async def test_a_client_pinned_to_2026_is_told_that_its_server_does_not_know_that(
    broker: PrivateBroker, address: Broker
) -> None:
    async with its_server(broker):
        transport = mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent")
        async with Client(transport, mode="2026-07-28") as client:
            with pytest.raises(MCPError, match="Invalid request parameters"):
                await client.list_prompts()


async def test_its_server_leaves_and_our_client_knows(broker: PrivateBroker, address: Broker) -> None:
    told: asyncio.Queue[object] = asyncio.Queue()

    async def on_message(message: object) -> None:
        told.put_nowait(message)

    async with its_server(broker) as server:
        transport = mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent")
        async with Client(transport, message_handler=on_message), asyncio.timeout(DEADLINE_S):
            await server.publish(PRESENCE, b"", retain=True)
            assert "went offline" in str(await told.get())
        assert await online_servers(address) == ()
