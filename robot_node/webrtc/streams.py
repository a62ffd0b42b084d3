"""What a robot sends to its peers, encoded once for all of them, whoever called whom."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

from robot_node.media import VideoSource

if TYPE_CHECKING:  # PyAV takes seconds to load on a Pi: not before somebody needs it
    from robot_node.webrtc.broadcast import Broadcast


class Streams:
    """The one broadcast of a robot's camera, shared by the answerer and the dialer. Used from the event loop only.

    Args:
        camera: Encodes once, and only while somebody watches.
    """

    def __init__(self, camera: VideoSource) -> None:
        self._camera = camera
        self._video: Broadcast | None = None

    async def video(self) -> Broadcast:
        """The broadcast of the camera; made, and what it needs loaded in a thread, when first asked for."""
        module = await asyncio.to_thread(importlib.import_module, "robot_node.webrtc.broadcast")
        if self._video is None:
            self._video = module.Broadcast(self._camera, asyncio.get_running_loop())
        return self._video

    def close(self) -> None:
        """Let the camera go; peers that are left get no more frames."""
        if self._video is not None:
            self._video.close()
            self._video = None
