"""Sessions with several servers over the one connection of a directory; picking one of several; the broker's word."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import BrokerError, NotReadyError, RemoteError
from robot_node.mcp_mqtt.access import ADMIN, AccessPolicy, Role
from robot_node.mcp_mqtt.broker_hints import may_see, name_filters, roles
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.online import OnlineServer, pick
from robot_node.mcp_mqtt.presence import Directory, directory, online_servers
from robot_node.mcp_mqtt.roles import METHODS
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import CAPABILITY, DISCONNECTED, SERVER_ID, SERVER_NAME, raw_peer, rpc_topic, until_set
from tests.mcp_mqtt.proxy import Proxy
from tests.mcp_mqtt.toys import Toy, fast_backoff, running, toy_server
from tests.waiting import DEADLINE_S, eventually

MODES = ["auto", "legacy", "2026-07-28"]
ENTRIES = st.fixed_dictionaries(
    {"name": st.text()},
    optional={key: st.just("all") | st.lists(st.text() | st.none()) for key in ("allowed_methods", "allowed_tools")},
)


async def robot(followed: Directory, server_id: str = SERVER_ID) -> OnlineServer:
    return await followed.wait_for(server_id, timeout_s=DEADLINE_S)


def connections(broker: PrivateBroker) -> list[str]:
    return [line for line in broker.log.splitlines() if "New client connected" in line and " as agent " in line]


async def who(client: Client) -> str:
    (content,) = (await client.call_tool("who", {})).content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("mode", MODES)
async def test_several_servers_are_called_over_one_connection(
    broker: PrivateBroker, address: Broker, toy: Toy, mode: str
) -> None:
    other = toy_server()
    async with (
        running(broker, toy),
        running(broker, other, server_id="robot-2", server_name="robot-node/cellar"),
        directory(address, client_id="agent") as followed,
        Client(followed.transport(await robot(followed)), mode=mode) as one,
        Client(followed.transport(await robot(followed, "robot-2")), mode=mode) as two,
        asyncio.timeout(DEADLINE_S),
    ):
        waiting = [asyncio.create_task(client.call_tool("wait", {"name": mode})) for client in (one, two)]
        await toy.started.get()
        await other.started.get()
        answers = await asyncio.gather(*(who(client) for client in (one, two) * 10))
        assert answers == ["agent"] * 20
        other.release.set()
        assert not (await waiting[1]).is_error
        assert not waiting[0].done()
        toy.release.set()
        await waiting[0]
    assert len(connections(broker)) == 1


async def test_leaving_one_server_tells_it_and_leaves_the_others_alone(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    async with (
        raw_peer(broker, "observer") as observer,
        running(broker, toy),
        running(broker, toy_server(), server_id="robot-2", server_name="robot-node/cellar"),
        directory(address, client_id="agent") as followed,
        Client(followed.transport(await robot(followed, "robot-2"))) as other,
    ):
        await observer.subscribe(rpc_topic("agent"), "$mcp-client/presence/agent")
        async with Client(followed.transport(await robot(followed))) as client:
            await who(client)
        goodbye = await observer.until(lambda message: b"notifications/disconnected" in message.payload)
        assert (goodbye.topic, goodbye.json) == (rpc_topic("agent"), DISCONNECTED)
        assert await who(other) == "agent"
        await eventually(lambda: all(f"agent {topic}\n" in broker.log for topic in (CAPABILITY, rpc_topic("agent"))))
        # And again, at once: the same client id, another session.
        async with Client(followed.transport(await robot(followed)), mode="legacy") as client:
            assert await who(client) == "agent"


async def test_a_client_that_is_cancelled_leaves_its_server_all_the_same(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    async with (
        raw_peer(broker, "observer") as observer,
        running(broker, toy),
        directory(address, client_id="agent") as followed,
    ):
        known = await robot(followed)
        await observer.subscribe(rpc_topic("agent"))
        with anyio.move_on_after(0.2) as scope:
            async with Client(followed.transport(known)) as client:
                await client.call_tool("wait", {})
        assert scope.cancelled_caught
        await observer.until(lambda message: b"notifications/disconnected" in message.payload)
        await eventually(lambda: f"agent {rpc_topic('agent')}\n" in broker.log)  # given up
        async with Client(followed.transport(known)) as client:
            assert await who(client) == "agent"


async def test_one_server_that_dies_ends_its_session_only(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with (
        Proxy(broker) as proxy,
        running(proxy.address, toy),
        running(broker, toy_server(), server_id="robot-2", server_name="robot-node/cellar"),
        directory(address, client_id="agent") as followed,
        Client(followed.transport(await robot(followed, "robot-2"))) as other,
        asyncio.timeout(DEADLINE_S),
    ):
        mortal = await robot(followed)
        async with Client(followed.transport(mortal)) as client:
            calling = asyncio.create_task(client.call_tool("wait", {}))
            await toy.started.get()
            proxy.cut()
            with pytest.raises(MCPError, match=r"Server robot-1 \(robot-node/kitchen\) went offline"):
                await calling
            assert await who(other) == "agent"
        async with Client(followed.transport(await robot(followed))) as client:
            assert await who(client) == "agent"


async def test_after_a_lost_connection_the_directory_comes_back_and_its_sessions_do_not(
    broker: PrivateBroker, toy: Toy
) -> None:
    async with (
        Proxy(broker) as proxy,
        running(broker, toy),
        directory(proxy.address, client_id="agent", backoff=fast_backoff()) as followed,
        asyncio.timeout(DEADLINE_S),
    ):
        async with Client(followed.transport(await robot(followed))) as client:
            calling = asyncio.create_task(client.call_tool("wait", {}))
            await toy.started.get()
            proxy.cut()
            with pytest.raises(MCPError, match="The connection to the broker was lost"):
                await calling
        async with Client(followed.transport(await robot(followed))) as client:
            assert await who(client) == "agent"


async def test_a_second_session_with_a_server_is_an_error_that_says_so(address: Broker, toy: Toy) -> None:
    async with running(address, toy), directory(address) as followed:
        known = await robot(followed)
        async with Client(followed.transport(known)) as client:
            with pytest.raises(NotReadyError, match=r"A session with server robot-1 .* is open already"):
                async with followed.transport(known):
                    pass
            assert await who(client)


async def test_a_server_that_is_not_online_is_an_error_that_says_so(address: Broker, toy: Toy) -> None:
    async with directory(address) as followed:
        async with running(address, toy):
            known = await robot(followed)
        await eventually(lambda: followed.servers == ())
        with pytest.raises(RemoteError, match=r"Server robot-1 \(robot-node/kitchen\) is not online"):
            async with followed.transport(known):
                pass
    with pytest.raises(RemoteError, match="is not online"):
        async with followed.transport(known):
            pass


async def test_leaving_the_directory_ends_its_sessions(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    told: asyncio.Queue[object] = asyncio.Queue()

    async def on_message(message: object) -> None:
        told.put_nowait(message)

    async with raw_peer(broker, "observer") as observer, running(address, toy), asyncio.timeout(DEADLINE_S):
        await observer.subscribe("$mcp-client/presence/agent")
        context = directory(address, client_id="agent")
        followed = await context.__aenter__()
        async with Client(followed.transport(await robot(followed)), message_handler=on_message):
            await context.__aexit__(None, None, None)
            assert str(await told.get()) == "The directory has been left."
        goodbye = await observer.until(lambda message: message.topic == "$mcp-client/presence/agent")
    assert goodbye.json == DISCONNECTED


async def test_nothing_is_left_behind(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with running(broker, toy):
        before = asyncio.all_tasks()
        async with directory(address, client_id="agent") as followed:
            for mode in MODES:
                async with Client(followed.transport(await robot(followed)), mode=mode) as client:
                    await client.list_tools()
        await eventually(lambda: asyncio.all_tasks() == before)


def instance(server_id: str, server_name: str = "fleet/cleaner") -> OnlineServer:
    return OnlineServer(server_id, server_name, meta={"battery": int(server_id[-1])})


FLEET = (instance("r1"), instance("r2"), instance("r3"), instance("r9", "fleet/mower"))


def test_one_of_several_instances_is_picked_at_random() -> None:
    picked = {pick(FLEET, "fleet/cleaner", random.Random(seed).choice).server_id for seed in range(30)}
    assert picked == {"r1", "r2", "r3"}


def test_or_by_a_choice_of_ones_own() -> None:
    fullest = pick(FLEET, "fleet/cleaner", lambda several: max(several, key=lambda server: server.meta["battery"]))
    assert fullest.server_id == "r3"
    assert pick(FLEET, "fleet/#", lambda several: several[-1]).server_id == "r9"


def test_none_of_that_name_is_an_error_that_says_who_is_there() -> None:
    with pytest.raises(RemoteError, match=r"No server a/b is online\. Online now: fleet/cleaner, fleet/mower\."):
        pick(FLEET, "a/b", random.choice)
    with pytest.raises(RemoteError, match="Online now: nobody"):
        pick((), "a/b", random.choice)


async def test_the_broker_says_which_role_we_have_where(broker: PrivateBroker, toy: Toy) -> None:
    async with Proxy(broker) as proxy, running(broker, toy), running(broker, toy, server_id="r2", server_name="b/c"):
        proxy.connack_properties = (("MCP-RBAC", f'[{{"server_name":"{SERVER_NAME}","role_name":"viewer"}}]'),)
        listed = await online_servers(proxy.address)
        assert [(server.server_id, server.role) for server in listed] == [("r2", None), (SERVER_ID, "viewer")]
        async with directory(proxy.address) as followed:
            assert (await robot(followed)).role == "viewer"


async def test_a_server_says_which_roles_it_knows(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    viewer = Role(name="viewer", description="Looks.", allowed_tools=frozenset({"who"}), allowed_resources=frozenset())
    policy = AccessPolicy((ADMIN, viewer), [("agent-*", "viewer")])
    async with running(broker, toy, meta=policy.meta()):
        (listed,) = await online_servers(address)
    assert listed.roles == tuple(replace(role, allowed_methods=frozenset(METHODS)) for role in (viewer, ADMIN))


@given(st.recursive(st.none() | st.integers() | st.text() | st.just("all"), lambda inner: st.lists(inner) | ENTRIES))
def test_no_roles_are_too_odd_to_look_at(roles: object) -> None:
    for meta in ({"rbac": roles}, {"rbac": {"roles": roles}}, {"rbac": {"roles": [roles]}}):
        assert all(isinstance(role, Role) for role in OnlineServer("a", "b/c", meta=meta).roles)


async def test_filters_that_the_broker_gives_bind_a_transport_too(broker: PrivateBroker, toy: Toy) -> None:
    async with Proxy(broker) as proxy, running(broker, toy):
        proxy.connack_properties = (("MCP-SERVER-NAME-FILTERS", '["barn/#"]'),)
        with pytest.raises(RemoteError, match="out of reach: the broker's MCP-SERVER-NAME-FILTERS do not include it"):
            async with mqtt_transport(proxy.address, SERVER_ID, SERVER_NAME):
                pass
        proxy.connack_properties = (("MCP-SERVER-NAME-FILTERS", '["barn/#", "robot-node/+"]'),)
        async with Client(mqtt_transport(proxy.address, SERVER_ID, SERVER_NAME, client_id="agent")) as client:
            assert await who(client) == "agent"


HUGE = "[" * 60_000
UNUSABLE = ["", "{", "null", "5", '"a/b"', '{"a": "b"}', "[5]", '["#/a"]', '["a", "\\u0000"]', '[["a"]]', HUGE]


@pytest.mark.parametrize("value", UNUSABLE, ids=lambda value: str(value)[:12])
def test_unusable_filters_are_one_clear_line(value: str) -> None:
    with pytest.raises(BrokerError, match="The broker's MCP-SERVER-NAME-FILTERS cannot be used") as raised:
        name_filters((("MCP-SERVER-NAME-FILTERS", value),))
    assert len(str(raised.value)) < 300
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [*UNUSABLE, '[{"server_name": "a/b"}]', '[{"server_name": 1, "role_name": "x"}]'])
def test_unusable_roles_are_one_clear_line_and_no_roles(value: str, caplog: pytest.LogCaptureFixture) -> None:
    assert roles((("MCP-RBAC", value),)) == {}
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("The broker's MCP-RBAC cannot be used")
    assert len(line) < 300
    assert "\n" not in line


def test_without_a_word_from_the_broker_everything_may_be_looked_for() -> None:
    assert name_filters(()) is None
    assert may_see((), SERVER_NAME)
    assert not may_see((("MCP-SERVER-NAME-FILTERS", "[]"),), SERVER_NAME)
    assert roles(()) == {}


async def test_a_directory_whose_broker_gives_unusable_filters_says_so_and_goes_on_trying(
    broker: PrivateBroker, toy: Toy
) -> None:
    async with Proxy(broker) as proxy, running(broker, toy):
        proxy.connack_properties = (("MCP-SERVER-NAME-FILTERS", HUGE),)
        said: list[str] = []
        refused = asyncio.Event()

        def on_status(status: object) -> None:
            said.append(getattr(status, "reason", ""))
            if said[-1]:
                refused.set()

        async with directory(proxy.address, backoff=fast_backoff(), on_status=on_status) as followed:
            await until_set(refused)
            proxy.connack_properties = ()
            assert (await robot(followed)).server_id == SERVER_ID
        assert any("The broker's MCP-SERVER-NAME-FILTERS cannot be used" in line for line in said)
