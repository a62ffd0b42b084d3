"""An agent of the robot under test: the official SDK's client, and what it asks most often."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from mcp import Client
from mcp_types import CallToolResult, TextContent, TextResourceContents

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.waiting import DEADLINE_S

EVENTS = "robot://events"


@contextlib.asynccontextmanager
async def agent(broker: PrivateBroker, mode: str = "auto", *, client_id: str | None = None) -> AsyncIterator[Client]:
    """The official SDK's client, connected to the robot."""
    address = Broker.from_url(broker.url)
    transport = mqtt_transport(address, SERVER_ID, SERVER_NAME, client_id=client_id, online_timeout_s=DEADLINE_S)
    async with Client(transport, mode=mode) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    """What a result says."""
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


async def structured(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """Call a tool that works; returns its structured content."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def status(client: Client) -> dict[str, Any]:
    """What get_status says."""
    return await structured(client, "get_status", details=True)


async def events(client: Client, after: int = 0) -> list[dict[str, Any]]:
    """What has happened to the robot."""
    (content,) = (await client.read_resource(f"{EVENTS}?after={after}")).contents
    assert isinstance(content, TextResourceContents)
    found: list[dict[str, Any]] = json.loads(content.text)["events"]
    return found
