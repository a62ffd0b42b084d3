"""A camera that cannot be closed for a while."""

from __future__ import annotations

from typing import Any

from tests.devices.camera.rig import Pi


class Stuck:
    """A Pi's camera, which refuses to be closed as long as it is ``stuck``; on ``platform``."""

    def __init__(self, pi: Pi) -> None:
        self.stuck = True
        base = pi.library.Picamera2

        def close(picam2: Any) -> None:
            if self.stuck:
                raise RuntimeError("Failed to release camera")
            base.close(picam2)

        self.platform = pi.with_camera(close=close)
