"""What a robot's settings ask for of this room. A robot that looks for nothing imports nothing, and starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robot_node.core.state import RobotState
from robot_node.devices.platform import Platform
from robot_node.settings.root import Settings

if TYPE_CHECKING:
    from robot_node.vision.detection_watch import DetectionWatch
    from robot_node.vision.motion_watch import MotionWatch
    from robot_node.vision.pictures import PictureFeed


@dataclass(frozen=True, slots=True)
class Vision:
    """What the robot looks for in its camera's pictures.

    Attributes:
        motion: None: it looks for none.
        detection: Of objects; None: it looks for none.
    """

    motion: MotionWatch | None = None
    detection: DetectionWatch | None = None

    def services(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        """Return what is to run as long as the robot does, by name."""
        watches = {"motion": self.motion, "detection": self.detection}
        return {name: watch.run for name, watch in watches.items() if watch is not None}


def needs_small_pictures(settings: Settings) -> bool:
    """Whether the first camera must have a small stream."""
    streamed = settings.webrtc.enabled and settings.webrtc.small_video
    return streamed or settings.motion.enabled or settings.detection.engine != "none"


async def build_vision(
    settings: Settings,
    feed: PictureFeed,
    state: RobotState,
    platform: Platform,
    devices: AsyncExitStack,
    *,
    moving: Callable[[], bool],
) -> Vision:
    """Build what the settings ask for. A detector that must be loaded before the camera is opened is loaded.

    Args:
        settings: Of the robot.
        feed: The first camera's small pictures.
        state: Where it is reported.
        platform: The hardware.
        devices: Where closing is put.
        moving: Whether the robot itself moves now.
    """
    motion, detection = None, None
    if settings.motion.enabled:
        from robot_node.vision.motion_watch import MotionWatch

        motion = MotionWatch(settings.motion, feed, state, moving=moving)
    if settings.detection.engine != "none":
        from robot_node.vision.detection_watch import DetectionWatch

        detection = DetectionWatch(settings.detection, feed, state, platform)
        devices.push_async_callback(detection.close)
        await detection.load_before_camera()
    return Vision(motion, detection)
