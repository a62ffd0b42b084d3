"""EMQX's TypeScript SDK: our clients with its server, its client with our presence."""

from __future__ import annotations

import contextlib

import pytest
from mcp import Client
from mcp_types import TextContent

from robot_node.apps import remote
from robot_node.apps.bridge.robots import robots
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.access import ADMIN, AccessPolicy
from robot_node.mcp_mqtt.presence import directory
from robot_node.mcp_mqtt.roles import Role
from robot_node.mqtt import Broker
from tests.end_to_end.robot_process import robot_node
from tests.mcp_mqtt.emqx_typescript_sdk import is_seen_by_client, typescript_server
from tests.mcp_mqtt.peers import PRESENCE, raw_peer
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S, eventually


@pytest.mark.slow
@pytest.mark.peer("EMQX TypeScript SDK", works="its server: `robots`, `call`")
async def test_a_call_reaches_a_server_that_ignores_server_discover(broker: PrivateBroker, address: Broker) -> None:
    async with typescript_server(broker) as server:
        (found,) = await remote.online(address)
        assert (found.server_id, found.is_modern) == ("greeter-1", False)
        called = await robot_node("call", "myapp/greeter", "greet", "name=Ada", broker=broker)
        assert called.stdout == "Hello, Ada!\n", called.stderr
        # The SDK would wait for 10 s after a server/discover that nobody answers.
        assert server.opened_by == ["initialize"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_library_reaches_it_too(broker: PrivateBroker, address: Broker, mode: str) -> None:
    async with typescript_server(broker) as server, directory(address) as followed:
        found = await followed.wait_for("greeter-1", timeout_s=DEADLINE_S)
        async with Client(followed.transport(found), mode=mode) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["greet"]
        assert server.opened_by == ["initialize"]


async def test_a_robot_says_that_it_knows_2026(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    async with running(broker, toy), directory(address) as followed:
        found = await followed.wait_for(timeout_s=DEADLINE_S)
        assert found.is_modern
        async with Client(followed.transport(found), mode="auto") as client:
            assert client.protocol_version == "2026-07-28"


@pytest.mark.peer("EMQX TypeScript SDK", works="its client sees robots with roles")
async def test_its_client_sees_a_robot_with_roles(broker: PrivateBroker, toy: Toy) -> None:
    viewer = Role(name="viewer", allowed_tools=frozenset({"add"}))
    policy = AccessPolicy([ADMIN, viewer], [("admin-*", "admin")], "viewer")
    async with running(broker, toy, meta=policy.meta()), raw_peer(broker, "emqx-client") as client:
        await client.subscribe("$mcp-server/presence/+/#")
        online = (await client.until(lambda message: message.topic == PRESENCE)).json
    assert [role["name"] for role in online["params"]["meta"]["rbac"]["roles"]] == ["admin", "viewer"]
    assert is_seen_by_client(online)


NAMES = ("greeter", "Büro Küche", "my app/über uns", "/rooted", "a//b")


@pytest.mark.peer("EMQX TypeScript SDK", works="servers of any name, e.g. without `/`")
@pytest.mark.parametrize("name", NAMES)
async def test_servers_whose_names_we_would_not_take_ourselves_are_found_and_called(
    broker: PrivateBroker, address: Broker, name: str
) -> None:
    async with typescript_server(broker, "gerät 1", name) as server:
        (found,) = await remote.online(address)
        assert (found.server_id, found.server_name) == ("gerät 1", name)
        result = await remote.call(address, name, "greet", {"name": "Ada"})
        assert isinstance(result.content[0], TextContent)
        assert server.opened_by == ["initialize"]


@pytest.mark.peer("EMQX TypeScript SDK", works="its server behind `robot-node bridge`")
async def test_the_bridge_serves_them_under_names_of_its_own(broker: PrivateBroker, address: Broker) -> None:
    async def on_event(*event: object) -> None:
        del event

    async with contextlib.AsyncExitStack() as stack:
        for number, name in enumerate(NAMES):
            await stack.enter_async_context(typescript_server(broker, f"gerät {number}", name))
        pool = await stack.enter_async_context(robots(address, wanted=(), client_id="bridge", on_event=on_event))
        await eventually(lambda: len(pool.listed) == len(NAMES))
        assert {robot.server.server_name for robot in pool.listed} == set(NAMES)
        assert all([tool["name"] for tool in robot.tools] == ["greet"] for robot in pool.listed)
