"""Looks at the camera's pictures in order, the newest each time, while the camera is on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from robot_node.core.changes import Changes
from robot_node.core.media import RawFrame
from robot_node.core.state import CameraState, RobotState
from robot_node.vision.pictures import NewestPicture


def sees(state: RobotState) -> bool:
    """Return whether the robot sees: its camera is on, and privacy is not engaged."""
    now = state.snapshot
    return now.camera is CameraState.ON and not now.privacy


async def look_at_each(
    pictures: NewestPicture,
    state: RobotState,
    *,
    look: Callable[[RawFrame], Awaitable[None]],
    blind: Callable[[], None],
) -> None:
    """Look at the newest picture, again and again, until cancelled.

    Args:
        pictures: Where they come from.
        state: Says whether the robot sees.
        look: Looks at a picture. When it returns the robot may be blind.
        blind: Called whenever the robot does not see.
    """
    with Changes(state.listen, pictures.listen) as changes:
        while True:
            picture = pictures.take()
            if not sees(state):
                blind()
            elif picture is not None:
                await look(picture)
            await changes.wait()
