"""Agents that use the bridge, one of which shows each message as it is; and a robot that can say anything."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiomqtt
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.stdio import stdio_server
from mcp_types import CallToolResult, TextContent
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from robot_node.apps.bridge.robots import robots
from robot_node.apps.bridge.server import Bridge
from robot_node.apps.bridge.stdio import serve_agent
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Backoff, Broker
from tests import warm_start
from tests.end_to_end.robot_process import environment
from tests.mcp_mqtt.toys import fast_backoff
from tests.waiting import DEADLINE_S
from tests.warm_start import WarmProcess

Message = dict[str, Any]

FAST = {"ROBOT_NODE_BROKER__RECONNECT_INITIAL_S": "0.1", "ROBOT_NODE_BROKER__RECONNECT_MAXIMUM_S": "0.3"}


def bridge_command(*options: str) -> list[str]:
    return [sys.executable, "-m", "robot_node", "bridge", *options]


@contextlib.asynccontextmanager
async def official_client(
    broker: PrivateBroker,
    *options: str,
    mode: str = "auto",
    **client: Any,
) -> AsyncIterator[Client]:
    """The SDK's client, which starts the bridge and speaks with it on stdio."""
    command, *arguments = bridge_command(*options)
    server = StdioServerParameters(command=command, args=arguments, env=environment(broker, FAST))
    async with Client(server, mode=mode, **client) as connected:
        yield connected


def text_of(result: CallToolResult) -> str:
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


def text_in(answer: Message, *, is_error: bool = False) -> str:
    """The text of a tool's result, on the wire."""
    result = answer["result"]
    assert result.get("isError", False) is is_error, result
    return str(result["content"][0]["text"])


class RawAgent:
    """Reads what the bridge really writes, line by line."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self.answer_to: Callable[[Message], Message | None] = lambda _: None
        self.reads = asyncio.Event()
        self.reads.set()
        self._write = write
        self._ids = itertools.count(1)
        self._messages: list[Message] = []
        self._arrived = asyncio.Condition()
        self._ended = False

    async def send(self, message: Message) -> None:
        await self._write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")

    async def take(self, line: str | bytes) -> None:
        """Receive a line; an empty one is the end."""
        await self.reads.wait()
        message = json.loads(line) if line else {}
        if "method" in message and "id" in message and (answer := self.answer_to(message)) is not None:
            await self.send({"id": message["id"]} | answer)
        async with self._arrived:
            if line:
                self._messages.append(message)
            else:
                self._ended = True
            self._arrived.notify_all()

    async def start(self, method: str, params: Message | None = None) -> int:
        """Send a request; returns its id."""
        number = next(self._ids)
        await self.send({"id": number, "method": method} | ({} if params is None else {"params": params}))
        return number

    async def answer(self, number: int) -> Message:
        return await self.until(lambda message: message.get("id") == number and "method" not in message)

    async def request(self, method: str, params: Message | None = None) -> Message:
        return await self.answer(await self.start(method, params))

    async def call(self, tool: str, arguments: Message | None = None, **params: object) -> Message:
        return await self.request("tools/call", {"name": tool, "arguments": arguments or {}} | params)

    async def tools(self) -> list[str]:
        return [tool["name"] for tool in (await self.request("tools/list"))["result"]["tools"]]

    async def until_tools(self, expected: set[str]) -> None:
        """Wait until these tools, and list_robots, are offered; each time that it is told of a change."""
        while set(await self.tools()) != expected | {"list_robots"}:
            await self.notified("notifications/tools/list_changed")

    async def notified(self, method: str) -> Message:
        return await self.until(lambda message: message.get("method") == method and "id" not in message)

    async def until(self, wanted: Callable[[Message], bool]) -> Message:
        """The first message that fits, of those not taken yet or to come."""
        async with asyncio.timeout(DEADLINE_S), self._arrived:
            while True:
                for index, message in enumerate(self._messages):
                    if wanted(message):
                        return self._messages.pop(index)
                assert not self._ended
                await self._arrived.wait()

    async def handshake(self, capabilities: Message | None = None, version: str = "2025-11-25") -> Message:
        params = {
            "protocolVersion": version,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "raw", "version": "1"},
        }
        answer = await self.request("initialize", params)
        await self.send({"method": "notifications/initialized"})
        result: Message = answer["result"]
        return result


class _Output:
    """stdout, as the SDK's stdio transport writes to it."""

    def __init__(self, agent: RawAgent) -> None:
        self._agent = agent

    async def write(self, line: str) -> None:
        await self._agent.take(line)

    async def flush(self) -> None:
        """Nothing is kept back."""


@contextlib.asynccontextmanager
async def raw_agent(
    broker: PrivateBroker,
    *wanted: str,
    capabilities: Message | None = None,
    backoff: Backoff | None = None,
    handshake: bool = True,
    channel: Sequence[str] = (),
    progress_every_s: float = 10.0,
) -> AsyncIterator[RawAgent]:
    """A raw agent, with a session if there is a handshake; the bridge runs here, behind the SDK's stdio transport."""
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    agent = RawAgent(lines.put)

    async def stdin() -> AsyncIterator[str]:
        while line := await lines.get():
            yield line.decode()

    async def serve() -> None:
        bridge = Bridge(channel, progress_every_s=progress_every_s)
        pool = robots(
            Broker.from_url(broker.url),
            wanted=wanted,
            client_id="bridge",
            on_event=bridge.on_event,
            backoff=backoff or fast_backoff(),
        )
        async with pool as found:
            bridge.serve(found)
            streams: Any = stdin(), _Output(agent)
            async with stdio_server(*streams) as (read, write):
                await serve_agent(bridge.server, read, write)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve())
        if handshake:
            await agent.handshake(capabilities)
        yield agent
        await lines.put(b"")


class BridgeProcess:
    """``robot-node bridge`` as a desktop agent starts it."""

    def __init__(
        self, process: WarmProcess, stdin: asyncio.WriteTransport, stdout: asyncio.StreamReader, log: Path
    ) -> None:
        self.process = process
        self._stdin = stdin
        self._stdout = stdout
        self._log = log
        self.agent = RawAgent(self._write)
        self._reader = asyncio.create_task(self._read())

    @property
    def log(self) -> str:
        """What it wrote to stderr."""
        return self._log.read_text()

    async def leave(self) -> int:
        """Close stdin; returns the exit status."""
        self._stdin.close()
        return await self.ended()

    async def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), DEADLINE_S)

    async def stop(self) -> None:
        self.process.kill()
        await self.process.wait()
        self._stdin.close()
        await self._reader

    async def _write(self, line: bytes) -> None:
        self._stdin.write(line)

    async def _read(self) -> None:
        async for line in self._stdout:
            await self.agent.take(line)  # which fails when stdout carries anything else
        await self.agent.take("")


@contextlib.asynccontextmanager
async def bridge_process(
    broker: PrivateBroker | None, folder: Path, *options: str, extra: dict[str, str] | None = None
) -> AsyncIterator[BridgeProcess]:
    """The bridge, not yet spoken to."""
    log, loop = folder / "bridge.log", asyncio.get_running_loop()
    (stdin, to_bridge), (from_bridge, stdout) = os.pipe(), os.pipe()
    with os.fdopen(stdin), os.fdopen(stdout, "wb"), log.open("ab") as stderr:  # it has its own
        its_environment = environment(broker, FAST | (extra or {}))
        process = warm_start.start(("bridge", *options), its_environment, stdout, stderr.fileno(), stdin=stdin)
    writer, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(to_bridge, "wb"))
    reader = asyncio.StreamReader(limit=2**26)
    received, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_bridge, "rb")
    )
    bridge = BridgeProcess(process, writer, reader, log)
    try:
        yield bridge
    finally:
        await bridge.stop()
        received.close()
        print(bridge.log)


class ScriptedRobot:
    """An MCP server over MQTT, written down message by message, so that it can say what no SDK would."""

    def __init__(self, client: aiomqtt.Client, server_id: str, server_name: str, tools: list[Message]) -> None:
        self.client = client
        self.tools = tools
        self.received: asyncio.Queue[Message] = asyncio.Queue()
        self.on_call: Callable[[Message], list[Message]] = lambda _: []
        self.deaf = False
        self.description = "scripted"
        self.capabilities: Message = {"tools": {}}
        self.results: dict[str, Message] = {}
        self.refusals: dict[str, Message] = {}
        self._where = f"{server_id}/{server_name}"
        self._id = server_id
        self._agent = ""

    async def publish(self, topic: str, message: Message | None, *, retain: bool = False) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.UserProperty = [("MCP-COMPONENT-TYPE", "mcp-server"), ("MCP-MQTT-CLIENT-ID", self._id)]
        payload = b"" if message is None else json.dumps(message).replace("Infinity", "1e400").encode()
        await self.client.publish(topic, payload, 1, retain, properties)

    async def say(self, message: Message) -> None:
        """Send a message to the bridge."""
        await self.publish(f"$mcp-rpc/{self._agent}/{self._where}", {"jsonrpc": "2.0"} | message)

    async def announce(self, method: str, params: Message) -> None:
        """Tell all clients of a change."""
        await self.publish(
            f"$mcp-server/capability/{self._where}", {"jsonrpc": "2.0", "method": method, "params": params}
        )

    async def online(self) -> None:
        await self.client.subscribe([(f"$mcp-server/{self._where}", 1), (f"$mcp-rpc/+/{self._where}", 1)])
        params = {"description": self.description}
        said = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": params}
        await self.publish(f"$mcp-server/presence/{self._where}", said, retain=True)

    async def offline(self) -> None:
        await self.publish(f"$mcp-server/presence/{self._where}", None, retain=True)

    async def serve(self) -> None:
        async for incoming in self.client.messages:
            properties = dict(getattr(incoming.properties, "UserProperty", ()))
            if properties.get("MCP-COMPONENT-TYPE") == "mcp-server":
                continue
            self._agent = properties["MCP-MQTT-CLIENT-ID"]
            message = json.loads(incoming.payload)
            await self.received.put(message)
            for answer in self._answers(message):
                await self.say({"id": message["id"]} | answer if "method" not in answer else answer)

    def _answers(self, message: Message) -> list[Message]:
        method = str(message.get("method"))
        if self.deaf or not {"id", "method"} <= message.keys():
            return []
        if method in self.refusals:
            return [self.refusals[method]]
        if method == "tools/call":
            return self.on_call(message)
        info = {"name": "scripted", "version": "1"}
        known = {"protocolVersion": "2025-03-26", "capabilities": self.capabilities, "serverInfo": info}
        results = {"initialize": known, "tools/list": {"tools": self.tools}} | self.results
        return [{"result": results[method]} if method in results else {"error": {"code": -32601, "message": "No."}}]

    async def until(self, wanted: Callable[[Message], bool]) -> Message:
        async with asyncio.timeout(DEADLINE_S):
            while not wanted(message := await self.received.get()):
                pass
        return message


@contextlib.asynccontextmanager
async def scripted_robot(
    broker: PrivateBroker,
    tools: list[Message],
    *,
    server_id: str = "scripted",
    server_name: str = "tests/scripted",
    description: str = "scripted",
    results: dict[str, Message] | None = None,
) -> AsyncIterator[ScriptedRobot]:
    """A scripted robot that is online.

    Args:
        broker: Where.
        tools: What it offers.
        server_id: Its id.
        server_name: Its name.
        description: What its presence says.
        results: What it answers to further methods.
    """
    async with aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        identifier=server_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    ) as client:
        robot = ScriptedRobot(client, server_id, server_name, tools)
        robot.description = description
        if results is not None:
            robot.results = results
            robot.capabilities = {"tools": {}, "resources": {"subscribe": True}}
        serving = asyncio.create_task(robot.serve())
        await robot.online()
        try:
            yield robot
        finally:
            serving.cancel()
            await asyncio.wait([serving])
            await robot.offline()
