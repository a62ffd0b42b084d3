"""How long the video pauses for a photo in full size, and for a new size.

``python -m benchmarks.pauses`` prints one JSON line. The camera is the real picamera2 over a simulated Camera Module 3,
with a viewer's encoder running at 1280x720 and 30 frames/s.

* ``photo_pause_ms``: from the last frame before the photo to the first after it, the median. Target: at most 600.
* ``worst_photo_pause_ms``: the longest.
* ``photo_ms``: from the call to the JPEG.
* ``sensor_ms``: of the pause, what the sensor takes for one picture of its full size.
* ``set_video_pause_ms``: the same for ``set_video`` with another size.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from benchmarks._report import BenchmarkError, command_line, print_result, progress
from hw_mocks.real_picamera2 import real_camera_library
from hw_mocks.sensor import CAMERA_MODULE_3, Board, SimulatedSensor
from robot_node.core.media import EncodedFrame
from robot_node.core.state import RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.devices.platform import Platform
from robot_node.settings.devices import CameraSettings

_LIMIT_S = 30.0


class _Viewer:
    """Takes note of the frames' capture times."""

    def __init__(self) -> None:
        self._times_us: list[int] = []
        self._arrived = asyncio.Event()

    def __call__(self, frame: EncodedFrame) -> None:
        self._times_us.append(frame.timestamp_us)
        self._arrived.set()

    async def see(self, frames: int) -> None:
        """Wait for that many frames."""
        wanted = len(self._times_us) + frames
        async with asyncio.timeout(_LIMIT_S):
            while len(self._times_us) < wanted:
                self._arrived.clear()
                await self._arrived.wait()

    async def pause_ms(self, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
        """Return the longest time between two frames around some work, and how long the work took."""
        await self.see(5)
        first, began = len(self._times_us) - 1, time.monotonic()
        await work()
        took = time.monotonic() - began
        await self.see(5)
        gaps = (late - early for early, late in itertools.pairwise(self._times_us[first:]))
        return max(gaps) / 1000, took * 1000


async def measure(rounds: int) -> Mapping[str, Any]:
    """Return the figures."""
    sensor = SimulatedSensor("clock")
    try:
        library = real_camera_library(sensor, Board.PI_5)
    except ImportError as error:
        raise BenchmarkError(f"picamera2 is not installed: {error}.") from error
    platform = Platform(name="simulated", camera_library=lambda: library, i2c=lambda _bus, _address: None)
    camera, viewer = Camera(platform, CameraSettings(), RobotState()), _Viewer()
    camera.set_sink(viewer)
    camera.set_watched(True)
    try:
        await camera.start()
        progress("Photos in full size ...")
        await camera.full_photo()  # the simulation draws its scene of 12 megapixels once
        photos = [await viewer.pause_ms(camera.full_photo) for _ in range(rounds)]
        progress("New sizes ...")
        small, large = (functools.partial(camera.video.set, width=each, height=each * 9 // 16) for each in (640, 1280))
        changes = [await viewer.pause_ms(small if number % 2 == 0 else large) for number in range(rounds)]
    finally:
        await camera.close()
    return {
        "benchmark": "pauses",
        "photos": rounds,
        "photo_pause_ms": round(statistics.median(pause for pause, _ in photos)),
        "worst_photo_pause_ms": round(max(pause for pause, _ in photos)),
        "photo_ms": round(statistics.median(took for _, took in photos)),
        "sensor_ms": round(1000 / CAMERA_MODULE_3[-1].fps),
        "set_video_pause_ms": round(statistics.median(pause for pause, _ in changes)),
    }


def main() -> None:
    """Measure and print the result."""
    parser = command_line("benchmarks.pauses", __doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    print_result(measure(2 if parser.parse_args().quick else 10))


if __name__ == "__main__":
    main()
