"""An agent with one of the benchmark's robots: the official SDK's client over MQTT."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from mcp import Client

from benchmarks._processes import server_of
from benchmarks._report import BenchmarkError
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker


@contextlib.asynccontextmanager
async def agent(broker: Broker, server_id: str) -> AsyncIterator[Client]:
    """A client with an open session with a robot."""
    server = server_of(server_id)
    async with Client(mqtt_transport(broker, server.server_id, server.server_name)) as client:
        yield client


async def switch_camera(client: Client, *, enabled: bool) -> None:
    """Switch a robot's camera; returns when it is on, or off.

    Raises:
        BenchmarkError: the robot could not.
    """
    result = await client.call_tool("control_camera", {"enabled": enabled})
    if result.is_error:
        raise BenchmarkError(f"The camera could not be switched: {result.content}.")
