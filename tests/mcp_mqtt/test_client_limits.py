"""A client with a server that is odd, silent, hostile or too busy; and with nobody who reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp.server import MCPServer
from mcp.shared.exceptions import MCPError

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.access import ADMIN, AccessPolicy, Role
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.guard import Guard
from robot_node.mcp_mqtt.jsonrpc import ErrorCode
from robot_node.mcp_mqtt.link import ServerLink, Streams
from robot_node.mcp_mqtt.time_limits import TimeLimits
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Broker, ConnectOptions, Incoming, connect
from tests.mcp_mqtt.peers import CONTROL, PRESENCE, SERVER_ID, SERVER_NAME, RawPeer, raw_peer, rpc_topic
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S, eventually

RPC = rpc_topic("agent")
ONLINE = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": {"server_name": SERVER_NAME}}
LIMIT_BYTES = 10_000


def kitchen(address: Broker, **limits: float) -> contextlib.AbstractAsyncContextManager[Streams]:
    return mqtt_transport(
        address,
        SERVER_ID,
        SERVER_NAME,
        client_id="agent",
        max_message_bytes=LIMIT_BYTES,
        time_limits=TimeLimits(by_method=limits),
    )


@contextlib.asynccontextmanager
async def odd_server(broker: PrivateBroker, answer: Callable[[dict[str, Any]], list[bytes]]) -> AsyncIterator[RawPeer]:
    """A server that says what it likes, once per request."""
    async with raw_peer(broker, SERVER_ID) as server:
        await server.subscribe(CONTROL, RPC)
        await server.publish(PRESENCE, ONLINE, retain=True)

        async def serve() -> None:
            while True:
                asked = await server.until(lambda message: {"id", "method"} <= message.json.keys())
                for payload in answer(asked.json):
                    await server.publish(RPC, payload, sender=SERVER_ID)

        serving = asyncio.create_task(serve())
        try:
            yield server
        finally:
            # Not once: asyncio.wait_for of Python 3.11, in which aiomqtt waits, loses a cancellation that comes at the
            # same time as what it waits for.
            while not serving.done():
                serving.cancel()
                await asyncio.wait([serving], timeout=1)


def welcome(request: dict[str, Any]) -> bytes:
    result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "odd", "version": "0"}}
    return reply(request, result)


def reply(request: dict[str, Any], result: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()


async def test_the_first_requests_of_a_pinned_client_may_come_at_once(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    async with (
        raw_peer(broker, "observer") as observer,
        running(broker, toy),
        Client(kitchen(address), mode="2026-07-28") as client,
        asyncio.timeout(DEADLINE_S),
    ):
        await observer.subscribe(CONTROL)
        calls = (client.call_tool("add", {"a": number, "b": 1}) for number in range(20))
        answers = await asyncio.gather(*calls)
        assert [answer.structured_content for answer in answers] == [{"result": number + 1} for number in range(20)]
        openings = [message.json["method"] for message in observer.seen()]
    assert openings == ["server/discover"]


async def test_a_pinned_client_may_begin_with_a_call_where_roles_are_in_force(
    broker: PrivateBroker, address: Broker
) -> None:
    viewer = Role(name="viewer", allowed_tools=frozenset())
    policy = AccessPolicy((ADMIN, viewer), [("agent", ADMIN.name)], viewer.name)
    server = MCPServer("guarded", middleware=[Guard(policy)])

    @server.tool()
    def act() -> str:
        """Act."""
        return "done"

    async with running(broker, Toy(server)), Client(kitchen(address), mode="2026-07-28") as client:
        assert (await client.call_tool("act", {})).structured_content == {"result": "done"}


async def test_a_pinned_client_that_is_refused_is_told_why(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with running(broker, toy, max_sessions=1), raw_peer(broker, "first") as first:
        await first.open_session()
        async with Client(kitchen(address), mode="2026-07-28") as client, asyncio.timeout(DEADLINE_S):
            for _ in range(2):
                with pytest.raises(MCPError, match="already has 1 sessions, its limit"):
                    await client.call_tool("add", {"a": 1, "b": 1})
            await first.leave()
            while True:
                with contextlib.suppress(MCPError):
                    answer = await client.call_tool("add", {"a": 1, "b": 1})
                    break
            assert answer.structured_content == {"result": 2}


async def test_a_pinned_client_whose_server_is_silent_reaches_its_time_limits(
    broker: PrivateBroker, address: Broker
) -> None:
    async with (
        odd_server(broker, lambda _: []),
        Client(kitchen(address, **{"tools/call": 0.1}), mode="2026-07-28") as client,
    ):
        calls = (client.call_tool("add", {}) for _ in range(3))
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert "did not answer tools/call within 0.1 s" in str(error)


async def test_a_pinned_client_that_only_listens_does_not_wait_for_ever(broker: PrivateBroker, address: Broker) -> None:
    async with (
        odd_server(broker, lambda _: []),
        Client(kitchen(address, **{"server/discover": 0.1}), mode="2026-07-28") as client,
    ):
        with pytest.raises(MCPError, match=r"did not answer subscriptions/listen within 0\.1 s"):
            async with asyncio.timeout(DEADLINE_S), client.listen(tools_list_changed=True):
                pass


async def test_an_answer_that_is_too_large_is_an_error_at_once(broker: PrivateBroker, address: Broker) -> None:
    def answer(request: dict[str, Any]) -> list[bytes]:
        if request["method"] == "initialize":
            return [welcome(request)]
        if request["method"] == "resources/list":
            return [reply(request, {"resources": [], "x": "x" * LIMIT_BYTES})]
        return [reply(request, {"tools": []})]

    async with (
        odd_server(broker, answer),
        Client(kitchen(address), mode="legacy") as client,
        asyncio.timeout(DEADLINE_S),
    ):
        with pytest.raises(MCPError, match="the limit is 10000") as raised:
            await client.list_resources()
        assert raised.value.error.code == ErrorCode.MESSAGE_TOO_LARGE
        assert (await client.list_tools()).tools == []


async def test_an_answer_that_is_no_object_is_an_error_at_once(broker: PrivateBroker, address: Broker) -> None:
    def answer(request: dict[str, Any]) -> list[bytes]:
        if request["method"] == "initialize":
            return [welcome(request)]
        result: Any = [] if request["method"] == "resources/list" else {"tools": []}
        return [reply(request, result)]

    async with (
        odd_server(broker, answer),
        Client(kitchen(address), mode="legacy") as client,
        asyncio.timeout(DEADLINE_S),
    ):
        with pytest.raises(MCPError, match=r"Server robot-1 .* sent: .* no valid JSON-RPC response"):
            await client.list_resources()
        assert (await client.list_tools()).tools == []


async def test_a_server_that_sends_too_much_unasked_loses_its_session(broker: PrivateBroker, address: Broker) -> None:
    def answer(request: dict[str, Any]) -> list[bytes]:
        notification = {"jsonrpc": "2.0", "method": "notifications/x", "params": {"x": "x" * 1_000_000}}
        flood = [] if request["method"] == "initialize" else [json.dumps(notification).encode()] * 20
        return [*flood, welcome(request)]

    async with (
        odd_server(broker, answer),
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent"), mode="legacy") as client,
        asyncio.timeout(DEADLINE_S),
    ):
        with pytest.raises(MCPError, match="sends too much that was not requested"):
            await client.list_tools()


ODD = [
    b'{"jsonrpc":"2.0","id":12345,"result":{}}',
    b'{"jsonrpc":"2.0","id":"robot-node/open","result":{}}',
    b'{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"?"}}',
    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}',
    b'{"jsonrpc":"2.0","id":true,"result":{}}',
    b'{"jsonrpc":"2.0","id":1e400,"result":{}}',
    b'{"jsonrpc":"2.0","id":54321,"result":[]}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":true,"progress":"x"}}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":[1]}}',
    b'{"jsonrpc":"2.0","method":"notifications/progress"}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{}}}',
    b'{"jsonrpc":"2.0","method":"notifications/nonsense","params":{"a":[[[[]]]]}}',
    b'{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":7}}',
    b'{"jsonrpc":"2.0","id":1,"method":"no/such/method"}',
    b'{"jsonrpc":"2.0","id":2,"method":"sampling/createMessage","params":{"messages":5}}',
    b'{"jsonrpc":"2.0","id":3,"method":"elicitation/create"}',
    b"[" * 5000,
    b'{"a":' * 2000,
    b"x" * (LIMIT_BYTES + 1),
]


async def test_nothing_that_a_server_says_disturbs_its_client(broker: PrivateBroker, address: Broker) -> None:
    def answer(request: dict[str, Any]) -> list[bytes]:
        if request["method"] == "initialize":
            return [*ODD, welcome(request)]
        return [*ODD, reply(request, {"tools": []})]

    async with (
        odd_server(broker, answer),
        Client(kitchen(address), mode="legacy") as client,
        asyncio.timeout(DEADLINE_S),
    ):
        for _ in range(5):
            assert (await client.list_tools()).tools == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_messages = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | _json,
        "id": st.integers(0, 3) | _json,
        "method": st.sampled_from(["notifications/progress", "notifications/cancelled", "ping"]) | _json,
        "params": st.fixed_dictionaries({}, optional={"progressToken": _json, "requestId": _json}) | _json,
        "result": _json,
        "error": st.fixed_dictionaries({"code": _json, "message": _json}) | _json,
    },
)


async def test_no_message_is_too_odd_to_look_at(address: Broker) -> None:
    async with connect(address, ConnectOptions("agent"), lambda _: None) as connection:

        @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(st.binary() | _messages.map(lambda value: json.dumps(value).encode()), max_size=5))
        def look(payloads: list[bytes]) -> None:
            link = ServerLink(
                ServerTopics(SERVER_ID, SERVER_NAME),
                connection,
                disconnect_topic="$mcp-client/presence/agent",
                qos=0,
                limits=TimeLimits(),
                max_message_bytes=LIMIT_BYTES,
            )
            for payload in payloads:
                link.on_message(Incoming(RPC, payload))

        look()


async def test_a_client_that_nobody_reads_keeps_a_bounded_number_of_messages(
    broker: PrivateBroker, address: Broker
) -> None:
    nonsense = b'{"jsonrpc":"2.0","method":"notifications/nonsense"}'
    async with odd_server(broker, lambda _: []) as server, kitchen(address) as (read, _), asyncio.timeout(DEADLINE_S):
        for _ in range(1100):
            await server.publish(RPC, nonsense, sender=SERVER_ID)
        received = [item async for item in read]
    assert len(received) <= 1024
    with pytest.raises(anyio.ClosedResourceError):
        await read.receive()


async def test_a_server_that_is_not_there_is_no_client_left_behind(broker: PrivateBroker, address: Broker) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(RemoteError, match="is not online"):
        async with mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent", online_timeout_s=0.05):
            pass
    await eventually(lambda: "Received DISCONNECT from agent" in broker.log)
    await eventually(lambda: asyncio.all_tasks() <= before)
