"""How long a person waits for the picture: from sending the offer to the first decoded frame.

``python -m benchmarks.first_frame`` prints one JSON line; times in milliseconds:

* ``p50_ms``, ``p95_ms``: joining a stream that another viewer watches already. Target: p50 below 250.
* ``dead_stun_p50_ms``, ``dead_stun_p95_ms``: the same with a robot whose STUN server never answers. Target: no
  difference.
* ``cold_p50_ms``, ``cold_p95_ms``: a camera that is off, from sending the request to switch it on, with the offer on
  its heels. The simulated sensor starts at once; that of a Pi takes its time.

Robot, its other viewer, broker and the viewer that is timed are processes of their own, and signalling goes through
real mosquitto. The three cases take turns. Joins follow each other at irregular intervals of half a second: the robot
makes no two keyframes within a quarter of a second, and none shall have to wait for that. All traffic stays on
loopback; the silent STUN server too is a socket there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from mcp import Client

from benchmarks._agent import agent, switch_camera
from benchmarks._footage import busy_clip
from benchmarks._processes import LOOPBACK, robot
from benchmarks._report import BenchmarkError, command_line, percentile, positive, print_result, progress
from benchmarks._watching import Viewers, viewers
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.webrtc.viewer import view

_ROBOT_ID, _DEAD_STUN_ID = "robot", "dead-stun"


@contextlib.contextmanager
def _silent_stun_server() -> Iterator[str]:
    """An address where packets arrive, and nobody answers: a refused packet would be an answer of a kind.

    Raises:
        BenchmarkError: nobody ever asked.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        yield f"stun:{LOOPBACK}:{silent.getsockname()[1]}"
        try:
            silent.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError as error:
            raise BenchmarkError("The robot never asked its STUN server: the case was not measured.") from error


async def _join_ms(broker: Broker, server_id: str) -> float:
    await asyncio.sleep(random.uniform(0.4, 0.6))
    async with view(broker, server_id) as viewing:
        first = await viewing.frame()
    return (first.arrived_at - viewing.offered_at) * 1000


async def _cold_join_ms(broker: Broker, owner: Client) -> float:
    asked_at = time.monotonic()
    switching = asyncio.create_task(switch_camera(owner, enabled=True), name="switch on")
    try:
        async with view(broker, _ROBOT_ID) as viewing:
            first = await viewing.frame()
    finally:
        await switching
    await switch_camera(owner, enabled=False)
    return (first.arrived_at - asked_at) * 1000


@contextlib.asynccontextmanager
async def _watched(crowd: Viewers, owner: Client, server_id: str) -> AsyncIterator[None]:
    """A stream that runs already: the camera on, and somebody watching."""
    await switch_camera(owner, enabled=True)
    await crowd.join(server_id, 1)
    yield
    await crowd.leave()
    await switch_camera(owner, enabled=False)


async def measure(joins: int, rounds: int) -> dict[str, Any]:
    """Measure in turn.

    Args:
        joins: How often to join in each case.
        rounds: In how many turns.

    Returns:
        What is printed.
    """
    times: dict[str, list[float]] = {"running": [], "dead_stun": [], "cold": []}
    per_round = -(-joins // rounds)
    async with contextlib.AsyncExitStack() as stack:
        clip = str(stack.enter_context(busy_clip()))
        stun = json.dumps([stack.enter_context(_silent_stun_server())])
        private = await stack.enter_async_context(PrivateBroker())
        broker = Broker.from_url(private.url)
        off = {"scene": clip, "camera__on_at_start": "false"}
        await stack.enter_async_context(robot(private, _ROBOT_ID, **off))
        await stack.enter_async_context(robot(private, _DEAD_STUN_ID, webrtc__ice_servers=stun, **off))
        crowd = await stack.enter_async_context(viewers(private))
        owners = {name: await stack.enter_async_context(agent(broker, name)) for name in (_ROBOT_ID, _DEAD_STUN_ID)}
        for number in range(rounds):
            for case, server_id in (("running", _ROBOT_ID), ("dead_stun", _DEAD_STUN_ID)):
                async with _watched(crowd, owners[server_id], server_id):
                    times[case] += [await _join_ms(broker, server_id) for _ in range(per_round)]
            times["cold"] += [await _cold_join_ms(broker, owners[_ROBOT_ID]) for _ in range(per_round)]
            so_far = ", ".join(f"{case} {percentile(values, 50):.0f} ms" for case, values in times.items())
            progress(f"round {number + 1} of {rounds}: {so_far}")
    return {
        "p50_ms": round(percentile(times["running"], 50), 1),
        "p95_ms": round(percentile(times["running"], 95), 1),
        "dead_stun_p50_ms": round(percentile(times["dead_stun"], 50), 1),
        "dead_stun_p95_ms": round(percentile(times["dead_stun"], 95), 1),
        "cold_p50_ms": round(percentile(times["cold"], 50), 1),
        "cold_p95_ms": round(percentile(times["cold"], 95), 1),
        "joins": len(times["running"]),
    }


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.first_frame", __doc__)
    parser.add_argument("--joins", type=positive, default=50, metavar="N", help="how often in each case (default: 50)")
    parser.add_argument("--quick", action="store_true", help="two joins in each case, to see that it works")
    arguments = parser.parse_args()
    print_result(measure(2, rounds=1) if arguments.quick else measure(arguments.joins, rounds=5))


if __name__ == "__main__":
    main()
