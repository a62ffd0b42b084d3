"""What the protocol knows besides tool calls, in every mode of the SDK's client, over real mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

import anyio
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, ListRoots, Resolve, Sample
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    Root,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel, FileUrl

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.link import Streams
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.server import ServerOptions, serve
from robot_node.mcp_mqtt.time_limits import TimeLimits
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import CAPABILITY, DISCONNECTED, SERVER_ID, SERVER_NAME, raw_peer, rpc_topic, until_set
from tests.mcp_mqtt.proxy import Proxy
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S, eventually

# Ping, roots and resources/subscribe belong to the handshake era, which most clients still speak.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

MODES = ["auto", "legacy", "2026-07-28"]
DOOR = "toy://door"


class Answer(BaseModel):
    """What a person is asked for."""

    name: str


async def ask_name() -> Elicit[Answer]:
    return Elicit("Who are you?", Answer)


async def ask_model() -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text="Say hi"))], max_tokens=5)


async def ask_roots() -> ListRoots:
    return ListRoots()


@dataclass
class Curious:
    """A server that asks its client, and tells it of changes."""

    notifier: Notifier = field(default_factory=Notifier)
    pings: list[str] = field(default_factory=list)

    def server(self) -> MCPServer:
        server = MCPServer("curious", subscriptions=self.notifier)

        @server.tool()
        async def greet(answer: Annotated[Answer, Resolve(ask_name)]) -> str:
            """Greet whoever is there."""
            return f"Hello {answer.name}"

        @server.tool()
        async def think(said: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
            """Ask the client's model."""
            assert isinstance(said.content, TextContent)
            return f"The model says {said.content.text}"

        @server.tool()
        async def roots(known: Annotated[ListRootsResult, Resolve(ask_roots)]) -> str:
            """Ask for the client's roots."""
            return ", ".join(str(root.uri) for root in known.roots)

        @server.tool()
        async def ping_me(ctx: Context) -> str:
            """Ping the client."""
            await ctx.session.send_ping()
            return "pong"

        @server.resource(DOOR)
        def door() -> str:
            """A door."""
            return "open"

        return server


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """How the SDK's client opens its session."""
    return str(request.param)


@pytest.fixture
async def curious(address: Broker) -> AsyncIterator[Curious]:
    """A curious server that is online as robot-1."""
    curious, online = Curious(), asyncio.Event()
    options = ServerOptions(server_id=SERVER_ID, server_name=SERVER_NAME)
    serving = asyncio.create_task(
        serve(address, curious.server(), options, notifier=curious.notifier, on_online=online.set)
    )
    await until_set(online)
    yield curious
    serving.cancel()
    await asyncio.wait([serving])


@pytest.fixture
async def online(broker: PrivateBroker, toy: Toy) -> AsyncIterator[None]:
    """The toy server is online as robot-1."""
    async with running(broker, toy):
        yield


def kitchen(address: Broker, time_limits: TimeLimits | None = None) -> contextlib.AbstractAsyncContextManager[Streams]:
    return mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id="agent", time_limits=time_limits)


async def say_name(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG001  # the SDK passes it by name
    assert params.message == "Who are you?"
    return ElicitResult(action="accept", content={"name": "Ada"})


async def say_hi(context: ClientRequestContext, params: CreateMessageRequestParams) -> CreateMessageResult:  # noqa: ARG001  # the SDK passes it by name
    assert params.max_tokens == 5
    return CreateMessageResult(role="assistant", model="toy", content=TextContent(type="text", text="hi"))


async def say_roots(context: ClientRequestContext) -> ListRootsResult:  # noqa: ARG001  # the SDK passes it by name
    return ListRootsResult(roots=[Root(uri=FileUrl("file:///home/ada"))])


@pytest.mark.usefixtures("curious")
async def test_a_server_asks_person_model_and_roots_of_its_client(address: Broker, mode: str) -> None:
    async with Client(
        kitchen(address),
        mode=mode,
        elicitation_callback=say_name,
        sampling_callback=say_hi,
        list_roots_callback=say_roots,
    ) as client:
        answers = [(await client.call_tool(tool, {})).content[0] for tool in ("greet", "think", "roots")]
    texts = [answer.text for answer in answers if isinstance(answer, TextContent)]
    assert texts == ["Hello Ada", "The model says hi", "file:///home/ada"]


@pytest.mark.usefixtures("curious")
async def test_pings_go_both_ways(address: Broker) -> None:
    async with Client(kitchen(address), mode="legacy") as client:
        await client.send_ping()
        (content,) = (await client.call_tool("ping_me", {})).content
    assert isinstance(content, TextContent)
    assert content.text == "pong"


@pytest.mark.usefixtures("curious")
async def test_changed_roots_are_told_on_the_clients_capability_topic(broker: PrivateBroker, address: Broker) -> None:
    async with raw_peer(broker, "observer") as observer:
        await observer.subscribe("$mcp-client/capability/+", "$mcp-rpc/agent/#")
        async with Client(kitchen(address), mode="legacy", list_roots_callback=say_roots) as client:
            await client.send_roots_list_changed()
            told = await observer.until(lambda message: b"list_changed" in message.payload)
            await client.call_tool("ping_me", {})
        assert told.topic == "$mcp-client/capability/agent"
        assert told.json == {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
        assert ("MCP-MQTT-CLIENT-ID", "agent") in told.user_properties
        assert not any(b"list_changed" in message.payload for message in observer.seen())


async def test_a_subscriber_of_the_handshake_era_hears_of_a_changed_resource(
    broker: PrivateBroker, address: Broker, curious: Curious
) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()

    async def on_message(message: object) -> None:
        heard.put_nowait(message)

    async with (
        raw_peer(broker, "observer") as observer,
        Client(kitchen(address), mode="legacy", message_handler=on_message) as client,
    ):
        await observer.subscribe(CAPABILITY)
        await client.subscribe_resource(DOOR)
        curious.notifier.resource_updated(DOOR)
        curious.notifier.tools_changed()
        async with asyncio.timeout(DEADLINE_S):
            kinds = {type(await heard.get()).__name__ for _ in range(2)}
        assert kinds == {"ResourceUpdatedNotification", "ToolListChangedNotification"}
        update = await observer.until(lambda message: b"updated" in message.payload)
    assert update.json["params"]["uri"] == DOOR


@pytest.mark.parametrize("mode", ["auto", "2026-07-28"])
async def test_a_listener_of_2026_hears_of_changes_however_long_it_takes(
    address: Broker, curious: Curious, mode: str
) -> None:
    limits = TimeLimits(default_s=0.1)
    async with (
        Client(kitchen(address, time_limits=limits), mode=mode) as client,
        client.listen(tools_list_changed=True, resource_subscriptions=[DOOR]) as changes,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(aiter(changes))
        curious.notifier.resource_updated(DOOR)
        curious.notifier.tools_changed()
        async with asyncio.timeout(DEADLINE_S):
            events = [await anext(aiter(changes)) for _ in range(2)]
    assert set(events) == {ResourceUpdated(DOOR), ToolsListChanged()}


async def test_an_idle_client_is_told_why_its_session_ended(broker: PrivateBroker, address: Broker, toy: Toy) -> None:
    told: asyncio.Queue[Exception] = asyncio.Queue()

    async def on_message(message: object) -> None:
        if isinstance(message, Exception):
            told.put_nowait(message)

    async with (
        Proxy(broker) as proxy,
        running(proxy.address, toy),
        Client(kitchen(address), message_handler=on_message) as client,
        asyncio.timeout(DEADLINE_S),
    ):
        proxy.cut()
        error = await told.get()
        assert isinstance(error, RemoteError)
        assert str(error) == "Server robot-1 (robot-node/kitchen) went offline."
        with pytest.raises(MCPError, match="Connection closed"):
            await client.call_tool("add", {"a": 1, "b": 1})


@pytest.mark.usefixtures("online")
async def test_a_client_that_is_cancelled_says_goodbye_all_the_same(broker: PrivateBroker, address: Broker) -> None:
    async with raw_peer(broker, "observer") as observer:
        await observer.subscribe("$mcp-client/presence/+")
        with anyio.CancelScope() as scope:
            async with Client(kitchen(address)) as client:
                asyncio.get_running_loop().call_later(0.2, scope.cancel)
                await client.call_tool("wait", {})
        assert scope.cancelled_caught
        goodbye = await observer.until(lambda message: message.topic == "$mcp-client/presence/agent")
    assert goodbye.json == DISCONNECTED
    await eventually(lambda: "Received DISCONNECT from agent" in broker.log)
    await eventually(lambda: not any("agent" in task.get_name() for task in asyncio.all_tasks()))


HALF_A_MINUTE = """initialize server/discover tools/list resources/list resources/templates/list resources/read
    prompts/list prompts/get resources/subscribe resources/unsubscribe logging/setLevel roots/list"""


def test_time_limits_are_those_of_the_specification() -> None:
    limits = TimeLimits()
    assert {limits.of(method) for method in HALF_A_MINUTE.split()} == {30}
    assert {limits.of(method) for method in ("tools/call", "completion/complete", "sampling/createMessage")} == {60}
    assert limits.of("ping") == 10
    assert limits.of("subscriptions/listen") is None


async def test_every_method_has_its_own_time_limit(broker: PrivateBroker, address: Broker) -> None:
    limits = TimeLimits(by_method={"ping": 0.1})
    async with raw_peer(broker, SERVER_ID) as silent:
        await silent.subscribe(f"$mcp-server/{SERVER_ID}/{SERVER_NAME}", rpc_topic("agent"))
        online = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": {}}
        await silent.publish(f"$mcp-server/presence/{SERVER_ID}/{SERVER_NAME}", online, retain=True)

        async def answer_only_the_handshake() -> None:
            opening = await silent.until(lambda message: b"initialize" in message.payload)
            result = {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "serverInfo": {"name": "silent", "version": "0"},
            }
            reply = {"jsonrpc": "2.0", "id": opening.json["id"], "result": result}
            await silent.publish(rpc_topic("agent"), json.dumps(reply).encode(), sender=SERVER_ID)

        serving = asyncio.create_task(answer_only_the_handshake())
        async with Client(kitchen(address, time_limits=limits), mode="legacy") as client:
            await serving
            with pytest.raises(MCPError, match=r"did not answer ping within 0\.1 s"):
                await client.send_ping()
