"""Run the bridge: over stdio for one agent, or over streamable HTTP for several."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Sequence
from typing import cast

import anyio
from mcp.server.stdio import stdio_server

from robot_node.apps.bridge.http import HttpAddress, serve_http
from robot_node.apps.bridge.robots import robots
from robot_node.apps.bridge.server import Bridge
from robot_node.apps.bridge.stdio import stdin_lines
from robot_node.core.web_server import listen
from robot_node.mcp_mqtt.topics import check_client_id
from robot_node.mqtt import Backoff, Broker


async def run_bridge(
    broker: Broker,
    *,
    wanted: Sequence[str] = (),
    http: HttpAddress | None = None,
    client_id: str | None = None,
    backoff: Backoff | None = None,
) -> None:
    """Serve agents until the one on stdin leaves, or until cancelled.

    Args:
        broker: Where the robots are. It need not be reachable.
        wanted: Server ids and server names of the robots to offer; all by default.
        http: Listen here, instead of reading stdin.
        client_id: Our MQTT client id; ``robot-node-bridge-`` and random digits by default.
        backoff: Delays between attempts to connect to the broker.

    Raises:
        SettingsError: the client id cannot be used, or nobody can listen at the address.
    """
    own_id = check_client_id(client_id or f"robot-node-bridge-{secrets.token_hex(4)}")
    bridge = Bridge()
    with contextlib.ExitStack() as stack:
        remedy = "Choose another address or port."
        listener = stack.enter_context(await listen(http.host, http.port, remedy=remedy)) if http else None
        async with robots(broker, wanted=wanted, client_id=own_id, on_event=bridge.on_event, backoff=backoff) as pool:
            bridge.serve(pool)
            if http is None or listener is None:
                await _serve_stdio(bridge)
            else:
                _say_where(http, listener.getsockname()[1])
                await serve_http(bridge.server, http, listener)


async def _serve_stdio(bridge: Bridge) -> None:
    if sys.stdin.isatty():
        sys.stderr.write("Waiting for an agent on stdin. Agents start this command themselves: see --print-config.\n")
    descriptor = os.dup(sys.stdin.fileno())
    lines = cast("anyio.AsyncFile[str]", stdin_lines(descriptor))  # the transport only iterates over it
    async with stdio_server(stdin=lines) as (read, write):
        await bridge.server.run(read, write, bridge.server.create_initialization_options())


def _say_where(address: HttpAddress, port: int) -> None:
    sys.stderr.write(f"Robots as MCP tools at {address.url(port)}\n")
    if not address.is_loopback:
        sys.stderr.write("Whoever reaches this address may use the robots: the bridge asks for no password.\n")
    sys.stderr.flush()
