"""Whether a robot notices how many others there are: many light robots on one broker, and one robot on another.

``python -m benchmarks.fleet`` prints one JSON line:

* ``discover_all_ms``: how long a newcomer takes from connecting until it knows every robot that is online, median.
* ``idle_bytes_per_s``: MQTT traffic per robot with nothing to do, both directions, as mosquitto counts it.
* ``p99_ratio``: p99 of a tool call to a robot among the others, over p99 to a robot that has its broker to itself.
* ``p99_ms``, ``alone_p99_ms``, ``p50_ms``, ``alone_p50_ms``: of these calls.
* ``start_s``: from starting the first process until all robots are online.

Then, on another broker, more robots of which only the presence is simulated, and agents that follow all of them:

* ``presences_discover_ms``: as ``discover_all_ms``, with ``presences`` robots.
* ``agents_ready_s``: from starting the agents' processes until each of the ``agents`` knows every robot.
* ``arrival_ms``: from publishing a presence until the last agent knows of it, median.
* ``agents_p50_ms``, ``agents_p99_ms``: of calls, when each agent calls once a second; ``one_agent_p50_ms``: of one
  agent's, when only this one calls.
* ``broker_mib``: memory that mosquitto has allocated then.

A light robot is an MCP server of one tool, served as a robot serves its own; a few processes share them all. The two
robots that are called have a process each, and both brokers run all the time, so that what the machine does besides
slows down both. Blocks of calls take turns; a percentile is that of a block, and of the blocks the median.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from mcp import Client

from benchmarks._add import ADD, ARGUMENTS, server_with_add
from benchmarks._crowded_fleet import MORE_CLIENTS, all_seen, broker_figures, identity, measure_crowd
from benchmarks._processes import READY, peer, reply
from benchmarks._report import command_line, percentile, positive, print_result, progress, times_ms
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.server import ServerOptions, serve
from robot_node.mqtt import Broker

_PROCESSES = 4
_LEAST_SHARE = 25
_BLOCKS = 8
_WARM_UP = 50
_DISCOVERIES = 5
_SERVED = 20
"""Of the robots with simulated presences, how many can be called."""
_START_LIMIT_S = 120.0
_COUNTERS = ("$SYS/broker/bytes/received", "$SYS/broker/bytes/sent")
_COUNTERS_LAG_S = 2.5
_COUNTERS_EACH_SECOND = "sys_interval 1"


async def _serve_robots(broker: Broker, first: int, count: int) -> None:
    online = 0

    def on_online() -> None:
        nonlocal online
        online += 1
        if online == count:
            reply(READY)

    async with asyncio.TaskGroup() as group:
        for number in range(first, first + count):
            server_id, server_name = identity(number)
            options = ServerOptions(server_id=server_id, server_name=server_name)
            group.create_task(serve(broker, server_with_add(), options, on_online=on_online))


@contextlib.asynccontextmanager
async def _robots(private: PrivateBroker, first: int, count: int) -> AsyncIterator[None]:
    """A process with robots, from when all of them are online."""
    async with peer("benchmarks.fleet", "--peer", private.url, str(first), str(count), start_limit_s=_START_LIMIT_S):
        yield


@contextlib.asynccontextmanager
async def _fleet(private: PrivateBroker, count: int) -> AsyncIterator[None]:
    """That many robots, in a few processes that start at once."""
    share = max(_LEAST_SHARE, -(-count // _PROCESSES))
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            for first in range(0, count, share):
                robots = _robots(private, first, min(share, count - first))
                group.create_task(stack.enter_async_context(robots))
        yield


async def _bytes_so_far(broker: Broker) -> int:
    """What the broker has received and sent since it started."""
    return sum((await broker_figures(broker, *_COUNTERS)).values())


async def _idle_bytes_per_s(crowded: Broker, quiet: Broker, others: int, seconds: float) -> float:
    """Traffic of one robot: by how much that of both brokers differs, which leaves out what asking them costs."""
    await asyncio.sleep(_COUNTERS_LAG_S)
    began = time.monotonic()
    before = await _bytes_so_far(crowded) - await _bytes_so_far(quiet)
    await asyncio.sleep(seconds)
    after = await _bytes_so_far(crowded) - await _bytes_so_far(quiet)
    return (after - before) / others / (time.monotonic() - began)


async def _add(client: Client) -> None:
    await client.call_tool(ADD, ARGUMENTS)


async def measure(count: int, calls: int, seconds: float, presences: int, agents: int) -> dict[str, Any]:
    """Measure.

    Args:
        count: How many robots, at least 2.
        calls: Calls to each of the two robots that are called.
        seconds: How long to count idle traffic.
        presences: How many robots with a simulated presence.
        agents: How many agents that follow these.

    Returns:
        What is printed.
    """
    return await _measure_robots(count, calls, seconds) | await _measure_crowd(presences, agents, seconds)


async def _measure_crowd(presences: int, agents: int, seconds: float) -> dict[str, Any]:
    served = min(_SERVED, presences)
    async with PrivateBroker(extra=MORE_CLIENTS) as private, _robots(private, 0, served):
        return await measure_crowd(presences, agents, max(1, round(seconds)), private, served)


async def _measure_robots(count: int, calls: int, seconds: float) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        crowded = await enter(PrivateBroker(extra=_COUNTERS_EACH_SECOND))
        quiet = await enter(PrivateBroker(extra=_COUNTERS_EACH_SECOND))
        began = time.monotonic()
        await enter(_fleet(crowded, count - 1))
        await enter(_robots(crowded, count - 1, 1))
        start_s = time.monotonic() - began
        await enter(_robots(quiet, count - 1, 1))
        broker = Broker.from_url(crowded.url)
        discoveries = await times_ms(lambda: all_seen(broker, count), _DISCOVERIES)
        progress(f"all {count} seen; now {seconds:g} s of silence")
        idle = await _idle_bytes_per_s(broker, Broker.from_url(quiet.url), count - 1, seconds)
        times: dict[str, list[list[float]]] = {"crowded": [], "quiet": []}
        clients = {
            name: await enter(Client(mqtt_transport(Broker.from_url(private.url), *identity(count - 1))))
            for name, private in (("crowded", crowded), ("quiet", quiet))
        }
        for client in clients.values():
            await times_ms(partial(_add, client), _WARM_UP)
        for number in range(_BLOCKS):
            for name, client in list(clients.items())[:: 1 if number % 2 else -1]:
                times[name].append(await times_ms(partial(_add, client), -(-calls // _BLOCKS)))
            progress(f"block {number + 1} of {_BLOCKS}")
    p99, alone_p99 = (_typical(times[name], 99) for name in ("crowded", "quiet"))
    return {
        "discover_all_ms": round(statistics.median(discoveries), 1),
        "idle_bytes_per_s": round(idle, 3),
        "p99_ratio": round(p99 / alone_p99, 2),
        "p99_ms": round(p99, 3),
        "alone_p99_ms": round(alone_p99, 3),
        "p50_ms": round(_typical(times["crowded"], 50), 3),
        "alone_p50_ms": round(_typical(times["quiet"], 50), 3),
        "start_s": round(start_s, 1),
        "robots": count,
        "calls": sum(len(block) for block in times["crowded"]),
    }


def _typical(blocks: list[list[float]], percent: int) -> float:
    return statistics.median(percentile(block, percent) for block in blocks)


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.fleet", __doc__)
    parser.add_argument("--robots", type=positive, default=500, metavar="N", help="how many, from 2 (default: 500)")
    parser.add_argument("--calls", type=positive, default=2400, metavar="N", help="to each of two (default: 2400)")
    # The keep-alive interval: every robot pings once.
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to count idle traffic (default: 20)")
    parser.add_argument("--presences", type=positive, default=2000, metavar="N", help="simulated ones (default: 2000)")
    parser.add_argument("--agents", type=positive, default=100, metavar="N", help="that follow these (default: 100)")
    parser.add_argument("--peer", nargs=3, metavar=("BROKER", "FIRST", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        url, first, count = arguments.peer
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve_robots(Broker(url, connect_timeout_s=_START_LIMIT_S), int(first), int(count)))
    else:
        print_result(
            measure(max(2, arguments.robots), arguments.calls, arguments.seconds, arguments.presences, arguments.agents)
        )


if __name__ == "__main__":
    main()
