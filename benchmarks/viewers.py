"""Cost of a further viewer for the sender, compared with stock aiortc, and the frame rate of 16 viewers.

``python -m benchmarks.viewers`` prints one JSON line:

* ``marginal_cpu_ratio``: processor time that each further viewer costs the robot, over what it costs a sender with
  aiortc's ``MediaRelay``, which encodes for each viewer. Target: at most 1/40 (0.025).
* ``min_fps``: frames per second of the worst off among the most viewers (16), over all rounds; 30 are captured.
* ``cores_per_viewer``, ``stock_cores_per_viewer``: slopes, by least squares, of the sender's processor time in cores
  over the frames delivered, in viewers at the full rate: a sender that loses frames shall not seem to be cheap.
* ``robot``, ``stock``: for each number of viewers the sender's ``cores``, the worst viewer's ``min_fps`` and the
  ``kbit_per_s`` that it received, each the median of the rounds (``min_fps``: the lowest).

The robot is the real one, ``robot-node run``, with a simulated camera at 1280x720 and 30 frames/s that shows a clip
that fills the bitrate. The stock sender shows the same clip, at the lower bitrate that it chooses. It is measured with
one and two viewers only: a third is more than two processors can encode for.
Robot, stock sender, broker and the viewers are processes of their own; viewers receive, but do not decode.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from benchmarks._footage import busy_clip
from benchmarks._processes import Peer, peer, robot
from benchmarks._report import BenchmarkError, command_line, positive, print_result, progress, slope
from benchmarks._stock_sender import STOCK_ID
from benchmarks._watching import Delivered, viewers
from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.devices import CameraSettings

_ROBOT_ID = "robot"
_SETTLE_S = 1.0
_FRAME_RATE = CameraSettings().frame_rate


@dataclass(frozen=True, slots=True)
class _Load:
    """A sender's load with a number of viewers."""

    cores: float
    delivered: Delivered


_Loads = dict[int, list[_Load]]


async def _measure_sender(
    private: PrivateBroker, sender: Peer, sender_id: str, *, counts: list[int], seconds: float, loads: _Loads
) -> None:
    """Let viewers come, from one count to the next."""
    async with viewers(private) as crowd:
        present = 0
        for count in counts:
            await crowd.join(sender_id, count - present)
            present = count
            await asyncio.sleep(_SETTLE_S)
            loop = asyncio.get_running_loop()
            counting = await crowd.start_counting()
            used, began = sender.cpu_s, loop.time()
            await asyncio.sleep(seconds)
            cores = (sender.cpu_s - used) / (loop.time() - began)
            load = _Load(cores, await counting.stop())
            loads[count].append(load)
            progress(f"{sender_id}, {count} viewers: {load.cores:.3f} cores, {min(load.delivered.fps):.1f} frames/s")
        await crowd.leave()


async def measure(counts: list[int], stock_counts: list[int], seconds: float, rounds: int) -> dict[str, Any]:
    """Measure robot and stock sender in turn.

    Args:
        counts: Numbers of viewers for the robot, ascending.
        stock_counts: The same for the stock sender.
        seconds: How long to measure each.
        rounds: How often.

    Returns:
        What is printed.
    """
    ours: _Loads = defaultdict(list)
    stock: _Loads = defaultdict(list)
    with busy_clip() as clip:
        for _ in range(rounds):
            async with PrivateBroker() as private:
                async with robot(private, _ROBOT_ID, scene=str(clip)) as sender:
                    await _measure_sender(private, sender, _ROBOT_ID, counts=counts, seconds=seconds, loads=ours)
                async with peer("benchmarks._stock_sender", private.url, str(clip)) as sender:
                    await _measure_sender(private, sender, STOCK_ID, counts=stock_counts, seconds=seconds, loads=stock)
    ours_slope, stock_slope = (_cores_per_viewer(loads) for loads in (ours, stock))
    if stock_slope <= 0:
        raise BenchmarkError("The stock sender did not work harder for more viewers: the machine is too busy.")
    most = max(counts)
    return {
        "marginal_cpu_ratio": round(ours_slope / stock_slope, 4),
        "min_fps": round(_min_fps(ours[most]), 2),
        "viewers": most,
        "cores_per_viewer": round(ours_slope, 5),
        "stock_cores_per_viewer": round(stock_slope, 4),
        "rounds": rounds,
        "seconds": seconds,
        "robot": _table(ours),
        "stock": _table(stock),
        "note": "Slopes are per frame delivered; that of stock with one and two viewers, as many as two cores serve.",
    }


def _cores_per_viewer(loads: _Loads) -> float:
    """What a further viewer costs that gets every frame."""
    every = [load for of_count in loads.values() for load in of_count]
    return slope([(sum(load.delivered.fps) / _FRAME_RATE, load.cores) for load in every])


def _min_fps(loads: list[_Load]) -> float:
    return min(min(load.delivered.fps) for load in loads)


def _table(loads: _Loads) -> dict[str, dict[str, float]]:
    return {
        str(count): {
            "cores": round(statistics.median(load.cores for load in of_count), 4),
            "min_fps": round(_min_fps(of_count), 2),
            "kbit_per_s": round(statistics.median(min(load.delivered.kbit_per_s) for load in of_count)),
        }
        for count, of_count in loads.items()
    }


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.viewers", __doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each number of viewers (default: 4)")
    parser.add_argument("--rounds", type=positive, default=2, help="how often to measure everything (default: 2)")
    parser.add_argument("--quick", action="store_true", help="few viewers for a second, to see that it works")
    arguments = parser.parse_args()
    if arguments.quick:
        print_result(measure([1, 3], [1, 2], seconds=1.0, rounds=1))
    else:
        print_result(measure([1, 2, 4, 8, 16], [1, 2], seconds=arguments.seconds, rounds=arguments.rounds))


if __name__ == "__main__":
    main()
