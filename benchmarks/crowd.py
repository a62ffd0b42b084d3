"""What a crowd behind a media server costs the robot, and what one more viewer costs it and the server.

``python -m benchmarks.crowd`` prints one JSON line:

* ``robot_cpu_ratio_50_to_1``: processor time of the robot while it publishes to Janus for the most subscribers (50),
  over that with one. Target: at most 1.05.
* ``viewer_cost_ratio_to_janus``: processor time that each further viewer of its own costs the robot, over what each
  further subscriber of the same stream costs Janus. Target: 1.5; Janus is C.
* ``latency_added_by_janus_p50_ms``, ``_p95_ms``: how much later a subscriber has a frame decoded than a viewer of the
  robot itself; of the same frames, seen by both at once in one process.
* ``behind_janus``: for each number of subscribers the cores of the robot (``robot_cores``) and of Janus, the robot's
  uplink as Janus counts it, and the frames per second of the worst-off subscriber.
* ``by_itself``: for each number of viewers that the robot serves itself its cores, and their frames per second.

The robot is the real one, ``robot-node run``, with a simulated camera of 640x360 at 15 frames/s and 500 kbit/s: two
processors that also have to hold 50 receivers carry no more. Subscribers and viewers receive, but do not decode; slopes
are by least squares over the frames that reached them, in viewers at the full rate.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from benchmarks._added_latency import added_latency_ms
from benchmarks._footage import busy_clip
from benchmarks._processes import peer, processor_s, robot
from benchmarks._report import BenchmarkError, command_line, percentile, positive, print_result, progress, slope
from benchmarks._watching import viewers, when_each_has_a_frame
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.janus import running_janus
from tests.whip_front import TOKEN, whip_front

_ROBOT_ID = "robot"
_FRAME_RATE = 15
_SETTLE_S = 1.0
_CAMERA = {
    "camera__width": "640",
    "camera__height": "360",
    "camera__frame_rate": str(_FRAME_RATE),
    "camera__bitrate": "500000",
    "webrtc__max_viewers": "64",
}
_PUBLISH = {
    "publish__token": TOKEN,
    "publish__when": "always",
    "webrtc__addresses": "[]",  # Janus has no candidate on loopback
}


@dataclass(frozen=True, slots=True)
class _Load:
    """A number of receivers for some seconds."""

    receivers: int
    robot_cores: float
    other_cores: float
    uplink_kbit_per_s: float
    fps: tuple[float, ...]


async def _behind_janus(clip: str, counts: list[int], seconds: float) -> list[_Load]:
    """Publish, and let subscribers come, from one count to the next."""
    loads: list[_Load] = []
    async with (
        running_janus() as janus,
        whip_front(janus) as front,
        PrivateBroker() as private,
        robot(private, _ROBOT_ID, scene=clip, **_CAMERA, **_PUBLISH, publish__url=front.url) as sender,
    ):
        publisher = await front.published()
        async with peer("benchmarks._subscribing", str(janus.folder), str(publisher.feed)) as subscribers:
            present = 0
            for count in counts:
                await subscribers.ask("join", count=count - present)
                present = count

                async def measured() -> tuple[float, float, int, list[int]]:
                    received = await janus.received_bytes(publisher)
                    frames = await subscribers.ask("count")
                    return sender.cpu_s, processor_s(janus.process.pid), received, frames

                loads.append(await _load(count, measured, seconds))
                progress(f"Behind Janus: {loads[-1]}")
    return loads


async def _added_latency(seconds: float) -> list[float]:
    """Publish the clock scene, and watch it behind Janus and at the robot."""
    async with (
        running_janus() as janus,
        whip_front(janus) as front,
        PrivateBroker() as private,
        robot(private, _ROBOT_ID, **_CAMERA, **_PUBLISH, publish__url=front.url),
    ):
        publisher = await front.published()
        added = await added_latency_ms(janus, publisher, Broker.from_url(private.url), _ROBOT_ID, seconds)
    progress(f"Latency added by Janus: {len(added)} frames")
    if not added:
        raise BenchmarkError("No frame was seen both ways.")
    return added


async def _by_itself(clip: str, counts: list[int], seconds: float) -> list[_Load]:
    """Let viewers of the robot itself come, from one count to the next."""
    loads: list[_Load] = []
    async with (
        PrivateBroker() as private,
        robot(private, _ROBOT_ID, scene=clip, **_CAMERA) as sender,
        viewers(private) as crowd,
    ):
        present = 0
        for count in counts:
            await crowd.join(_ROBOT_ID, count - present)
            present = count

            async def measured() -> tuple[float, float, int, list[int]]:
                return sender.cpu_s, 0.0, 0, await crowd.frames()

            loads.append(await _load(count, measured, seconds))
            progress(f"By itself: {loads[-1]}")
    return loads


async def _load(
    count: int, measured: Callable[[], Coroutine[Any, Any, tuple[float, float, int, list[int]]]], seconds: float
) -> _Load:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(_SETTLE_S)
    robot_s, other_s, received, frames = await measured()
    began = loop.time()
    await asyncio.sleep(seconds)
    robot_end_s, other_end_s, received_end, frames_end = await when_each_has_a_frame(
        measured, frames, lambda end: end[3]
    )
    took = loop.time() - began
    return _Load(
        receivers=count,
        robot_cores=(robot_end_s - robot_s) / took,
        other_cores=(other_end_s - other_s) / took,
        uplink_kbit_per_s=(received_end - received) * 8 / 1000 / took,
        fps=tuple((after - before) / took for before, after in zip(frames, frames_end, strict=True)),
    )


async def measure(subscribers: list[int], own: list[int], seconds: float, rounds: int) -> dict[str, Any]:
    """Measure both in turn.

    Args:
        subscribers: Numbers of subscribers behind Janus, ascending.
        own: The same for viewers of the robot itself.
        seconds: How long to measure each.
        rounds: How often.

    Returns:
        What is printed.
    """
    behind: list[_Load] = []
    by_itself: list[_Load] = []
    added = await _added_latency(seconds)
    with busy_clip() as clip:
        for _ in range(rounds):
            behind += await _behind_janus(str(clip), subscribers, seconds)
            by_itself += await _by_itself(str(clip), own, seconds)
    janus_slope = slope([(sum(load.fps) / _FRAME_RATE, load.other_cores) for load in behind])
    own_slope = slope([(sum(load.fps) / _FRAME_RATE, load.robot_cores) for load in by_itself])
    if janus_slope <= 0:
        raise BenchmarkError("Janus did not work harder for more subscribers: the machine is too busy.")
    most = max(subscribers)
    one = next(count for count in subscribers if count)
    return {
        f"robot_cpu_ratio_{most}_to_{one}": round(_robot_cores(behind, most) / _robot_cores(behind, one), 3),
        "viewer_cost_ratio_to_janus": round(own_slope / janus_slope, 2),
        "latency_added_by_janus_p50_ms": round(percentile(added, 50), 2),
        "latency_added_by_janus_p95_ms": round(percentile(added, 95), 2),
        "cores_per_viewer": round(own_slope, 5),
        "janus_cores_per_subscriber": round(janus_slope, 5),
        "rounds": rounds,
        "seconds": seconds,
        "behind_janus": _table(behind, subscribers),
        "by_itself": _table(by_itself, own),
    }


def _robot_cores(loads: list[_Load], count: int) -> float:
    return statistics.median(load.robot_cores for load in loads if load.receivers == count)


def _table(loads: list[_Load], counts: list[int]) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for count in counts:
        these = [load for load in loads if load.receivers == count]
        row = {"robot_cores": round(_robot_cores(these, count), 4)}
        if any(load.uplink_kbit_per_s for load in these):
            row["janus_cores"] = round(statistics.median(load.other_cores for load in these), 4)
            row["uplink_kbit_per_s"] = round(statistics.median(load.uplink_kbit_per_s for load in these))
        if count:
            row["min_fps"] = round(min(min(load.fps) for load in these), 2)
        table[str(count)] = row
    return table


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.crowd", __doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each number of viewers (default: 8)")
    parser.add_argument("--rounds", type=positive, default=2, help="how often to measure everything (default: 2)")
    parser.add_argument("--quick", action="store_true", help="few viewers for seconds, to see that it works")
    arguments = parser.parse_args()
    if arguments.quick:
        print_result(measure([0, 1, 6], [1, 3], seconds=3.0, rounds=1))
    else:
        print_result(measure([0, 1, 10, 50], [1, 4, 10], seconds=arguments.seconds, rounds=arguments.rounds))


if __name__ == "__main__":
    main()
