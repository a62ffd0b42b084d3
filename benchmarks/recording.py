"""What the ring buffer of the last seconds costs a robot that is watched, and its memory.

``python -m benchmarks.recording`` prints one JSON line:

* ``cpu_ratio``: processor time of a watched robot with the ring buffer over that of one without.
* ``ring_cores``: the difference, in cores; the median of the rounds. Target: below 0.01.
* ``recording_cores``: how much more it is while a recording is written as well.
* ``ring_mib``: resident memory that the ring buffer needs once it is full, beyond what the robot without it takes.
* ``expected_mib``: bitrate times ``ring_s``. The ring buffer holds whole groups of pictures: up to twice as much.
* ``cores``, ``ring_s``, ``rounds``, ``seconds``: processor time of the robot without; how much is kept; how it was
  measured.

Two robots, both with one viewer that does not decode and a clip that fills the bitrate, 1280x720 at 30 frames/s, run
at the same time, so that whatever else the machine does meets both; they differ in ``recording.enabled`` alone. Robots,
broker and viewers are processes of their own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._agent import agent
from benchmarks._footage import busy_clip
from benchmarks._processes import Peer, resident_mib, robot
from benchmarks._report import command_line, positive, print_result, progress
from benchmarks._watching import viewers
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.settings.devices import CameraSettings

_PLAIN, _RINGED = "plain", "ringed"
_SETTLE_S = 2.0


async def _cores(robots: list[Peer], seconds: float) -> list[float]:
    """The processor time of each, at the same time, in cores."""
    loop = asyncio.get_running_loop()
    used, began = [each.cpu_s for each in robots], loop.time()
    await asyncio.sleep(seconds)
    return [(each.cpu_s - before) / (loop.time() - began) for each, before in zip(robots, used, strict=True)]


async def measure(ring_s: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Measure.

    Args:
        ring_s: How much the ring buffer keeps.
        seconds: How long each round lasts.
        rounds: How many there are, of the ring buffer alone, and with a recording.

    Returns:
        What is printed.
    """
    with busy_clip() as clip, tempfile.TemporaryDirectory(prefix="robot-node-clips-") as folder:
        settings = {
            "recording__enabled": "true",
            "recording__folder": folder,
            "recording__ring_s": str(ring_s),
            "recording__before_s": "0",
            "recording__min_free_mb": "0",
        }
        async with (
            PrivateBroker() as private,
            robot(private, _PLAIN, scene=str(clip)) as plain,
            robot(private, _RINGED, scene=str(clip), **settings) as ringed,
            viewers(private) as crowd,
        ):
            for robot_id in (_PLAIN, _RINGED):
                await crowd.join(robot_id, 1)
            await asyncio.sleep(_SETTLE_S)
            both = [plain, ringed]
            memory = _mib(both)
            progress(f"Filling the ring buffer, {2 * ring_s:g} s ...")
            await asyncio.sleep(2 * ring_s + CameraSettings().keyframe_interval_s)
            watched = [await _cores(both, seconds) for _ in range(rounds)]
            grown = [after - before for after, before in zip(_mib(both), memory, strict=True)]
            async with agent(Broker.from_url(private.url), _RINGED) as client:
                await client.call_tool("start_recording")
                recorded = [await _cores(both, seconds) for _ in range(rounds)]
                await client.call_tool("stop_recording")
            written = sum(file.stat().st_size for file in Path(folder).iterdir())  # noqa: ASYNC240  # one file
            await crowd.leave()
    for name, loads in (("ring", watched), ("recording", recorded)):
        progress(f"{name}: " + ", ".join(f"{without:.3f} and {with_it:.3f}" for without, with_it in loads))
    cores = statistics.median(without for without, _ in watched)
    ring_cores = statistics.median(with_it - without for without, with_it in watched)
    bytes_per_s = written / (rounds * seconds)
    return {
        "cpu_ratio": round(1 + ring_cores / cores, 4),
        "ring_cores": round(ring_cores, 4),
        "recording_cores": round(statistics.median(with_it - without for without, with_it in recorded), 4),
        "ring_mib": round(grown[1] - grown[0], 1),
        "expected_mib": round(bytes_per_s * ring_s / 2**20, 1),
        "cores": round(cores, 4),
        "ring_s": ring_s,
        "rounds": rounds,
        "seconds": seconds,
    }


def _mib(robots: list[Peer]) -> list[float]:
    return [resident_mib(each.pid) for each in robots]


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.recording", __doc__)
    parser.add_argument("--ring-s", type=float, default=20.0, help="how much the ring buffer keeps (default: 20)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each round (default: 5)")
    parser.add_argument("--rounds", type=positive, default=8, help="how many rounds of each (default: 8)")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    arguments = parser.parse_args()
    if arguments.quick:
        print_result(measure(1.0, seconds=1.0, rounds=1))
    else:
        print_result(measure(arguments.ring_s, arguments.seconds, arguments.rounds))


if __name__ == "__main__":
    main()
