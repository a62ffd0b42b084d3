"""How old the picture is that a viewer sees: glass to glass, without camera and screen.

``python -m benchmarks.latency`` prints one JSON line; times in milliseconds:

* ``p50_ms``, ``p95_ms``: from the camera handing a picture to the encoder until a viewer's program has it decoded.
* ``p50_without_jitter_buffer_ms``, ``p95_without_jitter_buffer_ms``: the same less the stage of that name. aiortc,
  which is the viewer here, holds each frame until the first packet of the next one is there: one frame interval, 33 ms.
* ``stages``: for each stage its ``p50_ms``, ``p95_ms`` and its ``share`` of the whole: ``encode``; ``hand_over`` from
  the encoder's thread to the event loop; ``network``, until the last packet of the frame has come; ``jitter_buffer``;
  ``decode``; ``deliver`` from the decoder's thread to the program.
* ``frames``: how many were measured; ``unread_frames``: how many were not, because the capture time could not be read,
  or the camera was so late that a frame cannot be distinguished from the next.
* ``camera_p50_ms``: from the capture time, burnt into the picture, to the encoder: the scene is drawn. Not counted.

Robot, broker and viewer are processes of their own, and share the monotonic clock. The capture time is read back from
the decoded picture, which tells which frame it is.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks._processes import peer, robot_settings, watchable
from benchmarks._report import command_line, percentile, positive, print_result, progress
from benchmarks._traced_viewer import SeenFrame, traced
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.webrtc.viewer import view

_ROBOT_ID = "robot"
_STAMP_MODULO_MS = 1 << 24
_LONGEST_CAMERA_S = 0.03
_WARM_UP_FRAMES = 30


@dataclass(frozen=True, slots=True)
class _Stages:
    """How long a frame spent where, in milliseconds."""

    encode: float
    hand_over: float
    network: float
    jitter_buffer: float
    decode: float
    deliver: float

    @property
    def total(self) -> float:
        return self.encode + self.hand_over + self.network + self.jitter_buffer + self.decode + self.deliver


def _join(seen: list[SeenFrame], robot: dict[str, list[list[float]]]) -> tuple[list[_Stages], list[float]]:
    """Find for each frame that was seen what the robot noted of it; also how long each took in the camera.

    Frames that cannot be distinguished from their neighbours are left out.
    """
    encoded = sorted((handed_over, done) for handed_over, done in robot["encoded"])
    on_loop = sorted((captured, reached) for captured, reached in robot["on_loop"])
    stages, camera_ms = [], []
    for frame in seen:
        captured = _captured_s(frame)
        noted = _first_after(encoded, captured)
        arrival = _first_after(on_loop, captured - 0.002)  # the stamp is cut to milliseconds, and drawn just after
        if noted is None or arrival is None:
            continue
        (handed_over, encoded_at), (_, reached) = noted, arrival
        moments = (handed_over, encoded_at, reached, frame.arrived, frame.decoding, frame.decoded, frame.received)
        intervals = [(later - earlier) * 1000 for earlier, later in itertools.pairwise(moments)]
        stages.append(_Stages(*intervals))
        camera_ms.append((handed_over - captured) * 1000)
    return stages, camera_ms


def _captured_s(frame: SeenFrame) -> float:
    age_ms = (int(frame.received * 1000) - frame.captured_ms) % _STAMP_MODULO_MS
    return (int(frame.received * 1000) - age_ms) / 1000


def _first_after(moments: list[tuple[float, float]], captured_s: float) -> tuple[float, float] | None:
    index = bisect.bisect_left(moments, (captured_s, 0.0))
    if index == len(moments) or moments[index][0] > captured_s + _LONGEST_CAMERA_S:
        return None
    return moments[index]


async def measure(frames: int) -> dict[str, Any]:
    """Watch a robot.

    Args:
        frames: How many frames to measure.

    Returns:
        What is printed.
    """
    seen: list[SeenFrame] = []
    unread = 0
    async with contextlib.AsyncExitStack() as stack:
        private = await stack.enter_async_context(PrivateBroker())
        settings = robot_settings(private, simulation__scene="clock")
        process = await stack.enter_async_context(peer("benchmarks._traced_robot", _ROBOT_ID, environment=settings))
        await watchable(private, _ROBOT_ID)
        trace = stack.enter_context(traced())
        viewing = await stack.enter_async_context(view(Broker.from_url(private.url), _ROBOT_ID))
        for _ in range(_WARM_UP_FRAMES):
            await trace.next_frame(viewing)
        progress(f"watching {frames} frames")
        for _ in range(frames):
            frame = await trace.next_frame(viewing)
            if frame is None:
                unread += 1
            else:
                seen.append(frame)
        noted = await process.ask("trace")
    stages, camera_ms = _join(seen, noted)
    totals = [one.total for one in stages]
    without = [one.total - one.jitter_buffer for one in stages]
    return {
        "p50_ms": round(percentile(totals, 50), 2),
        "p95_ms": round(percentile(totals, 95), 2),
        "p50_without_jitter_buffer_ms": round(percentile(without, 50), 2),
        "p95_without_jitter_buffer_ms": round(percentile(without, 95), 2),
        "stages": {name: _summary([getattr(one, name) for one in stages], totals) for name in _Stages.__slots__},
        "camera_p50_ms": round(percentile(camera_ms, 50), 2),
        "frames": len(stages),
        "unread_frames": unread + len(seen) - len(stages),
    }


def _summary(times: list[float], totals: list[float]) -> dict[str, float]:
    return {
        "p50_ms": round(percentile(times, 50), 2),
        "p95_ms": round(percentile(times, 95), 2),
        "share": round(statistics.fmean(times) / statistics.fmean(totals), 3),
    }


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.latency", __doc__)
    parser.add_argument("--frames", type=positive, default=900, metavar="N", help="frames to measure (default: 900)")
    parser.add_argument("--quick", action="store_true", help="30 frames, to see that it works")
    arguments = parser.parse_args()
    print_result(measure(30 if arguments.quick else arguments.frames))


if __name__ == "__main__":
    main()
