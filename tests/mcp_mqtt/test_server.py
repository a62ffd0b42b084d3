"""A server's sessions as its clients and the broker see them: what really crosses real mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from mcp.server.mcpserver import MCPServer

from robot_node.apps.private_broker import PrivateBroker
from tests.mcp_mqtt.peers import (
    CAPABILITY,
    DISCONNECTED,
    INITIALIZED,
    SERVER_ID,
    call,
    initialize,
    raw_peer,
    request,
    rpc_topic,
    until_set,
)
from tests.mcp_mqtt.raw_socket import publish, raw_socket
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S, eventually


async def test_a_session_from_initialize_to_disconnected(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        answer = await agent.open_session()
        assert answer["result"]["serverInfo"]["name"] == "toy"
        await agent.rpc(request(1, "tools/list"))  # without params, as some clients send it
        listed = await agent.answer(1)
        assert "add" in {tool["name"] for tool in listed["result"]["tools"]}
        await agent.rpc(call(2, "add", a=1, b=2))
        assert (await agent.answer(2))["result"]["structuredContent"] == {"result": 3}
        await agent.leave()
        await eventually(lambda: f"Sending UNSUBACK to {SERVER_ID}" in broker.log)
        unsubscribed = broker.log.partition(f"Received UNSUBSCRIBE from {SERVER_ID}")[2]
        for topic in ("$mcp-client/presence/agent", "$mcp-client/capability/agent", rpc_topic("agent")):
            assert topic in unsubscribed


async def test_one_subscribe_with_all_three_topics_precedes_the_first_answer(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        before = len(broker.log)
        await agent.open_session()
        log = broker.log[before:]
    subscribe = log.index(f"Received SUBSCRIBE from {SERVER_ID}")
    acknowledged = log.index(f"Sending SUBACK to {SERVER_ID}")
    answered = log.index(f"Received PUBLISH from {SERVER_ID}")
    assert subscribe < acknowledged < answered
    assert log.count(f"Received SUBSCRIBE from {SERVER_ID}") == 1
    for topic in ("$mcp-client/presence/agent", "$mcp-client/capability/agent", rpc_topic("agent")):
        assert subscribe < log.index(f"{SERVER_ID} {int('presence' in topic)} {topic}", subscribe) < acknowledged


async def test_answers_carry_the_servers_user_properties(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        await agent.control(initialize())
        answer = await agent.until(lambda message: message.topic == rpc_topic("agent"))
    assert answer.user_properties == (("MCP-COMPONENT-TYPE", "mcp-server"), ("MCP-MQTT-CLIENT-ID", SERVER_ID))
    assert not answer.retain


async def test_a_server_does_not_hear_itself(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        before = len(broker.log)
        await agent.open_session()
        await agent.rpc(call(1, "add", a=1, b=2))
        await agent.answer(1)
        sent_to_server = [
            line for line in broker.log[before:].splitlines() if f"Sending PUBLISH to {SERVER_ID}" in line
        ]
    assert len(sent_to_server) == 3  # initialize, initialized, tools/call


@pytest.mark.own_broker
async def test_the_same_id_may_initialise_again_after_the_broker_restarted(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy) as server:
        async with raw_peer(broker, "agent") as agent:
            await agent.open_session()
            server.online.clear()
        await broker.stop()
        await broker.start()
        await until_set(server.online)
        async with raw_peer(broker, "agent") as agent:
            answer = await agent.open_session()
            assert answer["result"]["serverInfo"]["name"] == "toy"


async def test_a_replaced_sessions_calls_end_by_themselves_and_are_answered(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        await agent.open_session()
        await agent.rpc(call("first", "wait", name="first"))
        async with asyncio.timeout(DEADLINE_S):
            assert await toy.started.get() == "first"
        await agent.open_session(version="2")
        await agent.rpc(call(1, "add", a=20, b=22))
        assert (await agent.answer(1))["result"]["structuredContent"] == {"result": 42}
        toy.release.set()
        assert (await agent.answer("first"))["result"]["structuredContent"] == {"result": "released"}
        assert await toy.ended.get() == "first done"


async def test_a_replaced_sessions_late_answer_is_not_taken_for_that_of_a_new_request(
    broker: PrivateBroker, toy: Toy
) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        await agent.open_session()
        await agent.rpc(call(1, "wait", name="first"))
        async with asyncio.timeout(DEADLINE_S):
            assert await toy.started.get() == "first"
        await agent.open_session(version="2")
        await agent.rpc(call(1, "add", a=20, b=22))
        assert (await agent.answer(1))["result"]["structuredContent"] == {"result": 42}
        toy.release.set()
        assert await toy.ended.get() == "first done"
        # Whatever the first call had to say would have come before this answer.
        await agent.rpc(call(2, "add", a=1, b=1))
        await agent.answer(2)
        assert [message.json for message in agent.seen()] == []


async def test_the_same_initialize_again_keeps_the_session(broker: PrivateBroker, toy: Toy) -> None:
    """As EMQX's bridge sends it at each presence message, with the same id."""
    counts: list[int] = []
    async with running(broker, toy, on_sessions=counts.append), raw_peer(broker, "agent") as agent:
        welcome = await agent.open_session()
        await agent.rpc(call(1, "wait", name="first"))
        async with asyncio.timeout(DEADLINE_S):
            assert await toy.started.get() == "first"
        assert await agent.open_session() == welcome
        toy.release.set()
        assert (await agent.answer(1))["result"]["structuredContent"] == {"result": "released"}
        assert counts == [1]


async def test_messages_of_one_client_are_handled_in_order(broker: PrivateBroker, toy: Toy) -> None:
    names = [str(number) for number in range(50)]
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        await agent.open_session()
        for number, name in enumerate(names):
            await agent.rpc(call(number + 1, "wait", name=name))
        async with asyncio.timeout(DEADLINE_S):
            assert [await toy.started.get() for _ in names] == names
        toy.release.set()
        for number in range(len(names)):
            await agent.answer(number + 1)


async def test_both_eras_are_served_at_once(broker: PrivateBroker, toy: Toy) -> None:
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    async with running(broker, toy), raw_peer(broker, "old") as old, raw_peer(broker, "new") as new:
        await old.open_session()
        await new.control(request(0, "server/discover", {"_meta": envelope}))
        discovered = await new.answer(0)
        assert "2026-07-28" in discovered["result"]["supportedVersions"]
        params = {"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": envelope}
        await new.rpc(request(1, "tools/call", params))
        await old.rpc(call(1, "add", a=3, b=4))
        assert (await new.answer(1))["result"]["structuredContent"] == {"result": 3}
        assert (await old.answer(1))["result"]["structuredContent"] == {"result": 7}


async def test_a_call_is_cancelled_when_its_client_says_so(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy, max_requests=1), raw_peer(broker, "agent") as agent:
        await agent.open_session()
        await agent.rpc(call(1, "wait", name="call"))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
            await agent.rpc(cancelled)
            assert await toy.ended.get() == "call cancelled"
        # It counts as unanswered no longer: with a limit of one request the next one is served.
        await agent.rpc(call(2, "add", a=1, b=2))
        assert "result" in await agent.answer(2)


async def test_a_change_of_the_tools_is_published_once_on_the_capability_topic(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        await agent.subscribe(CAPABILITY)
        await agent.open_session()
        await agent.rpc(call(1, "announce", times=3))
        await agent.answer(1)
        change = await agent.until(lambda message: message.topic == CAPABILITY)
        assert change.json == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        await agent.rpc(call(2, "add", a=1, b=2))
        await agent.answer(2)
        assert agent.seen() == []


async def test_leaving_one_robot_ends_its_session_and_its_calls(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        await agent.open_session()
        await agent.rpc(call(1, "wait", name="call"))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            await agent.rpc(DISCONNECTED)
            assert await toy.ended.get() == "call cancelled"


async def test_stopping_with_calls_in_flight_ends_them_and_every_task(broker: PrivateBroker, toy: Toy) -> None:
    before = asyncio.all_tasks()
    async with raw_peer(broker, "agent") as agent:
        async with running(broker, toy):
            await agent.open_session()
            await agent.rpc(call(1, "wait", name="call"))
            async with asyncio.timeout(DEADLINE_S):
                await toy.started.get()
        assert toy.ended.get_nowait() == "call cancelled"
        assert (await agent.answer(1))["error"]["message"] == "Connection closed"
    await eventually(lambda: asyncio.all_tasks() == before)


async def test_initialized_on_the_control_topic_changes_nothing(broker: PrivateBroker, toy: Toy) -> None:
    async with running(broker, toy), raw_peer(broker, "agent") as agent:
        await agent.open_session()
        await agent.control(INITIALIZED)
        await agent.rpc(call(1, "add", a=1, b=2))
        assert "result" in await agent.answer(1)


async def test_requests_that_find_the_inbox_full_are_errors_and_the_next_ones_are_served(
    broker: PrivateBroker, toy: Toy
) -> None:
    @toy.server.tool()
    async def block() -> None:
        """Keep the server from reading until the broker has sent it everything."""
        deadline = time.monotonic() + DEADLINE_S
        while broker.log.count(f"Sending PUBLISH to {SERVER_ID}") < 23 and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251  # that is its purpose

    async with (
        running(broker, toy, inbox_messages=5),
        raw_peer(broker, "agent") as agent,
        raw_socket(broker.port, "fast") as fast,
    ):
        await agent.open_session()
        burst = [call(0, "block"), *(call(number, "add", a=number, b=0) for number in range(1, 21))]
        await fast.send_all(publish(rpc_topic("agent"), message, sender="agent") for message in burst)
        answers = [await agent.answer(number) for number in range(1, 21)]
        refused = [answer["error"]["code"] for answer in answers if "error" in answer]
        assert refused
        assert set(refused) == {-32015}
        assert len(refused) < 20
        await agent.rpc(call(21, "add", a=1, b=2))
        assert "result" in await agent.answer(21)


async def test_an_answer_that_is_too_large_for_the_broker_is_an_error_and_ends_nothing() -> None:
    async with PrivateBroker(extra="max_packet_size 20000") as broker:
        toy = toy_server()

        @toy.server.tool()
        def text(size: int) -> str:
            """A long text."""
            return "x" * size

        async with running(broker, toy) as server, raw_peer(broker, "agent") as agent:
            await agent.open_session()
            for number, size in enumerate((9_000, 30_000, 10_000_000), 1):
                await agent.rpc(call(number, "text", size=size))
            assert "result" in await agent.answer(1)  # the text is in it twice
            for number in (2, 3):
                result = (await agent.answer(number))["result"]
                assert result["isError"] is True
                assert "; its broker takes at most 19" in result["content"][0]["text"]
                assert "Raise the broker's limit (mosquitto: max_packet_size;" in result["content"][0]["text"]
            await agent.rpc(call(4, "add", a=1, b=2))
            assert "result" in await agent.answer(4)
            assert [status.connected for status in server.statuses] == [True]


async def test_the_number_of_sessions_is_told_as_it_changes(broker: PrivateBroker, toy: Toy) -> None:
    told: list[int] = []
    async with (
        running(broker, toy, on_sessions=told.append) as server,
        raw_peer(broker, "agent-1") as one,
        raw_peer(broker, "agent-2") as other,
    ):
        await one.open_session()
        await other.open_session()
        await one.leave()
        await eventually(lambda: told == [1, 2, 1])
        await server.stop()
    assert told == [1, 2, 1, 0]


async def test_a_session_that_crashes_ends_alone(broker: PrivateBroker, caplog: pytest.LogCaptureFixture) -> None:
    crashing = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncIterator[None]:
        if crashing.is_set():
            raise ZeroDivisionError("a mistake")
        yield

    server = MCPServer("clumsy", lifespan=lifespan)
    async with running(broker, Toy(server)), raw_peer(broker, "steady") as steady, raw_peer(broker, "unlucky") as it:
        await steady.open_session()
        crashing.set()
        await it.control(initialize())
        gone = await it.until(lambda message: message.topic == rpc_topic(it.client_id))
        assert gone.json["method"] == DISCONNECTED["method"]
        await steady.rpc(request("after", "ping"))
        await steady.answer("after")
        crashing.clear()
        await it.open_session()
    assert "The session of client unlucky failed" in caplog.text
