"""Raw MQTT peers, which can say anything, and the words that they say it with."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.waiting import DEADLINE_S

SERVER_ID = "robot-1"
SERVER_NAME = "robot-node/kitchen"
CONTROL = f"$mcp-server/{SERVER_ID}/{SERVER_NAME}"
PRESENCE = f"$mcp-server/presence/{SERVER_ID}/{SERVER_NAME}"
CAPABILITY = f"$mcp-server/capability/{SERVER_ID}/{SERVER_NAME}"
"""How long a test waits for what must come; never how long it takes."""


def rpc_topic(client_id: str) -> str:
    return f"$mcp-rpc/{client_id}/{SERVER_ID}/{SERVER_NAME}"


def request(request_id: int | str, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return message if params is None else message | {"params": params}


def initialize(request_id: int | str = 0, *, version: str = "1") -> dict[str, Any]:
    """The request, of a client whose own version makes it another one."""
    client_info = {"name": "raw", "version": version}
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
    def json(self) -> Any:
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
        async with asyncio.timeout(DEADLINE_S):
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

    async def open_session(self, *, version: str = "1") -> dict[str, Any]:
        await self.control(initialize(version=version))
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


async def until_set(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await event.wait()
