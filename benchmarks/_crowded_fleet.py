"""Thousands of presences and a hundred agents on one broker, for :mod:`benchmarks.fleet`: each part a process.

A simulated robot is a plain MQTT connection with a will and a retained presence, as a robot has. An agent is a
directory, which follows all presences, and has a session with one of the few robots that are served.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from mcp import Client

from benchmarks._add import ADD, ARGUMENTS
from benchmarks._processes import READY, Peer, peer, reply, requests
from benchmarks._report import BenchmarkError, percentile, progress, times_ms
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.jsonrpc import SERVER_ONLINE, dump_notification
from robot_node.mcp_mqtt.presence import Directory, directory, online_servers
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, Will, connect

MODULE = "benchmarks._crowded_fleet"
_PRESENCE_PROCESSES = 4
_AGENT_PROCESSES = 2
_CONNECTING = 32
_DISCOVERIES = 5
_ARRIVALS = 10
_START_LIMIT_S = 300.0
_PATIENT_S = 60.0
_PERIOD_S = 1.0
_DESCRIPTION = "A robot with a camera and a face: switch the camera, take a photo, show an emotion."
_META = {"protocol_versions": ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]}
_HEAP = "$SYS/broker/heap/current"
MORE_CLIENTS = "max_queued_messages 20000\nsys_interval 1"
"""mosquitto's settings, as ``config/mosquitto/robots.conf`` has them."""


def identity(number: int) -> tuple[str, str]:
    """Server id and server name of a robot."""
    return f"robot-{number:05}", f"fleet/robot-{number:05}"


async def broker_figures(broker: Broker, *topics: str) -> dict[str, int]:
    """Numbers that mosquitto publishes of itself."""
    found: dict[str, int] = {}
    complete = asyncio.Event()

    def on_message(incoming: Incoming) -> None:
        found[incoming.topic] = int(incoming.payload)
        if len(found) == len(topics):
            complete.set()

    async with connect(broker, ConnectOptions(client_id="counter"), on_message) as connection:
        await connection.subscribe(*(Subscription(topic) for topic in topics))
        async with asyncio.timeout(10):
            await complete.wait()
    return found


@asynccontextmanager
async def _simulated(broker: Broker, number: int) -> AsyncIterator[None]:
    server = ServerTopics(*identity(number))
    options = ConnectOptions(client_id=server.server_id, will=Will(server.presence, retain=True))
    async with connect(broker, options, lambda _: None) as connection:
        await _announce(connection, number)
        yield


async def _announce(connection: Connection, number: int) -> None:
    server = ServerTopics(*identity(number))
    params = {"server_name": server.server_name, "description": _DESCRIPTION, "meta": _META}
    await connection.publish(server.presence, dump_notification(SERVER_ONLINE, params), qos=1, retain=True)


async def _be_robots(broker: Broker, first: int, count: int) -> None:
    """Hold the connections until the process ends."""
    places, online, end = asyncio.Semaphore(_CONNECTING), 0, asyncio.Event()

    async def be(number: int) -> None:
        nonlocal online
        async with AsyncExitStack() as stack:
            async with places:
                await stack.enter_async_context(_simulated(broker, number))
            online += 1
            if online == count:
                reply(READY)
            await end.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(first, first + count):
            group.create_task(be(number))


async def _be_agents(broker: Broker, count: int, expected: int, robots: int) -> None:
    """Follow all robots ``count`` times, and do what is asked: report an arrival, or call."""
    async with AsyncExitStack() as stack:
        directories = [await stack.enter_async_context(directory(broker)) for _ in range(count)]
        for each in directories:
            await _sees(each, expected)
        async for request in requests():
            if request["do"] == "watch":
                async with asyncio.TaskGroup() as group:
                    seen = [group.create_task(_seen_at(each, request["server_id"])) for each in directories]
                    await asyncio.sleep(0)
                    reply({"watching": True})
                reply({"at": max(task.result() for task in seen)})
            else:
                async with asyncio.TaskGroup() as group:
                    calling = [
                        group.create_task(_calls(each, number % robots, number / count, request["calls"]))
                        for number, each in enumerate(directories[: request["agents"]])
                    ]
                reply([times for task in calling for times in task.result()])


async def _sees(followed: Directory, expected: int) -> None:
    async with aclosing(followed.changes()) as changes:
        async for now in changes:
            if len(now) >= expected:
                return


async def _seen_at(followed: Directory, server_id: str) -> float:
    await followed.wait_for(server_id)
    return time.monotonic()


async def _calls(followed: Directory, number: int, delay: float, calls: int) -> list[float]:
    """Call a robot once a second, beginning a part of a second later; how long each call took, in milliseconds."""
    server = await followed.wait_for(identity(number)[0])
    times = []
    async with Client(followed.transport(server)) as client:
        await client.call_tool(ADD, ARGUMENTS)
        await asyncio.sleep(delay * _PERIOD_S)
        for _ in range(calls):
            times += await times_ms(lambda: client.call_tool(ADD, ARGUMENTS), 1)
            await asyncio.sleep(max(0.0, _PERIOD_S - times[-1] / 1000))
    return times


async def measure_crowd(presences: int, agents: int, calls: int, private: PrivateBroker, served: int) -> dict[str, Any]:
    """Measure on a broker where the first ``served`` robots are online already.

    Args:
        presences: How many robots in all.
        agents: How many agents.
        calls: How often each agent calls.
        private: The broker.
        served: How many robots can be called.

    Returns:
        What is printed.
    """
    broker = Broker.from_url(private.url)
    async with AsyncExitStack() as stack:
        began = time.monotonic()
        await _all_at_once(stack, private, _shares(served, presences - served, _PRESENCE_PROCESSES), "--robots")
        online_s = time.monotonic() - began
        progress(f"{presences} presences after {online_s:.0f} s")
        discoveries = await times_ms(lambda: all_seen(broker, presences), _DISCOVERIES)
        began = time.monotonic()
        counts = [(count, presences, served) for _, count in _shares(0, agents, _AGENT_PROCESSES)]
        processes = await _all_at_once(stack, private, counts, "--agents")
        agents_s = time.monotonic() - began
        progress(f"{agents} agents after {agents_s:.0f} s")
        heap = (await broker_figures(broker, _HEAP))[_HEAP]
        arrivals = [await _arrival_ms(broker, processes, presences + number) for number in range(_ARRIVALS)]
        progress("arrivals seen; now calls")
        alone = await processes[0].ask("call", calls=calls, agents=1)
        together = [each for found in await _ask_all(processes, calls, agents) for each in found]
    return {
        "presences": presences,
        "agents": agents,
        "presences_online_s": round(online_s, 1),
        "presences_discover_ms": round(statistics.median(discoveries), 1),
        "agents_ready_s": round(agents_s, 1),
        "arrival_ms": round(statistics.median(arrivals), 1),
        "agents_p50_ms": round(percentile(together, 50), 2),
        "agents_p99_ms": round(percentile(together, 99), 2),
        "one_agent_p50_ms": round(percentile(alone, 50), 2),
        "broker_mib": round(heap / 1024 / 1024, 1),
    }


def _shares(first: int, count: int, processes: int) -> list[tuple[int, int]]:
    """Divide numbers among processes: each one's first and count."""
    each = -(-count // processes)
    return [(start, min(each, first + count - start)) for start in range(first, first + count, each)]


async def _all_at_once(
    stack: AsyncExitStack, private: PrivateBroker, arguments: Sequence[tuple[int, ...]], part: str
) -> list[Peer]:
    starting = [
        asyncio.create_task(
            stack.enter_async_context(peer(MODULE, part, private.url, *map(str, each), start_limit_s=_START_LIMIT_S))
        )
        for each in arguments
    ]
    return list(await asyncio.gather(*starting))


async def _ask_all(processes: list[Peer], calls: int, agents: int) -> list[list[float]]:
    return list(await asyncio.gather(*(each.ask("call", calls=calls, agents=agents) for each in processes)))


async def _arrival_ms(broker: Broker, processes: list[Peer], number: int) -> float:
    """From publishing a presence until the last agent knows of it."""
    for each in processes:
        await each.ask("watch", server_id=identity(number)[0])
    async with connect(broker, ConnectOptions(client_id=identity(number)[0]), lambda _: None) as connection:
        began = time.monotonic()  # one clock for all processes
        await _announce(connection, number)
        seen = [await each.answer(_START_LIMIT_S) for each in processes]
        await connection.publish(ServerTopics(*identity(number)).presence, b"", qos=1, retain=True)
    last: float = max(each["at"] for each in seen)
    return (last - began) * 1000


async def all_seen(broker: Broker, count: int) -> None:
    """List the robots as a newcomer does.

    Raises:
        BenchmarkError: It does not see all of them.
    """
    seen = len(await online_servers(broker))
    if seen != count:
        raise BenchmarkError(f"A newcomer sees {seen} robots of {count}.")


def main() -> None:
    """Be one of the processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--robots", nargs=3)
    parser.add_argument("--agents", nargs=4)
    arguments = parser.parse_args()
    url, *numbers = arguments.robots or arguments.agents
    broker = replace(Broker.from_url(url), connect_timeout_s=_PATIENT_S)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run((_be_robots if arguments.robots else _be_agents)(broker, *map(int, numbers)))


if __name__ == "__main__":
    main()
