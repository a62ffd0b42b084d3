"""What a page with many robots side by side costs one of them: its small video, and what could be sent instead.

``python -m benchmarks.grid`` prints one JSON line. ``cores`` is the robot's processor time in cores, less what it needs
with its camera on and nobody there (``idle_cores``); ``kbit_per_s`` is what one viewer receives of it.

* ``small``: by the number of pages, those that watch the small video: encoded once for all of them.
* ``whole``: one that watches the whole video.
* ``pictures``: one page that fetches pictures of 320 pixels by MQTT, by their number a second: 0.5, as the page does
  without the small video, and 10, as many as the small video has.

The robot is the real one, ``robot-node run``, with a simulated camera at 1280x720 and 30 frames/s that shows a clip
that fills the bitrate. Robot, broker and viewers are processes of their own.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmarks._agent import agent
from benchmarks._footage import busy_clip
from benchmarks._processes import Peer, robot
from benchmarks._report import BenchmarkError, command_line, print_result, progress
from benchmarks._watching import viewers
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker

_ROBOT_ID = "robot"
_SETTLE_S = 1.0
_PHOTO = {"only_if_on": True, "max_side": 320, "quality": 0.5, "max_bytes": 40_000}
"""As the page asks for it (fleet/pictures.ts)."""


async def measure(counts: list[int], rates: list[float], seconds: float) -> dict[str, Any]:
    """Measure one way after the other.

    Args:
        counts: Numbers of pages that watch the small video, ascending.
        rates: Pictures a second that a page fetches instead.
        seconds: How long to measure each.

    Returns:
        What is printed.
    """
    with busy_clip() as clip:
        async with PrivateBroker() as private, robot(private, _ROBOT_ID, scene=str(clip)) as sender:
            await asyncio.sleep(_SETTLE_S)
            idle = await _cores(sender, seconds)
            progress(f"nobody: {idle:.3f} cores")
            small = await _watched(private, sender, counts, seconds, idle, small=True)
            whole = await _watched(private, sender, [1], seconds, idle, small=False)
            pictures = {f"{rate:g}": await _pictures(private, sender, rate, seconds, idle) for rate in rates}
    return {"idle_cores": round(idle, 4), "small": small, "whole": whole["1"], "pictures": pictures, "seconds": seconds}


async def _cores(sender: Peer, seconds: float) -> float:
    used, began = sender.cpu_s, asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)
    return (sender.cpu_s - used) / (asyncio.get_running_loop().time() - began)


async def _watched(
    private: PrivateBroker, sender: Peer, counts: list[int], seconds: float, idle: float, *, small: bool
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    async with viewers(private) as crowd:
        present = 0
        for count in counts:
            await crowd.join(_ROBOT_ID, count - present, small=small)
            present = count
            await asyncio.sleep(_SETTLE_S)
            counting = await crowd.start_counting()
            cores = await _cores(sender, seconds) - idle
            delivered = await counting.stop()
            found[str(count)] = {
                "cores": round(cores, 4),
                "min_fps": round(min(delivered.fps), 1),
                "kbit_per_s": round(max(delivered.kbit_per_s)),
            }
            progress(f"{'small' if small else 'whole'} video, {count} viewers: {found[str(count)]}")
        await crowd.leave()
    await asyncio.sleep(_SETTLE_S)
    return found


async def _pictures(private: PrivateBroker, sender: Peer, rate: float, seconds: float, idle: float) -> dict[str, float]:
    fetched = size = 0
    first = asyncio.Event()

    async def fetch() -> None:
        nonlocal fetched, size
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            result = await client.call_tool("take_photo", _PHOTO)
            if result.is_error:
                raise BenchmarkError(f"There is no picture: {result.content}.")
            fetched, size = fetched + 1, size + len(json.dumps(result.model_dump(mode="json")))
            first.set()
            await asyncio.sleep(max(0.0, began + 1 / rate - loop.time()))

    async with agent(Broker.from_url(private.url), _ROBOT_ID) as client, asyncio.TaskGroup() as group:
        fetching = group.create_task(fetch(), name="pictures")
        began = asyncio.get_running_loop().time()
        cores = await _cores(sender, seconds) - idle
        await first.wait()
        took = asyncio.get_running_loop().time() - began
        fetching.cancel()
    found = {
        "cores": round(cores, 4),
        "fps": round(fetched / took, 2),
        "kbit_per_s": round(size * 8 / 1000 / took),
    }
    progress(f"{rate:g} pictures a second: {found}")
    return found


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.grid", __doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each way (default: 8)")
    parser.add_argument("--quick", action="store_true", help="few viewers for a second, to see that it works")
    arguments = parser.parse_args()
    if arguments.quick:
        print_result(measure([1, 2], [2], seconds=1.0))
    else:
        print_result(measure([1, 2, 4, 8], [0.5, 5, 10], seconds=arguments.seconds))


if __name__ == "__main__":
    main()
