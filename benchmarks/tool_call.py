"""What a tool call over MQTT costs, beside a bare request/response echo through the same broker.

``python -m benchmarks.tool_call`` prints one JSON line; times in milliseconds:

* ``p50_ms``, ``p99_ms``: a call of a trivial tool by the official SDK's client.
* ``echo_p50_ms``: a payload of the same size sent to a peer and back, with the same MQTT client library.
* ``p50_ratio_to_echo``: how many echoes a tool call costs. Target: at most 3.

The broker, the MCP server, the echoing peer and the caller are processes of their own; calls and echoes take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from mcp import Client
from mcp.server import MCPServer

from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.server import ServerOptions, serve
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.private_broker import PrivateBroker

_SERVER_ID, _SERVER_NAME = "benchmark", "robot-node/benchmark"
_REQUEST, _RESPONSE = "benchmark/echo/request", "benchmark/echo/response"
# As many bytes as the tool call puts on the wire, properties aside.
_PAYLOAD = b"x" * 300
_ROUNDS = 10
_WARM_UP = 50


async def _serve_tool(broker: Broker) -> None:
    server = MCPServer("benchmark")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    await serve(broker, server, ServerOptions(server_id=_SERVER_ID, server_name=_SERVER_NAME), on_online=_say_ready)


async def _serve_echo(broker: Broker) -> None:
    requests: asyncio.Queue[Incoming] = asyncio.Queue()
    async with connect(broker, ConnectOptions(client_id="echo"), requests.put_nowait) as connection:
        await connection.subscribe(Subscription(_REQUEST))
        _say_ready()
        while True:
            request = await requests.get()
            await connection.publish(_RESPONSE, request.payload)


def _say_ready() -> None:
    print("ready", flush=True)


@contextlib.asynccontextmanager
async def _peer(role: str, broker_url: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.tool_call", "--peer", role, broker_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None  # noqa: S101  # it is a PIPE: told to the type checker
        if await process.stdout.readline() != b"ready\n":
            raise SystemExit(f"The {role} process ended before it was ready.")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _echoing(broker: Broker) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    responses: asyncio.Queue[Incoming] = asyncio.Queue()

    async with connect(broker, ConnectOptions(client_id="asker"), responses.put_nowait) as connection:
        await connection.subscribe(Subscription(_RESPONSE))

        async def echo() -> Incoming:
            await connection.publish(_REQUEST, _PAYLOAD)
            return await responses.get()

        yield echo


@contextlib.asynccontextmanager
async def _calling(broker: Broker) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    async with Client(mqtt_transport(broker, _SERVER_ID, _SERVER_NAME)) as client:
        yield lambda: client.call_tool("add", {"a": 40, "b": 2})


async def _times_ms(action: Callable[[], Awaitable[object]], count: int) -> list[float]:
    times = []
    for _ in range(count):
        start = time.perf_counter()
        await action()
        times.append((time.perf_counter() - start) * 1000)
    return times


async def measure(calls: int) -> dict[str, float]:
    """Measure in turn.

    Args:
        calls: Tool calls, and echoes, to measure.

    Returns:
        What is printed.
    """
    async with PrivateBroker() as private, _peer("server", private.url), _peer("echo", private.url):
        broker = Broker.from_url(private.url)
        async with _echoing(broker) as echo, _calling(broker) as call:
            echoes: list[float] = []
            called: list[float] = []
            for action in (echo, call):
                await _times_ms(action, _WARM_UP)
            for _ in range(_ROUNDS):
                echoes += await _times_ms(echo, -(-calls // _ROUNDS))
                called += await _times_ms(call, -(-calls // _ROUNDS))
    p50, echo_p50 = statistics.median(called), statistics.median(echoes)
    return {
        "calls": len(called),
        "p50_ms": round(p50, 3),
        "p99_ms": round(statistics.quantiles(called, n=100)[98], 3),
        "echo_p50_ms": round(echo_p50, 3),
        "p50_ratio_to_echo": round(p50 / echo_p50, 2),
    }


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tool_call", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--calls", type=int, default=1000, metavar="N", help="calls to measure (default: 1000)")
    parser.add_argument("--peer", nargs=2, metavar=("ROLE", "BROKER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.calls < 1:
        parser.error("--calls must be at least 1")
    if arguments.peer:
        role, url = arguments.peer
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run({"server": _serve_tool, "echo": _serve_echo}[role](Broker.from_url(url)))
    else:
        print(json.dumps(asyncio.run(measure(arguments.calls))))


if __name__ == "__main__":
    main()
