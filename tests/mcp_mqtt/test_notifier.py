"""What a server's owner tells of changes, as clients of both eras and the capability topic get it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from mcp import Client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from mcp.server.mcpserver import Context
from mcp_types import ResourceUpdatedNotification, ServerNotification

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import CAPABILITY, SERVER_ID, SERVER_NAME, RawPeer, Received, initialize, raw_peer, request
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S, eventually

CAMERA = "toy://camera"
FACE = "toy://face"
UPDATED = "notifications/resources/updated"
TOOLS_CHANGED = "notifications/tools/list_changed"


@pytest.fixture
def notifier() -> Notifier:
    return Notifier()


@pytest.fixture
def toy(notifier: Notifier) -> Toy:
    """The toy, with two resources and a tool that tells of a change."""
    toy = toy_server(notifier)

    @toy.server.resource(CAMERA)
    def camera() -> str:
        return "on"

    @toy.server.resource(FACE)
    def face() -> str:
        return "happy"

    @toy.server.tool()
    async def shoot(ctx: Context) -> None:
        """Tell that the camera changed."""
        await ctx.notify_resource_updated(CAMERA)

    return toy


@pytest.fixture
async def observer(broker: PrivateBroker, toy: Toy) -> AsyncIterator[RawPeer]:
    """Sees what the server publishes on its capability topic."""
    async with running(broker, toy, max_subscriptions=2), raw_peer(broker, "observer") as observer:
        await observer.subscribe(CAPABILITY)
        yield observer


async def subscribe(peer: RawPeer, uri: str, *, method: str = "subscribe") -> None:
    await peer.rpc(request(f"{method} {uri}", f"resources/{method}", {"uri": uri}))
    assert (await peer.answer(f"{method} {uri}"))["result"] == {}


async def told(observer: RawPeer, notifier: Notifier) -> list[dict[str, object]]:
    """What the observer was told until now: a change of the tools marks the end."""
    notifier.tools_changed()
    messages: list[dict[str, object]] = []

    def is_marker(message: Received) -> bool:
        if message.topic == CAPABILITY and message.json["method"] != TOOLS_CHANGED:
            messages.append(message.json)
        return message.topic == CAPABILITY and message.json["method"] == TOOLS_CHANGED

    await observer.until(is_marker)
    observer._kept.clear()
    return messages


async def test_one_update_for_all_clients_of_the_handshake_era(
    broker: PrivateBroker, observer: RawPeer, notifier: Notifier
) -> None:
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(raw_peer(broker, f"agent-{number}")) for number in range(3)]
        for peer in peers:
            await peer.open_session()
            await subscribe(peer, CAMERA)
        notifier.resource_updated(CAMERA)
        assert await told(observer, notifier) == [{"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": CAMERA}}]
        assert [peer.seen() for peer in peers] == [[], [], []]


async def test_an_update_that_nobody_has_subscribed_to_is_not_published(
    broker: PrivateBroker, observer: RawPeer, notifier: Notifier
) -> None:
    async with raw_peer(broker, "witness") as witness, raw_peer(broker, "agent") as agent:
        await witness.open_session()
        await agent.open_session()
        notifier.resource_updated(CAMERA)
        assert await told(observer, notifier) == []
        await subscribe(agent, CAMERA)
        notifier.resource_updated(FACE)
        assert await told(observer, notifier) == []
        await subscribe(agent, CAMERA, method="unsubscribe")
        notifier.resource_updated(CAMERA)
        assert await told(observer, notifier) == []


@pytest.mark.parametrize("end", ["leave", "initialize again"])
async def test_subscriptions_end_with_their_session(
    broker: PrivateBroker, observer: RawPeer, notifier: Notifier, end: str
) -> None:
    async with raw_peer(broker, "witness") as witness, raw_peer(broker, "agent") as agent:
        await witness.open_session()
        await agent.open_session()
        await subscribe(agent, CAMERA)
        notifier.resource_updated(CAMERA)
        assert len(await told(observer, notifier)) == 1
        if end == "leave":
            await agent.leave()
            await eventually(lambda: f"Received UNSUBSCRIBE from {SERVER_ID}" in broker.log)
        else:
            await agent.control(initialize("again", version="2"))
            await agent.answer("again")
        notifier.resource_updated(CAMERA)
        assert await told(observer, notifier) == []


async def test_two_subscriptions_of_one_client_count_once(
    broker: PrivateBroker, observer: RawPeer, notifier: Notifier
) -> None:
    async with raw_peer(broker, "agent") as agent:
        await agent.open_session()
        for _ in range(2):
            await agent.rpc(request(1, "resources/subscribe", {"uri": CAMERA}))
            await agent.answer(1)
        await subscribe(agent, CAMERA, method="unsubscribe")
        notifier.resource_updated(CAMERA)
        assert await told(observer, notifier) == []


async def test_changes_faster_than_they_are_sent_are_told_once(
    broker: PrivateBroker, observer: RawPeer, notifier: Notifier
) -> None:
    async with raw_peer(broker, "agent") as agent:
        await agent.open_session()
        await subscribe(agent, CAMERA)
        for _ in range(1000):
            notifier.resource_updated(CAMERA)
        assert len(await told(observer, notifier)) == 1


async def test_lists_that_change_are_told_once_and_only_while_there_is_a_session(
    broker: PrivateBroker, observer: RawPeer, notifier: Notifier
) -> None:
    notifier.resources_changed()
    async with raw_peer(broker, "agent") as agent, raw_peer(broker, "another") as another:
        await agent.open_session()
        await another.open_session()
        assert await told(observer, notifier) == []
        notifier.resources_changed()
        notifier.prompts_changed()
        methods = [message["method"] for message in await told(observer, notifier)]
        assert methods == ["notifications/resources/list_changed", "notifications/prompts/list_changed"]


async def test_a_client_may_subscribe_to_so_many_resources_and_no_more(
    broker: PrivateBroker, observer: RawPeer, notifier: Notifier
) -> None:
    async with raw_peer(broker, "agent") as agent, raw_peer(broker, "another") as another:
        await agent.open_session()
        await another.open_session()
        await subscribe(agent, CAMERA)
        await subscribe(agent, "toy://other")
        await agent.rpc(request(1, "resources/subscribe", {"uri": FACE}))
        error = (await agent.answer(1))["error"]
        assert error == {"code": -32014, "message": "This client has subscribed to 2 resources, which is the limit."}
        await subscribe(another, FACE)
        await subscribe(agent, "toy://other", method="unsubscribe")
        await subscribe(agent, FACE)
        notifier.resource_updated(FACE)
        assert len(await told(observer, notifier)) == 1


async def test_what_a_server_tells_of_is_declared(broker: PrivateBroker, observer: RawPeer) -> None:
    del observer
    async with raw_peer(broker, "agent") as agent:
        capabilities = (await agent.open_session())["result"]["capabilities"]
    assert capabilities["resources"] == {"subscribe": True, "listChanged": True}
    assert capabilities["tools"] == {"listChanged": True}


async def test_without_a_notifier_nothing_is_declared_and_nobody_subscribes(broker: PrivateBroker) -> None:
    async with running(broker, toy_server()), raw_peer(broker, "agent") as agent:
        capabilities = (await agent.open_session())["result"]["capabilities"]
        assert capabilities["resources"] == {"subscribe": False, "listChanged": False}
        await agent.rpc(request(1, "resources/subscribe", {"uri": CAMERA}))
        assert (await agent.answer(1))["error"]["code"] == -32601


async def test_each_stream_of_a_2026_client_gets_the_updates_that_it_asked_for(
    address: Broker, observer: RawPeer, notifier: Notifier
) -> None:
    async with (
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode="auto") as one,
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode="auto") as other,
        one.listen(resource_subscriptions=[CAMERA]) as cameras,
        other.listen(resource_subscriptions=[FACE], tools_list_changed=True) as faces,
        asyncio.timeout(DEADLINE_S),
    ):
        notifier.resource_updated(CAMERA)
        notifier.resource_updated(FACE)
        assert await anext(cameras) == ResourceUpdated(CAMERA)
        assert await anext(faces) == ResourceUpdated(FACE)
        assert await told(observer, notifier) == []
        assert await anext(faces) == ToolsListChanged()
        # A stream that is open keeps nobody from calling.
        assert (await one.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}


@pytest.mark.filterwarnings("ignore:resources/subscribe is removed")
@pytest.mark.usefixtures("observer")
async def test_one_change_reaches_clients_of_both_eras_whoever_tells_of_it(address: Broker, notifier: Notifier) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def on_message(message: ServerNotification | Exception) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.put_nowait(message.params.uri)

    async with (
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode="legacy", message_handler=on_message) as old,
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode="auto") as new,
        new.listen(resource_subscriptions=[CAMERA]) as changes,
        asyncio.timeout(DEADLINE_S),
    ):
        await old.subscribe_resource(CAMERA)
        notifier.resource_updated(CAMERA)
        assert await heard.get() == CAMERA
        assert await anext(changes) == ResourceUpdated(CAMERA)
        await new.call_tool("shoot", {})
        assert await heard.get() == CAMERA
        assert await anext(changes) == ResourceUpdated(CAMERA)


async def test_a_listener_that_fails_is_not_the_others_concern(
    notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[object] = []

    def fail(event: object) -> None:
        raise ValueError(event)

    notifier.subscribe(fail)
    stop = notifier.subscribe(events.append)
    notifier.resource_updated(CAMERA)
    await notifier.publish(ToolsListChanged())
    stop()
    stop()
    notifier.prompts_changed()
    assert events == [ResourceUpdated(CAMERA), ToolsListChanged()]
    assert "A listener failed" in caplog.text
