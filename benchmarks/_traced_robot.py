"""A whole robot that records when each frame passes each stage.

Usage: ``python -m benchmarks._traced_robot SERVER_ID``, with its settings in the environment; obeys ``trace``.
Times are seconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import time
from collections import deque
from typing import Any
from unittest import mock

from benchmarks._processes import reply, requests
from hw_mocks.camera_requests import CompletedRequest
from hw_mocks.encoders import LibavH264Encoder
from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.core.media import EncodedFrame, FrameSink
from robot_node.devices.camera import cameras
from robot_node.devices.camera.camera import Camera
from robot_node.devices.platform import CameraLibrary
from robot_node.logs.setup import configure_logging
from robot_node.settings.loading import load_settings

_MOST_FRAMES = 10_000


class Trace:
    """What was noted; the oldest is forgotten.

    Attributes:
        encoded: For each frame, when the camera handed it to the encoder, and when the encoder gave it out.
        on_loop: For each frame, its capture time and when it reached the event loop.
    """

    def __init__(self) -> None:
        self.encoded: deque[tuple[float, float]] = deque(maxlen=_MOST_FRAMES)
        self.on_loop: deque[tuple[float, float]] = deque(maxlen=_MOST_FRAMES)


def _traced_encoder(trace: Trace) -> type[LibavH264Encoder]:
    class TracedEncoder(LibavH264Encoder):
        """The simulated camera's encoder, with a watch."""

        handed_over = 0.0

        def encode(self, stream: str, request: CompletedRequest) -> None:
            self.handed_over = time.monotonic()
            super().encode(stream, request)

        def outputframe(self, *arguments: Any, **keywords: Any) -> None:
            trace.encoded.append((self.handed_over, time.monotonic()))
            super().outputframe(*arguments, **keywords)

    return TracedEncoder


def _traced_camera(trace: Trace) -> type[Camera]:
    class TracedCamera(Camera):
        """The robot's camera, with a watch where frames reach the event loop."""

        def set_sink(self, sink: FrameSink | None) -> None:
            def note_and_pass(frame: EncodedFrame) -> None:
                trace.on_loop.append((frame.timestamp_us / 1e6, time.monotonic()))
                if sink is not None:
                    sink(frame)

            super().set_sink(note_and_pass if sink is not None else None)

    return TracedCamera


async def _run(server_id: str) -> None:
    settings = load_settings(None, {"robot": {"server_id": server_id}})
    configure_logging(settings.log)
    simulated = simulated_platform(scene=settings.simulation.scene).platform
    trace = Trace()

    def traced_library() -> CameraLibrary:
        encoder = _traced_encoder(trace)
        return dataclasses.replace(simulated.camera_library(), H264Encoder=encoder, LibavH264Encoder=LibavH264Encoder)

    platform = dataclasses.replace(simulated, camera_library=traced_library)
    with mock.patch.object(cameras, "Camera", _traced_camera(trace)):
        running = asyncio.create_task(daemon.run(settings, platform), name="robot")
        try:
            async for _ in requests():
                reply({"encoded": list(trace.encoded), "on_loop": list(trace.on_loop)})
        finally:
            running.cancel()
            await asyncio.wait({running})


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
