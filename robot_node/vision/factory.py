"""What a robot's settings ask for of this room. A robot that looks for nothing imports nothing, and starts nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robot_node.core.state import RobotState
from robot_node.settings.root import Settings

if TYPE_CHECKING:
    from robot_node.vision.motion_watch import MotionWatch
    from robot_node.vision.pictures import SmallPictures


@dataclass(frozen=True, slots=True)
class Vision:
    """What the robot looks for in its camera's pictures.

    Attributes:
        motion: None: it looks for none.
    """

    motion: MotionWatch | None = None


def needs_small_pictures(settings: Settings) -> bool:
    """Whether the first camera must have a small stream."""
    return settings.motion.enabled


def build_vision(settings: Settings, camera: SmallPictures, state: RobotState, *, moving: Callable[[], bool]) -> Vision:
    """Build what the settings ask for.

    Args:
        settings: Of the robot.
        camera: The first camera.
        state: Where motion is reported.
        moving: Whether the robot itself moves now.
    """
    if not needs_small_pictures(settings):
        return Vision()
    from robot_node.vision.motion_watch import MotionWatch
    from robot_node.vision.pictures import PictureFeed

    return Vision(motion=MotionWatch(settings.motion, PictureFeed(camera), state, moving=moving))
