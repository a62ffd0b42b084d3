"""What the tests put around the code under test: raw MQTT peers, a recording proxy, toy tools."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiomqtt
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers
from paho.mqtt.subscribeoptions import SubscribeOptions

from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.server import Beside, ServerOptions, serve
from robot_node.mqtt import Backoff, Broker, LinkStatus
from robot_node.private_broker import PrivateBroker

SERVER_ID = "robot-1"
SERVER_NAME = "robot-node/kitchen"
CONTROL = f"$mcp-server/{SERVER_ID}/{SERVER_NAME}"
PRESENCE = f"$mcp-server/presence/{SERVER_ID}/{SERVER_NAME}"
CAPABILITY = f"$mcp-server/capability/{SERVER_ID}/{SERVER_NAME}"
PATIENCE_S = 45.0
"""How long a test waits for what must come; never how long it takes."""


def rpc_topic(client_id: str) -> str:
    return f"$mcp-rpc/{client_id}/{SERVER_ID}/{SERVER_NAME}"


def request(request_id: int | str, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return message if params is None else message | {"params": params}


def initialize(request_id: int | str = 0) -> dict[str, Any]:
    client_info = {"name": "raw", "version": "1"}
    params = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": client_info}
    return request(request_id, "initialize", params)


def call(request_id: int | str, tool: str, **arguments: object) -> dict[str, Any]:
    return request(request_id, "tools/call", {"name": tool, "arguments": arguments})


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
DISCONNECTED = {"jsonrpc": "2.0", "method": "notifications/disconnected"}


@dataclass(frozen=True)
class Received:
    """A PUBLISH as a raw peer got it."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    user_properties: tuple[tuple[str, str], ...]

    @property
    def json(self) -> Any:  # noqa: ANN401  # JSON may be anything
        return json.loads(self.payload)


class RawPeer:
    """An MQTT client that can say anything, as a stranger could."""

    def __init__(self, client: aiomqtt.Client, client_id: str) -> None:
        self.client = client
        self.client_id = client_id
        self._received: asyncio.Queue[Received] = asyncio.Queue()
        self._kept: list[Received] = []

    async def publish(
        self,
        topic: str,
        payload: bytes | dict[str, Any],
        *,
        sender: str | None = "",
        retain: bool = False,
        extra: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Publish at QoS 1; ``sender`` None leaves the user properties out, "" is our own client id."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        pairs = list(extra)
        if sender is not None:
            pairs += [("MCP-COMPONENT-TYPE", "mcp-client"), ("MCP-MQTT-CLIENT-ID", sender or self.client_id)]
        for pair in pairs:
            properties.UserProperty = pair
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self.client.publish(topic, body, 1, retain, properties)

    async def control(self, payload: bytes | dict[str, Any], *, sender: str | None = "") -> None:
        await self.publish(CONTROL, payload, sender=sender)

    async def rpc(self, payload: bytes | dict[str, Any], *, sender: str | None = "") -> None:
        await self.publish(rpc_topic(self.client_id), payload, sender=sender)

    async def leave(self) -> None:
        await self.publish(f"$mcp-client/presence/{self.client_id}", DISCONNECTED)

    async def subscribe(self, *topic_filters: str, no_local: bool = True) -> None:
        await self.client.subscribe([(name, SubscribeOptions(qos=1, noLocal=no_local)) for name in topic_filters])

    async def read(self) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for message in self.client.messages:
                pairs = getattr(message.properties, "UserProperty", ())
                self._received.put_nowait(
                    Received(message.topic.value, message.payload, message.retain, message.qos, tuple(pairs))
                )

    async def until(self, wanted: Callable[[Received], bool]) -> Received:
        """The first message that fits, of those kept from before or to come."""
        for index, message in enumerate(self._kept):
            if wanted(message):
                return self._kept.pop(index)
        async with asyncio.timeout(PATIENCE_S):
            while not wanted(message := await self._received.get()):
                self._kept.append(message)
        return message

    async def answer(self, request_id: int | str | None) -> dict[str, Any]:
        """The answer to a request of ours; for None, the answer to what had no readable id."""
        message = await self.until(
            lambda message: (
                message.topic == rpc_topic(self.client_id)
                and "method" not in message.json
                and message.json.get("id") == request_id
            )
        )
        answer: dict[str, Any] = message.json
        return answer

    def seen(self) -> list[Received]:
        """Everything that has come and was not asked for."""
        while not self._received.empty():
            self._kept.append(self._received.get_nowait())
        return list(self._kept)

    async def open_session(self) -> dict[str, Any]:
        await self.control(initialize())
        answer = await self.answer(0)
        await self.rpc(INITIALIZED)
        return answer


@contextlib.asynccontextmanager
async def raw_peer(
    broker: PrivateBroker | Broker, client_id: str, *, will: bytes | None = None
) -> AsyncIterator[RawPeer]:
    """A raw peer that listens on its RPC topic. It may lose its connection (through a :class:`Proxy`) unpunished."""
    testament = None
    if will is not None:
        testament = aiomqtt.Will(f"$mcp-client/presence/{client_id}", will, 1)
    client = aiomqtt.Client(
        "127.0.0.1", broker.port, identifier=client_id, protocol=aiomqtt.ProtocolVersion.V5, will=testament
    )
    await client.__aenter__()
    peer = RawPeer(client, client_id)
    reader = asyncio.create_task(peer.read())
    try:
        await peer.subscribe(rpc_topic(client_id))
        yield peer
    finally:
        reader.cancel()
        await asyncio.wait([reader])
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


@dataclass
class Toy:
    """An MCP server with toy tools, and what a test sees of it from inside."""

    server: MCPServer
    started: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    notifier: Notifier | None = None


def toy_server(notifier: Notifier | None = None) -> Toy:
    """Tools: add, wait (until released or cancelled), count (with progress), fail, picture, who."""
    server = MCPServer("toy", version="1.2.3", subscriptions=notifier)
    toy = Toy(server, notifier=notifier)

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    @server.tool()
    async def wait(name: str = "") -> str:
        """Wait until released."""
        toy.started.put_nowait(name)
        try:
            await toy.release.wait()
        except asyncio.CancelledError:
            toy.ended.put_nowait(f"{name} cancelled")
            raise
        toy.ended.put_nowait(f"{name} done")
        return "released"

    @server.tool()
    async def count(ctx: Context, to: int) -> int:
        """Report progress."""
        for step in range(1, to + 1):
            await ctx.report_progress(step, to, f"step {step}")
        return to

    @server.tool()
    def fail() -> str:
        """Raise."""
        raise ToolError("the toy is broken")

    @server.tool()
    def picture() -> Image:
        """A picture."""
        return Image(data=b"\x89PNG not really", format="png")

    @server.tool()
    def who(ctx: Context) -> str:
        """Who calls."""
        caller: Any = ctx.request_context.request
        return str(caller.client_id)

    @server.tool()
    async def announce(ctx: Context, times: int) -> None:
        """Tell that the tools changed."""
        for _ in range(times):
            await ctx.session.send_tool_list_changed()

    return toy


@dataclass
class Running:
    """A server that is online, and what it reported."""

    task: asyncio.Task[None]
    online: asyncio.Event
    statuses: list[LinkStatus]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.result()


def fast_backoff() -> Backoff:
    return Backoff(initial_s=0.05, maximum_s=0.2)


@contextlib.asynccontextmanager
async def running(
    broker: PrivateBroker | Broker,
    toy: Toy,
    *,
    backoff: Backoff | None = None,
    wait: bool = True,
    on_sessions: Callable[[int], None] = lambda _: None,
    beside: Beside | None = None,
    **options: object,
) -> AsyncIterator[Running]:
    """Serve the toy, as robot-1, until the block ends."""
    address = broker if isinstance(broker, Broker) else Broker.from_url(broker.url)
    online = asyncio.Event()
    statuses: list[LinkStatus] = []
    settings: dict[str, Any] = {"server_id": SERVER_ID, "server_name": SERVER_NAME} | options
    task = asyncio.create_task(
        serve(
            address,
            toy.server,
            ServerOptions(**settings),
            backoff=backoff or fast_backoff(),
            on_online=online.set,
            on_status=statuses.append,
            notifier=toy.notifier,
            on_sessions=on_sessions,
            beside=beside,
        )
    )
    server = Running(task, online, statuses)
    try:
        if wait:
            await eventually(online)
        yield server
    finally:
        await server.stop()


async def eventually(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await event.wait()


async def until_true(condition: Callable[[], bool]) -> None:
    """Poll what has no event."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # used only for what has no event, such as a broker's log
            await asyncio.sleep(0.01)


class Proxy:
    """Stands between a client and the broker: records CONNECT, and can add user properties to CONNACK."""

    def __init__(self, broker: PrivateBroker) -> None:
        self._broker = broker
        self.connects: list[bytes] = []
        self.connack_properties: tuple[tuple[str, str], ...] = ()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> Broker:
        assert self._server is not None
        return Broker("127.0.0.1", self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self._broker.port)
        both = {writer, broker_writer}
        self._writers |= both
        try:
            self.connects.append(await self._packet(reader, broker_writer))
            connack = await self._packet(broker_reader, None)
            writer.write(self._with_properties(connack))
            await asyncio.wait(
                [
                    asyncio.create_task(self._copy(reader, broker_writer)),
                    asyncio.create_task(self._copy(broker_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for each in both:
                each.close()
            self._writers -= both

    async def _packet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None) -> bytes:
        head = await reader.readexactly(2)
        length, shift = head[1] & 0x7F, 7
        while head[-1] & 0x80:
            head += await reader.readexactly(1)
            length |= (head[-1] & 0x7F) << shift
            shift += 7
        packet = head + await reader.readexactly(length)
        if writer is not None:
            writer.write(packet)
        return packet

    def _with_properties(self, connack: bytes) -> bytes:
        if not self.connack_properties:
            return connack
        properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.unpack(connack[4:])  # type: ignore[no-untyped-call]  # after type, length, flags and reason code
        for pair in self.connack_properties:
            properties.UserProperty = pair
        packed: bytes = properties.pack()  # type: ignore[no-untyped-call]  # as above
        body = connack[2:4] + packed
        length: bytes = VariableByteIntegers.encode(len(body))  # type: ignore[no-untyped-call]  # as above
        return connack[:1] + length + body

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()


def in_packet(name: str, value: str) -> bytes:
    """A user property as it stands in a packet (MQTT 5.0, 2.2.2.2)."""

    def text(string: str) -> bytes:
        return len(string.encode()).to_bytes(2, "big") + string.encode()

    return b"\x26" + text(name) + text(value)
