"""Stand-ins for the client and server of EMQX's TypeScript SDK, which npm does not have (``@emqx-ai/mcp-mqtt-sdk``).

They say and hear what its source does (0.2.6). The server serves ``initialize`` on its control topic and ignores all
else there; on RPC topics it knows tools and ``ping``, and ignores requests whose id is 0. The C and ESP32 SDKs' servers
ignore ``server/discover`` too, and their examples have server names without ``/``. The client does not see a server
whose presence does not fit its schema.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from robot_node.apps.private_broker import PrivateBroker
from tests.mcp_mqtt.peers import RawPeer, raw_peer

PROTOCOL_VERSION = "2024-11-05"


@dataclass
class TypescriptServer:
    """A server with the tool ``greet``.

    Attributes:
        opened_by: Methods that came on its control topic.
    """

    server_id: str
    server_name: str
    opened_by: list[str] = field(default_factory=list)

    def answer_control(self, message: dict[str, Any]) -> dict[str, Any] | None:
        self.opened_by.append(message["method"])
        if message["method"] != "initialize" or message.get("id") is None:
            return None
        info = {"name": "Greeter", "version": "1.0.0"}
        return {"protocolVersion": PROTOCOL_VERSION, "capabilities": {"tools": {}}, "serverInfo": info}

    def answer_rpc(self, message: dict[str, Any]) -> dict[str, Any] | None:
        match message.get("method") if message.get("id") else None:
            case "tools/list":
                schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
                return {"tools": [{"name": "greet", "description": "Greet someone", "inputSchema": schema}]}
            case "tools/call":
                return {"content": [{"type": "text", "text": f"Hello, {message['params']['arguments']['name']}!"}]}
            case "ping":
                return {"pong": True}
            case None:
                return None
            case method:
                return {"error": {"code": -32601, "message": f"Method not found: {method}"}}


@contextlib.asynccontextmanager
async def typescript_server(
    broker: PrivateBroker, server_id: str = "greeter-1", server_name: str = "myapp/greeter"
) -> AsyncIterator[TypescriptServer]:
    """The server, online."""
    server = TypescriptServer(server_id, server_name)
    control, presence = (f"$mcp-server/{kind}{server_id}/{server_name}" for kind in ("", "presence/"))
    async with raw_peer(broker, server_id) as peer:
        await peer.subscribe(control, f"$mcp-rpc/+/{server_id}/{server_name}")
        params = {"server_name": server_name, "description": "A greeting server"}
        online = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": params}
        await peer.publish(presence, online, sender=server_id, retain=True)
        serving = asyncio.create_task(_serve(peer, server, control))
        try:
            yield server
        finally:
            serving.cancel()
            await asyncio.wait([serving])
            await peer.publish(presence, b"", sender=server_id, retain=True)


async def _serve(peer: RawPeer, server: TypescriptServer, control: str) -> None:
    while True:
        message = await peer.until(lambda message: bool(message.payload))
        if message.topic == control:
            client_id = dict(message.user_properties)["MCP-MQTT-CLIENT-ID"]
            result = server.answer_control(message.json)
        else:
            client_id = message.topic.split("/")[1]
            result = server.answer_rpc(message.json)
        if result is not None:
            body = result if "error" in result else {"result": result}
            answer = {"jsonrpc": "2.0", "id": message.json["id"]} | body
            topic = f"$mcp-rpc/{client_id}/{server.server_id}/{server.server_name}"
            await peer.publish(topic, answer, sender=server.server_id)


def is_seen_by_client(online: dict[str, Any]) -> bool:
    """Whether a presence message fits the client's schema (``ServerOnlineNotificationSchema``)."""
    params = online.get("params", {})
    meta = params.get("meta", {})
    roles = meta.get("rbac", {"roles": []}).get("roles")
    return (
        isinstance(params.get("server_name"), str)
        and isinstance(params.get("description"), str)
        and isinstance(meta, dict)
        and isinstance(roles, list)
        and all(_is_role(role) for role in roles)
    )


def _is_role(role: dict[str, Any]) -> bool:
    def names(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(name, str) for name in value)

    texts = isinstance(role.get("name"), str) and isinstance(role.get("description"), str)
    lists = [role.get("allowed_tools"), role.get("allowed_resources")]
    return texts and names(role.get("allowed_methods")) and all(each == "all" or names(each) for each in lists)
