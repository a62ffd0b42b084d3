"""Runs the bridge: over stdio for one agent, or over streamable HTTP for several."""

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
from robot_node.apps.bridge.stdio import serve_agent, stdin_lines
from robot_node.apps.bridge.tokens import HttpAccess
from robot_node.core.web_server import listen
from robot_node.mcp_mqtt.topics import check_client_id
from robot_node.mqtt import Backoff, Broker


async def run_bridge(
    broker: Broker,
    *,
    wanted: Sequence[str] = (),
    http: HttpAddress | None = None,
    access: HttpAccess | None = None,
    client_id: str | None = None,
    channel: Sequence[str] = (),
    backoff: Backoff | None = None,
) -> None:
    """Serve agents until stdin is closed, or until cancelled.

    Args:
        broker: The robots' broker; it need not be reachable.
        wanted: Server ids and server names of the robots to serve; all by default.
        http: Address to listen on, instead of stdio.
        access: Who may use the bridge over HTTP; by default everybody, on loopback.
        client_id: MQTT client id; ``robot-node-bridge-`` and random digits by default.
        channel: Kinds of events that arrive in the session of an agent on stdio, unasked.
        backoff: Delays between attempts to connect to the broker.

    Raises:
        SettingsError: The client id is invalid, the address cannot be listened on, or it requires a token.
    """
    access = access or HttpAccess()
    if http is not None:
        http.check(access)
    own_id = check_client_id(client_id or f"robot-node-bridge-{secrets.token_hex(4)}")
    bridge = Bridge(channel)
    with contextlib.ExitStack() as stack:
        remedy = "Choose another address or port."
        listener = stack.enter_context(await listen(http.host, http.port, remedy=remedy)) if http else None
        async with robots(broker, wanted=wanted, client_id=own_id, on_event=bridge.on_event, backoff=backoff) as pool:
            bridge.serve(pool)
            if http is None or listener is None:
                await _serve_stdio(bridge)
            else:
                url = access.public_url or http.url(listener.getsockname()[1])
                sys.stderr.write(f"Robots as MCP tools at {url}{' for those with a token' if access else ''}\n")
                sys.stderr.flush()
                await serve_http(bridge.server, http, listener, access)


async def _serve_stdio(bridge: Bridge) -> None:
    if sys.stdin.isatty():
        sys.stderr.write("Waiting for an agent on stdin. Agents start this command themselves: see --print-config.\n")
    descriptor = os.dup(sys.stdin.fileno())
    lines = cast("anyio.AsyncFile[str]", stdin_lines(descriptor))  # the transport only iterates over it
    async with stdio_server(stdin=lines) as (read, write):
        await serve_agent(bridge.server, read, write)
