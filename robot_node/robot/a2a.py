"""A2A over MQTT: announces the robot by a retained Agent Card, to agents that look for others on the broker.

Source: EMQX, A2A over MQTT 0.1, "MQTT Transport"; A2A 1.0, AgentCard. The robot answers no A2A requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mcp_types import Tool

from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.implementation import VERSION
from robot_node.mqtt import Broker, Connection, ConnectOptions, Will
from robot_node.mqtt.reconnect import keep_connected
from robot_node.settings.root import A2aSettings, RobotSettings, Settings

BINDING = "https://github.com/emqx/mcp-over-mqtt"
"""How the robot is called. A2A 1.0: bindings that are not of the specification are named by a URI."""

_ONLINE = (("a2a-status", "online"), ("a2a-status-source", "agent"))


def agent_name(settings: A2aSettings, server_id: str) -> str:
    """Return the robot's name among agents, ``organization/unit/agent``."""
    return f"{settings.organization}/{settings.unit}/{settings.agent or re.sub(r'[^A-Za-z0-9_.-]', '_', server_id)}"


def discovery_topic(name: str) -> str:
    """Return the topic of an agent's card."""
    return f"$a2a/v1/discovery/{name}"


def agent_card(robot: RobotSettings, broker: Broker, tools: Sequence[Tool]) -> dict[str, Any]:
    """Return the robot's Agent Card: each of its tools is a skill.

    Args:
        robot: Its identity.
        broker: Where agents call it; credentials don't show.
        tools: As MCP lists them.
    """
    where = {"serverId": robot.server_id, "serverName": robot.server_name}
    extension = {"uri": BINDING, "description": "Call it with MCP over MQTT.", "required": True, "params": where}
    return {
        "name": robot.server_name,
        "description": robot.description,
        "version": VERSION,
        "supportedInterfaces": [
            {"url": str(broker.addresses[0]), "protocolBinding": BINDING, "protocolVersion": "1.0"}
        ],
        "capabilities": {"streaming": False, "pushNotifications": False, "extensions": [extension]},
        "defaultInputModes": ["application/json"],
        "defaultOutputModes": ["application/json", "text/plain", "image/jpeg"],
        "skills": [
            {
                "id": tool.name,
                "name": tool.title or tool.name,
                "description": tool.description or tool.name,
                "tags": ["mcp", "tool"],
            }
            for tool in tools
        ],
    }


async def publish_card(
    settings: Settings, list_tools: Callable[[], Awaitable[Sequence[Tool]]], online: asyncio.Event
) -> None:
    """Publish the card until cancelled, then clear it. If the robot dies instead, its will clears it.

    Args:
        settings: Those of the robot.
        list_tools: Returns its tools, as MCP lists them.
        online: Set when the robot is reachable: it is not announced before.
    """
    await online.wait()
    name = agent_name(settings.a2a, settings.robot.server_id)
    topic = discovery_topic(name)
    card = json.dumps(agent_card(settings.robot, settings.broker, await list_tools())).encode()
    # A connection of its own: the client id has to be the agent's name, and EMQX refuses cards of other clients.
    options = ConnectOptions(client_id=name, will=Will(topic, retain=True), publish_properties=_ONLINE)

    async def serve(connection: Connection) -> None:
        await connection.publish(topic, card, qos=1, retain=True)
        try:
            await asyncio.Event().wait()
        finally:
            with contextlib.suppress(BrokerError):
                await connection.publish(topic, b"", qos=1, retain=True)

    await keep_connected(settings.broker, options, serve, name="A2A card", backoff=settings.broker.backoff())
