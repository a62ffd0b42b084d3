"""A stand-in for EMQX's MCP bridge plugin: what emqx/emqx_mcp_bridge (60fb59a) says and hears, as an MQTT client.

The plugin is a part of EMQX, which no package registry has. It hooks each PUBLISH: a presence message makes it send
``initialize`` (client id and request id never change), the result of that ``notifications/initialized`` and
``tools/list``. It takes messages with ``result`` and drops all others, pings and errors too. It has no will, and never
leaves. A call that is not answered within 5 s is an error; its late answer is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from robot_node.apps.private_broker import PrivateBroker

CLIENT_ID = "emqx_mcp_bridge"
CALL_LIMIT_S = 5.0

_INIT_ID, _LIST_ID = "init_1", "list_tools_1"
_INITIALIZE = {
    "protocolVersion": "2024-11-05",
    "clientInfo": {"name": CLIENT_ID, "version": "1.0.0", "title": "EMQX MCP Bridge"},
    "capabilities": {},
}


class EmqxBridgePlugin:
    """The plugin. Made by :func:`emqx_bridge_plugin`.

    Attributes:
        welcomes: The results of ``initialize``, in order.
        tools: The tools by server name, as it would offer them over HTTP.
        late: Results of calls that it had given up.
        dropped: Messages that it did not take: requests, notifications and errors.
    """

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._numbers = itertools.count(1)
        self._calls: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.welcomes: list[dict[str, Any]] = []
        self.tools: dict[str, list[dict[str, Any]]] = {}
        self.late: list[dict[str, Any]] = []
        self.dropped: list[dict[str, Any]] = []

    async def call(
        self, server_id: str, server_name: str, tool: str, arguments: dict[str, Any], *, limit_s: float = CALL_LIMIT_S
    ) -> dict[str, Any]:
        """Call a tool.

        Raises:
            TimeoutError: no result came in time. The plugin sends no cancellation.
        """
        number = f"{next(self._numbers):032X}"  # the id of the MQTT message
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            params = {"name": tool, "arguments": arguments}
            await self._send(f"$mcp-rpc/{CLIENT_ID}/{server_id}/{server_name}", "tools/call", params, number)
            async with asyncio.timeout(limit_s):
                result: dict[str, Any] = await answer
                return result
        finally:
            del self._calls[number]

    async def read(self) -> None:
        """Hook what is published, until cancelled."""
        async for message in self._client.messages:
            kind, _, rest = message.topic.value.partition("/")
            body = message.payload
            assert isinstance(body, bytes)
            if kind == "$mcp-server" and body:
                server = rest.removeprefix("presence/")
                if json.loads(body).get("method") == "notifications/server/online":
                    await self._send(f"$mcp-server/{server}", "initialize", _INITIALIZE, _INIT_ID)
            elif kind == "$mcp-rpc":
                server_id, _, server_name = rest.removeprefix(f"{CLIENT_ID}/").partition("/")
                await self._on_rpc(server_id, server_name, json.loads(body))

    async def _on_rpc(self, server_id: str, server_name: str, message: dict[str, Any]) -> None:
        if "result" not in message:
            self.dropped.append(message)
        elif message["id"] == _INIT_ID:
            self.welcomes.append(message["result"])
            topic = f"$mcp-rpc/{CLIENT_ID}/{server_id}/{server_name}"
            await self._send(topic, "notifications/initialized")
            await self._send(topic, "tools/list", {}, _LIST_ID)
        elif message["id"] == _LIST_ID:
            self.tools[server_name] = message["result"]["tools"]
        elif (call := self._calls.get(message["id"])) is not None:
            call.set_result(message["result"])
        else:
            self.late.append(message["result"])

    async def _send(
        self, topic: str, method: str, params: dict[str, Any] | None = None, request_id: str | None = None
    ) -> None:
        message = {"jsonrpc": "2.0", "method": method}
        optional = {"params": params, "id": request_id}
        full = message | {key: value for key, value in optional.items() if value is not None}
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.UserProperty = ("MCP-COMPONENT-TYPE", "mcp-client")
        properties.UserProperty = ("MCP-MQTT-CLIENT-ID", CLIENT_ID)
        await self._client.publish(topic, json.dumps(full).encode(), 1, properties=properties)


@contextlib.asynccontextmanager
async def emqx_bridge_plugin(broker: PrivateBroker) -> AsyncIterator[EmqxBridgePlugin]:
    """The plugin of this broker."""
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, identifier=CLIENT_ID, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        plugin = EmqxBridgePlugin(client)
        options = SubscribeOptions(qos=1, noLocal=True)
        await client.subscribe([("$mcp-server/presence/+/#", options), (f"$mcp-rpc/{CLIENT_ID}/#", options)])
        reading = asyncio.create_task(plugin.read())
        try:
            yield plugin
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.result()
