"""The official SDK's client over our transport, against our server, through real mosquitto."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ImageContent, TextContent

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import BrokerError, RemoteError, SettingsError
from robot_node.mcp_mqtt.client import TimeLimits, mqtt_transport
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import (
    CAPABILITY,
    CONTROL,
    DISCONNECTED,
    PRESENCE,
    SERVER_ID,
    SERVER_NAME,
    raw_peer,
    rpc_topic,
)
from tests.mcp_mqtt.proxy import Proxy, in_packet
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S, eventually

MODES = ["auto", "legacy", "2026-07-28"]
ONLINE = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": {"server_name": SERVER_NAME}}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """How the SDK's client opens its session."""
    return str(request.param)


@pytest.fixture
async def online(broker: PrivateBroker, toy: Toy) -> AsyncIterator[None]:
    """The toy server is online as robot-1."""
    async with running(broker, toy):
        yield


def text_of(result: object) -> str:
    content = getattr(result, "content")[0]  # noqa: B009  # the SDK's result is a union
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.usefixtures("online")
async def test_tools_are_listed_and_called(address: Broker, mode: str) -> None:
    async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("add", {"a": 40, "b": 2})
    assert {"add", "picture"} <= names
    assert result.structured_content == {"result": 42}
    assert not result.is_error


@pytest.mark.usefixtures("online")
async def test_progress_arrives_in_order(address: Broker, mode: str) -> None:
    steps: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total, message))

    async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode=mode) as client:
        await client.call_tool("count", {"to": 3}, progress_callback=on_progress)
        await eventually(lambda: len(steps) == 3)
    assert steps == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]


@pytest.mark.usefixtures("online")
async def test_errors_of_tools_reach_the_caller(address: Broker, mode: str) -> None:
    async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode=mode) as client:
        failed = await client.call_tool("fail", {})
        invalid = await client.call_tool("add", {"a": "x"})
    assert failed.is_error
    assert "the toy is broken" in text_of(failed)
    assert invalid.is_error


@pytest.mark.usefixtures("online")
async def test_a_picture_is_image_content(address: Broker, mode: str) -> None:
    async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode=mode) as client:
        (content,) = (await client.call_tool("picture", {})).content
    assert isinstance(content, ImageContent)
    assert content.mime_type == "image/png"


@pytest.mark.usefixtures("online")
async def test_a_call_that_its_caller_gives_up_is_cancelled_at_the_server(address: Broker, toy: Toy, mode: str) -> None:
    async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode=mode) as client:
        calling = asyncio.create_task(client.call_tool("wait", {"name": "mine"}))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            calling.cancel()
            assert await toy.ended.get() == "mine cancelled"
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}


@pytest.mark.usefixtures("online")
async def test_two_clients_at_once_get_their_own_answers(address: Broker, toy: Toy) -> None:
    async with (
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="one"), mode="auto") as one,
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="two"), mode="legacy") as two,
    ):
        waiting = asyncio.create_task(one.call_tool("wait", {"name": "x"}))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
        answers = await asyncio.gather(*(client.call_tool("who", {}) for client in (one, two) * 20))
        assert [text_of(answer) for answer in answers] == ["one", "two"] * 20
        toy.release.set()
        assert text_of(await waiting) == "released"


@pytest.mark.usefixtures("online")
async def test_the_opening_message_travels_on_control_and_the_rest_on_rpc(
    broker: PrivateBroker, address: Broker, mode: str
) -> None:
    before = len(broker.log)
    async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent"), mode=mode) as client:
        await client.call_tool("add", {"a": 1, "b": 1})
        await client.call_tool("add", {"a": 1, "b": 1})
    sent = [line for line in broker.log[before:].splitlines() if "Received PUBLISH from agent" in line]
    topics = [line.split("'")[1] for line in sent]
    assert topics[0] == CONTROL
    assert set(topics[1:-1]) == {rpc_topic("agent")}
    assert topics[-1] == "$mcp-client/presence/agent"


@pytest.mark.usefixtures("online")
async def test_topics_are_subscribed_before_the_first_message_and_rpc_with_no_local(
    broker: PrivateBroker, address: Broker
) -> None:
    before = len(broker.log)
    async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent"), mode="legacy") as client:
        await client.call_tool("add", {"a": 1, "b": 1})
    log = broker.log[before:]
    for topic in (CAPABILITY, rpc_topic("agent"), PRESENCE):
        assert 0 < log.index(f"\t{topic} (") < log.index("Received PUBLISH from agent")
    # Had we heard ourselves, the broker would have sent us what we published on the RPC topic, too.
    on_rpc = [line for line in log.splitlines() if f"'{rpc_topic('agent')}'" in line]
    to_us = [line for line in on_rpc if "Sending PUBLISH to agent" in line]
    from_server = [line for line in on_rpc if f"Received PUBLISH from {SERVER_ID}" in line]
    assert len(to_us) == len(from_server) > 0


async def test_connect_says_what_connects_and_leaves_a_will(broker: PrivateBroker, toy: Toy) -> None:
    async with Proxy(broker) as proxy, running(broker, toy), raw_peer(broker, "observer") as observer:
        await observer.subscribe("$mcp-client/presence/+")
        transport = mqtt_transport(proxy.address, SERVER_ID, SERVER_NAME, client_id="agent")
        async with Client(transport, mode="legacy"):
            proxy.cut()
            will = await observer.until(lambda message: message.topic == "$mcp-client/presence/agent")
        (connect,) = proxy.connects
    assert in_packet("MCP-COMPONENT-TYPE", "mcp-client") in connect
    assert b"MCP-META" in connect
    assert will.json == DISCONNECTED
    assert not will.retain
    assert will.qos == 1
    assert will.user_properties == (("MCP-COMPONENT-TYPE", "mcp-client"), ("MCP-MQTT-CLIENT-ID", "agent"))


@pytest.mark.usefixtures("online")
async def test_leaving_says_disconnected_and_the_server_forgets(broker: PrivateBroker, address: Broker) -> None:
    async with raw_peer(broker, "observer") as observer:
        await observer.subscribe("$mcp-client/presence/+")
        async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent"), mode="auto"):
            pass
        goodbye = await observer.until(lambda message: message.topic == "$mcp-client/presence/agent")
    assert goodbye.json == DISCONNECTED
    await eventually(lambda: "MCP session of agent" not in {task.get_name() for task in asyncio.all_tasks()})
    await eventually(lambda: "Received DISCONNECT from agent" in broker.log)


async def test_a_server_that_is_not_online_is_an_error_that_says_so(address: Broker) -> None:
    with pytest.raises(RemoteError, match=r"Server robot-1 \(robot-node/kitchen\) is not online"):
        async with mqtt_transport(address, SERVER_ID, SERVER_NAME, online_timeout_s=0.1):
            pass


async def test_no_broker_is_an_error_that_says_so() -> None:
    with pytest.raises(BrokerError, match="Cannot reach the MQTT broker"):
        async with mqtt_transport(Broker("mqtt://127.0.0.1:1"), SERVER_ID, SERVER_NAME):
            pass


async def test_wrong_identifiers_are_refused_before_connecting() -> None:
    for arguments in (("a/b", SERVER_NAME), (SERVER_ID, "kitchen/+"), (SERVER_ID, "")):
        with pytest.raises(SettingsError):
            async with mqtt_transport(Broker("mqtt://127.0.0.1:1"), *arguments):
                pass
    with pytest.raises(SettingsError):
        async with mqtt_transport(Broker("mqtt://127.0.0.1:1"), SERVER_ID, SERVER_NAME, client_id="#"):
            pass


async def test_a_server_that_goes_offline_fails_the_pending_calls_at_once(
    broker: PrivateBroker, address: Broker, toy: Toy, mode: str
) -> None:
    async with (
        Proxy(broker) as proxy,
        running(proxy.address, toy),
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode=mode) as client,
    ):
        calling = asyncio.create_task(client.call_tool("wait", {}))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            proxy.cut()  # it dies: the broker publishes its will
            with pytest.raises(MCPError, match=r"Server robot-1 \(robot-node/kitchen\) went offline"):
                await calling
            with pytest.raises(MCPError, match="Connection closed"):
                await client.call_tool("add", {"a": 1, "b": 1})


@pytest.mark.usefixtures("online")
async def test_a_lost_connection_fails_the_pending_calls_at_once(broker: PrivateBroker, toy: Toy, mode: str) -> None:
    async with (
        Proxy(broker) as proxy,
        Client(mqtt_transport(proxy.address, SERVER_ID, SERVER_NAME), mode=mode) as client,
    ):
        calling = asyncio.create_task(client.call_tool("wait", {}))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            proxy.cut()
            with pytest.raises(MCPError, match="The connection to the broker was lost"):
                await calling


@pytest.mark.own_broker
async def test_a_killed_broker_fails_the_pending_calls_at_once(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    async with running(broker, toy), Client(mqtt_transport(address, SERVER_ID, SERVER_NAME)) as client:
        calling = asyncio.create_task(client.call_tool("wait", {}))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            broker.signal(signal.SIGKILL)
            with pytest.raises(MCPError, match="The connection to the broker was lost"):
                await calling


async def test_a_server_may_end_the_session(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with (
        running(broker, toy),
        raw_peer(broker, "admin") as admin,
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent")) as client,
    ):
        calling = asyncio.create_task(client.call_tool("wait", {}))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            await admin.publish(rpc_topic("agent"), DISCONNECTED, sender=SERVER_ID)
            with pytest.raises(MCPError, match="ended the session"):
                await calling


async def test_a_server_that_does_not_answer_is_a_timeout_that_says_so(broker: PrivateBroker, address: Broker) -> None:
    limits = TimeLimits(default_s=0.1, by_method={})
    async with raw_peer(broker, SERVER_ID) as silent:
        await silent.publish(PRESENCE, ONLINE, retain=True)
        with pytest.raises(BaseExceptionGroup) as raised:
            async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, time_limits=limits), mode="legacy"):
                pass
    assert raised.group_contains(MCPError, match=r"did not answer initialize within 0\.1 s")


@pytest.mark.usefixtures("online")
async def test_progress_starts_the_time_limit_anew_and_the_call_is_cancelled_at_its_end(
    address: Broker, toy: Toy
) -> None:
    limits = TimeLimits(by_method={"tools/call": 0.2})
    async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, time_limits=limits)) as client:
        with pytest.raises(MCPError, match=r"did not answer tools/call within 0\.2 s"):
            await client.call_tool("wait", {"name": "slow"})
        async with asyncio.timeout(DEADLINE_S):
            assert await toy.ended.get() == "slow cancelled"


async def test_a_server_that_knows_only_initialize_gets_it_on_the_control_topic(
    broker: PrivateBroker, address: Broker
) -> None:
    async with raw_peer(broker, SERVER_ID) as old:
        await old.subscribe(CONTROL)
        says_otherwise = {"server_name": SERVER_NAME, "meta": {"protocol_versions": ["2026-07-28"]}}
        await old.publish(PRESENCE, ONLINE | {"params": says_otherwise}, retain=True)

        async def serve_as_of_old() -> None:
            discover = await old.until(lambda message: message.topic == CONTROL)
            assert discover.json["method"] == "server/discover"
            error = {"code": -32601, "message": "Method not found"}
            reply = {"jsonrpc": "2.0", "id": discover.json["id"], "error": error}
            await old.publish(rpc_topic("agent"), reply, sender=None)
            opening = await old.until(lambda message: message.topic == CONTROL)
            assert opening.json["method"] == "initialize"
            result = {
                "protocolVersion": "2025-03-26",
                "capabilities": {},
                "serverInfo": {"name": "old", "version": "0"},
            }
            reply = {"jsonrpc": "2.0", "id": opening.json["id"], "result": result}
            await old.publish(rpc_topic("agent"), reply, sender=None)

        serving = asyncio.create_task(serve_as_of_old())
        async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent"), mode="auto") as client:
            await serving
            assert client.server_info is not None
            assert client.server_info.name == "old"


@pytest.mark.usefixtures("online")
async def test_nobody_else_can_answer_for_the_server(
    broker: PrivateBroker, address: Broker, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        raw_peer(broker, "attacker") as attacker,
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent")) as client,
    ):
        await attacker.subscribe(rpc_topic("agent"))
        calling = asyncio.create_task(client.call_tool("wait", {}))
        asked = await attacker.until(lambda message: b"tools/call" in message.payload)
        forged = {"jsonrpc": "2.0", "id": asked.json["id"], "result": {"content": []}}
        await attacker.publish(rpc_topic("agent"), forged)
        await attacker.publish(rpc_topic("agent"), DISCONNECTED)
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
        toy.release.set()
        assert text_of(await calling) == "released"
    assert any("Ignored a message of 'attacker'" in record.getMessage() for record in caplog.records)


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("payload", [b"123", b"null", b"\xff", b"{", b"", b'[{"jsonrpc":"2.0"}]'])
async def test_malformed_messages_do_not_disturb_a_client(
    broker: PrivateBroker, address: Broker, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        raw_peer(broker, "attacker") as attacker,
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent")) as client,
    ):
        await attacker.publish(rpc_topic("agent"), payload, sender=SERVER_ID)
        await attacker.publish(CAPABILITY, payload, sender=SERVER_ID)
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    # The server saw the RPC topic's message too, as one of the client's: it has a sender that isn't the client.
    assert 2 <= len(warnings) <= 3


@pytest.mark.usefixtures("online")
async def test_a_change_of_the_tools_reaches_every_client(address: Broker) -> None:
    seen: list[str] = []

    async def on_message(message: object) -> None:
        seen.append(type(message).__name__)

    async with (
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode="legacy", message_handler=on_message),
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode="legacy") as other,
    ):
        await other.call_tool("announce", {"times": 1})
        await eventually(lambda: "ToolListChangedNotification" in seen)


@pytest.mark.usefixtures("online")
async def test_clients_leave_nothing_running(address: Broker) -> None:
    before = asyncio.all_tasks()
    for mode in MODES:
        async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode=mode) as client:
            await client.list_tools()
    await eventually(lambda: asyncio.all_tasks() == before)


async def test_calls_work_at_qos_1_and_over_websockets(broker: PrivateBroker, toy: Toy) -> None:
    assert broker.websocket_port is not None
    address = Broker(f"ws://127.0.0.1:{broker.websocket_port}")
    async with running(address, toy, qos=1), Client(mqtt_transport(address, SERVER_ID, SERVER_NAME, qos=1)) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
