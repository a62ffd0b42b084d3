"""Cost of a tool call over MQTT, compared with a bare echo through the same broker and the official SDK's transports.

``python -m benchmarks.tool_call`` prints one JSON line; times in milliseconds, ``p50_ms`` and ``p99_ms`` being those
of a call over MQTT at QoS 0:

* ``p50_ratio_to_floor``: p50 over the sum of what nothing can save, an echo through the broker and a call in memory.
  Target: at most 1.25.
* ``p50_ratio_to_stdio``: p50 over that of a call over stdio. Target: below 1.
* ``qos1_ratio``: p50 at QoS 1, on both sides, over p50 at QoS 0. Target: at most 1.5.
* ``p50_ratio_to_echo``: how many echoes a call costs. Target: at most 3.
* ``echo_p50_ms``: a payload of the same size sent to a peer and back, with the same MQTT client library (aiomqtt) as
  it comes, TCP_NODELAY set as we set it; ``adapted_echo_p50_ms``: the same over our adaptation of that library.
* ``memory_p50_ms``, ``stdio_p50_ms``, ``http_p50_ms``, ``qos1_p50_ms``: the same call of the same tool, in one process
  with the server, over stdio, over streamable HTTP, and over MQTT at QoS 1.
* ``at_once_ms``: for each of these ways the p50 of 16 calls at once, until the last is answered.
* ``first_result_ms``: for each way of calling the median time from opening a connection to the result of its first
  call. Over stdio that starts the server, which the other ways find running.

The broker, each server, each echoing peer and the caller are processes of their own; all ways take turns, in rounds,
after a warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from mcp import Client, StdioServerParameters

from benchmarks._add import ADD, ARGUMENTS, server_with_add
from benchmarks._echo import Ask, echoing, echoing_adapted, serve_adapted_echo, serve_echo
from benchmarks._processes import LOOPBACK, READY, peer, reply
from benchmarks._report import command_line, percentile, positive, print_result, progress, times_ms
from robot_node.apps.private_broker import PrivateBroker, free_port
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.server import ServerLimits, ServerOptions, serve
from robot_node.mqtt import Broker

_SERVER_NAME = "robot-node/benchmark"
_SERVER_IDS = ("qos0", "qos1")
_AT_ONCE = 16
_ROUNDS = 10
_WARM_UP = 50
_MOST_CONNECTIONS = 5
_CALLS_PER_CONNECTION = 200


async def _serve_mqtt(qos: int, url: str) -> None:
    options = ServerOptions(server_id=_SERVER_IDS[qos], server_name=_SERVER_NAME, limits=ServerLimits(qos=qos))
    await serve(Broker.from_url(url), server_with_add(), options, on_online=_say_ready)


async def _serve_http(port: str) -> None:
    serving = asyncio.create_task(server_with_add().run_streamable_http_async(host=LOOPBACK, port=int(port)))
    while not serving.done():
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection(LOOPBACK, int(port))
            writer.close()
            break
        await asyncio.sleep(0.02)
    _say_ready()
    await serving


def _say_ready() -> None:
    reply(READY)


_ROLES: dict[str, Callable[[str], Coroutine[Any, Any, None]]] = {
    "echo": lambda url: serve_echo(Broker.from_url(url)),
    "adapted-echo": lambda url: serve_adapted_echo(Broker.from_url(url)),
    "http": _serve_http,
    "mqtt": partial(_serve_mqtt, 0),
    "mqtt-qos1": partial(_serve_mqtt, 1),
}


def _clients(broker: Broker, http_port: int) -> dict[str, Callable[[], Client]]:
    """For each way of calling, what makes a client."""
    stdio = StdioServerParameters(command=sys.executable, args=["-m", "benchmarks._add"])

    def over_mqtt(qos: int) -> Client:
        return Client(mqtt_transport(broker, _SERVER_IDS[qos], _SERVER_NAME, qos=qos))

    return {
        "memory": lambda: Client(server_with_add()),
        "stdio": lambda: Client(stdio),
        "http": lambda: Client(f"http://{LOOPBACK}:{http_port}/mcp"),
        "mqtt": lambda: over_mqtt(0),
        "mqtt_qos1": lambda: over_mqtt(1),
    }


@contextlib.asynccontextmanager
async def _calling(client: Client) -> AsyncIterator[Ask]:
    async with client:

        async def ask(at_once: int) -> None:
            await asyncio.gather(*(client.call_tool(ADD, ARGUMENTS) for _ in range(at_once)))

        yield ask


async def _first_result(make_client: Callable[[], Client]) -> None:
    async with make_client() as client:
        await client.call_tool(ADD, ARGUMENTS)


async def measure(calls: int) -> dict[str, Any]:
    """Measure in turn.

    Args:
        calls: Calls, and echoes, to measure, and as many again 16 at once.

    Returns:
        What is printed.
    """
    connections = min(_MOST_CONNECTIONS, -(-calls // _CALLS_PER_CONNECTION))
    async with contextlib.AsyncExitStack() as stack:
        private = await stack.enter_async_context(PrivateBroker())
        http_port = free_port()
        for role in _ROLES:
            where = str(http_port) if role == "http" else private.url
            await stack.enter_async_context(peer("benchmarks.tool_call", "--peer", role, where))
        broker = Broker.from_url(private.url)
        clients = _clients(broker, http_port)
        first = {way: await _first_results(make, connections) for way, make in clients.items()}
        asks = {
            "echo": await stack.enter_async_context(echoing(broker)),
            "adapted_echo": await stack.enter_async_context(echoing_adapted(broker)),
            **{way: await stack.enter_async_context(_calling(make())) for way, make in clients.items()},
        }
        single = await _in_turn(asks, calls, at_once=1)
        progress("16 at once")
        together = await _in_turn(asks, -(-calls // _AT_ONCE), at_once=_AT_ONCE)
    p50 = {way: percentile(times, 50) for way, times in single.items()}
    return {
        "calls": len(single["mqtt"]),
        "p50_ms": round(p50["mqtt"], 3),
        "p99_ms": round(percentile(single["mqtt"], 99), 3),
        "p50_ratio_to_floor": round(p50["mqtt"] / (p50["echo"] + p50["memory"]), 2),
        "p50_ratio_to_stdio": round(p50["mqtt"] / p50["stdio"], 2),
        "qos1_ratio": round(p50["mqtt_qos1"] / p50["mqtt"], 2),
        "p50_ratio_to_echo": round(p50["mqtt"] / p50["echo"], 2),
        "echo_p50_ms": round(p50["echo"], 3),
        "adapted_echo_p50_ms": round(p50["adapted_echo"], 3),
        "memory_p50_ms": round(p50["memory"], 3),
        "stdio_p50_ms": round(p50["stdio"], 3),
        "http_p50_ms": round(p50["http"], 3),
        "qos1_p50_ms": round(p50["mqtt_qos1"], 3),
        "at_once": _AT_ONCE,
        "at_once_ms": {way: round(percentile(times, 50), 2) for way, times in together.items()},
        "first_result_ms": {way: round(time, 1) for way, time in first.items()},
    }


async def _first_results(make_client: Callable[[], Client], connections: int) -> float:
    return statistics.median(await times_ms(lambda: _first_result(make_client), connections))


async def _in_turn(asks: Mapping[str, Ask], count: int, *, at_once: int) -> dict[str, list[float]]:
    """Times in milliseconds of each way."""
    times: dict[str, list[float]] = {way: [] for way in asks}
    for ask in asks.values():
        await times_ms(partial(ask, at_once), -(-_WARM_UP // at_once))
    for number in range(_ROUNDS):
        progress(f"round {number + 1} of {_ROUNDS}")
        for way, ask in asks.items():
            times[way] += await times_ms(partial(ask, at_once), -(-count // _ROUNDS))
    return times


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.tool_call", __doc__)
    parser.add_argument("--calls", type=positive, default=1000, metavar="N", help="calls to measure (default: 1000)")
    parser.add_argument("--peer", nargs=2, metavar=("ROLE", "WHERE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        role, where = arguments.peer
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_ROLES[role](where))
    else:
        print_result(measure(arguments.calls))


if __name__ == "__main__":
    main()
