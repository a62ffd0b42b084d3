"""Configurations of a simulated picamera2."""

from __future__ import annotations

from typing import Any

from hw_mocks.camera_requests import Transform
from hw_mocks.sensor import SimulatedSensor

_SYCC = ("Sycc",)


class Configurations:
    """The part of picamera2's camera class that makes configurations."""

    sensor: SimulatedSensor

    def create_video_configuration(
        self,
        main: dict[str, Any] = {},
        lores: dict[str, Any] | None = None,
        raw: dict[str, Any] | None = {},
        transform: Transform = Transform(),  # noqa: B008  # the package's signature
        colour_space: Any = None,
        buffer_count: int = 6,
        controls: dict[str, Any] = {},
        display: str | None = "main",
        encode: str | None = "main",
        queue: bool = True,
        sensor: dict[str, Any] | None = {},
        use_case: str = "video",
    ) -> dict[str, Any]:
        """Create a configuration for video."""
        return {
            "use_case": use_case,
            "transform": transform,
            "colour_space": colour_space,
            "buffer_count": buffer_count,
            "queue": queue,
            "main": {"format": "XBGR8888", "size": (1280, 720)} | main,
            "lores": lores,
            "raw": raw,
            "controls": {"FrameDurationLimits": (33333, 33333)} | controls,
            "sensor": sensor,
            "display": display,
            "encode": encode,
        }

    def create_still_configuration(
        self,
        main: dict[str, Any] = {},
        lores: dict[str, Any] | None = None,
        raw: dict[str, Any] | None = {},
        transform: Transform = Transform(),  # noqa: B008  # the package's signature
        colour_space: Any = _SYCC,
        buffer_count: int = 1,
        controls: dict[str, Any] = {},
        display: str | None = None,
        encode: str | None = None,
        queue: bool = True,
        sensor: dict[str, Any] | None = {},
        use_case: str = "still",
    ) -> dict[str, Any]:
        """Create a configuration for stills."""
        largest = max(mode.size for mode in self.sensor.modes)
        main = {"format": "BGR888", "size": largest} | main
        controls = {"NoiseReductionMode": 2, "FrameDurationLimits": (100, 1_000_000_000)} | controls
        arguments = (main, lores, raw, transform, colour_space, buffer_count, controls, display, encode, queue, sensor)
        return self.create_video_configuration(*arguments, use_case)
