"""What a tool call over MQTT costs, beside a bare request/response echo through the same broker.

``python -m benchmarks.tool_call`` prints one JSON line; times in milliseconds:

* ``p50_ms``, ``p99_ms``: a call of a trivial tool by the official SDK's client.
* ``echo_p50_ms``: a payload of the same size sent to a peer and back, with the same MQTT client library (aiomqtt) as
  it comes, TCP_NODELAY set as we set it.
* ``p50_ratio_to_echo``: how many echoes a tool call costs. Target: at most 3.
* ``adapted_echo_p50_ms``: the same echo over our adaptation of that library (``robot_node.mqtt``), for comparison.

The broker, the MCP server, each echoing peer and the caller are processes of their own; calls and echoes take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import aiomqtt
from mcp import Client
from mcp.server import MCPServer

from benchmarks._processes import READY, peer, reply
from benchmarks._report import command_line, percentile, positive, print_result, times_ms
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.server import ServerOptions, serve
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.private_broker import PrivateBroker

_SERVER_ID, _SERVER_NAME = "benchmark", "robot-node/benchmark"
_REQUEST, _RESPONSE = "benchmark/echo/request", "benchmark/echo/response"
_ADAPTED = "adapted/"
# As many bytes as the tool call puts on the wire, properties aside.
_PAYLOAD = b"x" * 300
_ROUNDS = 10
_WARM_UP = 50


async def _serve_tool(broker: Broker) -> None:
    server = MCPServer("benchmark", log_level="WARNING")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    await serve(broker, server, ServerOptions(server_id=_SERVER_ID, server_name=_SERVER_NAME), on_online=_say_ready)


def _bare_client(broker: Broker, client_id: str) -> aiomqtt.Client:
    return aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )


async def _serve_echo(broker: Broker) -> None:
    async with _bare_client(broker, "echo") as client:
        await client.subscribe(_REQUEST)
        _say_ready()
        async for message in client.messages:
            await client.publish(_RESPONSE, message.payload)


async def _serve_adapted_echo(broker: Broker) -> None:
    requests: asyncio.Queue[Incoming] = asyncio.Queue()
    async with connect(broker, ConnectOptions(client_id="adapted-echo"), requests.put_nowait) as connection:
        await connection.subscribe(Subscription(_ADAPTED + _REQUEST))
        _say_ready()
        while True:
            request = await requests.get()
            await connection.publish(_ADAPTED + _RESPONSE, request.payload)


def _say_ready() -> None:
    reply(READY)


@contextlib.asynccontextmanager
async def _echoing(broker: Broker) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    async with _bare_client(broker, "asker") as client:
        await client.subscribe(_RESPONSE)
        messages = aiter(client.messages)

        async def echo() -> object:
            await client.publish(_REQUEST, _PAYLOAD)
            return await anext(messages)

        yield echo


@contextlib.asynccontextmanager
async def _echoing_adapted(broker: Broker) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    responses: asyncio.Queue[Incoming] = asyncio.Queue()

    async with connect(broker, ConnectOptions(client_id="adapted-asker"), responses.put_nowait) as connection:
        await connection.subscribe(Subscription(_ADAPTED + _RESPONSE))

        async def echo() -> object:
            await connection.publish(_ADAPTED + _REQUEST, _PAYLOAD)
            return await responses.get()

        yield echo


@contextlib.asynccontextmanager
async def _calling(broker: Broker) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    async with Client(mqtt_transport(broker, _SERVER_ID, _SERVER_NAME)) as client:
        yield lambda: client.call_tool("add", {"a": 40, "b": 2})


async def measure(calls: int) -> dict[str, float]:
    """Measure in turn.

    Args:
        calls: Tool calls, and echoes, to measure.

    Returns:
        What is printed.
    """
    times: dict[str, list[float]] = {"echo": [], "adapted": [], "call": []}
    async with contextlib.AsyncExitStack() as stack:
        private = await stack.enter_async_context(PrivateBroker())
        for role in _ROLES:
            await stack.enter_async_context(peer("benchmarks.tool_call", "--peer", role, private.url))
        broker = Broker.from_url(private.url)
        actions = {
            "echo": await stack.enter_async_context(_echoing(broker)),
            "adapted": await stack.enter_async_context(_echoing_adapted(broker)),
            "call": await stack.enter_async_context(_calling(broker)),
        }
        for action in actions.values():
            await times_ms(action, _WARM_UP)
        for _ in range(_ROUNDS):
            for name, action in actions.items():
                times[name] += await times_ms(action, -(-calls // _ROUNDS))
    p50 = {name: percentile(values, 50) for name, values in times.items()}
    return {
        "calls": len(times["call"]),
        "p50_ms": round(p50["call"], 3),
        "p99_ms": round(percentile(times["call"], 99), 3),
        "echo_p50_ms": round(p50["echo"], 3),
        "p50_ratio_to_echo": round(p50["call"] / p50["echo"], 2),
        "adapted_echo_p50_ms": round(p50["adapted"], 3),
    }


_ROLES = {"server": _serve_tool, "echo": _serve_echo, "adapted-echo": _serve_adapted_echo}


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.tool_call", __doc__)
    parser.add_argument("--calls", type=positive, default=1000, metavar="N", help="calls to measure (default: 1000)")
    parser.add_argument("--peer", nargs=2, metavar=("ROLE", "BROKER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        role, url = arguments.peer
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_ROLES[role](Broker.from_url(url)))
    else:
        print_result(measure(arguments.calls))


if __name__ == "__main__":
    main()
