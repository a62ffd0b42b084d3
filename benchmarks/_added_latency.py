"""How much later a frame is seen behind a media server than by a viewer of the robot itself, frame by frame."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import av
import numpy as np

from hw_mocks.clock_scene import read_stamp
from robot_node.mqtt import Broker
from robot_node.webrtc.viewer import view
from tests.janus import Janus, Participant

_WARM_UP_S = 2.0


async def added_latency_ms(
    janus: Janus, publisher: Participant, broker: Broker, robot: str, seconds: float
) -> list[float]:
    """Watch a robot that sees the clock scene, both ways at once and in one process; return each frame's difference.

    The stamp in the picture tells which frame it is. Both ways end in the same decoder with the same jitter buffer, so
    that what they have in common cancels out.
    """
    async with janus.watching(publisher) as track, view(broker, robot) as viewing:

        async def behind() -> av.VideoFrame:
            frame = await track.recv()
            assert isinstance(frame, av.VideoFrame)
            return frame

        async def direct() -> av.VideoFrame:
            return (await viewing.frame()).image

        ways = (_seen(behind, seconds), _seen(direct, seconds))
        by_server, by_robot = await asyncio.gather(*ways)
    return [(by_server[stamp] - by_robot[stamp]) * 1000 for stamp in by_server.keys() & by_robot.keys()]


async def _seen(next_frame: Callable[[], Awaitable[av.VideoFrame]], seconds: float) -> dict[int, float]:
    """When each frame was decoded, by its stamp."""
    seen: dict[int, float] = {}
    began = time.monotonic()
    while (now := time.monotonic()) < began + _WARM_UP_S + seconds:
        frame = await next_frame()
        at = time.monotonic()
        if now > began + _WARM_UP_S and (stamp := read_stamp(_luma(frame))) is not None:
            seen[stamp] = at
    return seen


def _luma(frame: av.VideoFrame) -> np.ndarray:
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, plane.line_size)[:, : frame.width]
