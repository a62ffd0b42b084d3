"""Effect of viewers on agents: tool calls with 8 viewers, and with none.

``python -m benchmarks.control_under_load`` prints one JSON line; times in milliseconds:

* ``p99_ratio``: p99 of a tool call with the viewers, over p99 without. Target: at most 2.
* ``p50_ms``, ``p99_ms``: of a call with nobody watching; the camera is on, the encoder rests.
* ``watched_p50_ms``, ``watched_p99_ms``: of a call with all of them watching.
* ``min_fps``: frames per second of the worst off viewer during the calls; 30 are captured.

The calls are of ``control_camera`` with the camera on already, so that little but the way there and back is measured,
by the official SDK's client, with a pause in between as an agent makes one. Blocks of calls with and without viewers
take turns; a percentile is that of a block, and of the blocks the median, so that whatever else the machine does for a
moment does not decide. Robot, broker, agent and the viewers are processes of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from typing import Any

from mcp import Client

from benchmarks._agent import agent, switch_camera
from benchmarks._footage import busy_clip
from benchmarks._processes import robot
from benchmarks._report import command_line, percentile, positive, print_result, progress, times_ms
from benchmarks._watching import viewers
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker

_ROBOT_ID = "robot"
_WARM_UP_CALLS = 50
_PAUSE_S = 0.005
_SETTLE_S = 1.0


async def _calls_ms(client: Client, count: int) -> list[float]:
    times = []
    for _ in range(count):
        times += await times_ms(lambda: switch_camera(client, enabled=True), 1)
        await asyncio.sleep(_PAUSE_S)
    return times


async def measure(calls: int, crowd_size: int, blocks: int) -> dict[str, Any]:
    """Measure in turn.

    Args:
        calls: Calls with, and calls without viewers.
        crowd_size: How many viewers.
        blocks: In how many turns.

    Returns:
        What is printed.
    """
    alone: list[list[float]] = []
    watched: list[list[float]] = []
    fps: list[float] = []
    per_block = -(-calls // blocks)
    async with contextlib.AsyncExitStack() as stack:
        clip = str(stack.enter_context(busy_clip()))
        private = await stack.enter_async_context(PrivateBroker())
        await stack.enter_async_context(robot(private, _ROBOT_ID, scene=clip))
        crowd = await stack.enter_async_context(viewers(private))
        client = await stack.enter_async_context(agent(Broker.from_url(private.url), _ROBOT_ID))
        await switch_camera(client, enabled=True)
        await _calls_ms(client, _WARM_UP_CALLS)
        for number in range(blocks):
            alone.append(await _calls_ms(client, per_block))
            await crowd.join(_ROBOT_ID, crowd_size)
            await asyncio.sleep(_SETTLE_S)
            counting = await crowd.start_counting()
            watched.append(await _calls_ms(client, per_block))
            fps += (await counting.stop()).fps
            await crowd.leave()
            await asyncio.sleep(_SETTLE_S)
            progress(
                f"block {number + 1} of {blocks}: p99 {percentile(alone[-1], 99):.2f} ms alone, "
                f"{percentile(watched[-1], 99):.2f} ms with {crowd_size} viewers"
            )
    p99, watched_p99 = _typical(alone, 99), _typical(watched, 99)
    return {
        "p99_ratio": round(watched_p99 / p99, 2),
        "p50_ms": round(_typical(alone, 50), 3),
        "p99_ms": round(p99, 3),
        "watched_p50_ms": round(_typical(watched, 50), 3),
        "watched_p99_ms": round(watched_p99, 3),
        "min_fps": round(min(fps), 2),
        "viewers": crowd_size,
        "calls": sum(len(block) for block in alone),
    }


def _typical(blocks: list[list[float]], percent: int) -> float:
    return statistics.median(percentile(block, percent) for block in blocks)


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.control_under_load", __doc__)
    parser.add_argument(
        "--calls",
        type=positive,
        default=2400,
        metavar="N",
        help="how many with, and how many without (default: 2400)",
    )
    parser.add_argument("--quick", action="store_true", help="few calls and two viewers, to see that it works")
    arguments = parser.parse_args()
    print_result(measure(40, 2, blocks=1) if arguments.quick else measure(arguments.calls, 8, blocks=8))


if __name__ == "__main__":
    main()
