"""Watches the camera's pictures for motion, and reports it to the robot's state."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from robot_node.core.media import RawFrame
from robot_node.core.pip_hint import run_pip
from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.devices.worker import DeviceWorker, as_device_error
from robot_node.errors import DeviceError
from robot_node.settings.vision import MotionSettings
from robot_node.vision.pictures import NewestPicture, PictureFeed, jpeg_of
from robot_node.vision.watching import look_at_each, sees

if TYPE_CHECKING:  # numpy is imported in the worker, when there is a picture
    from robot_node.vision.motion import Motion, MotionDetector

logger = logging.getLogger(__name__)

FAULT = "motion"
"""Name of the fault."""


@dataclass(frozen=True, slots=True)
class MotionPicture:
    """A picture with motion in it.

    Attributes:
        frame: What the camera saw.
        zones: Where something moved.
        taken: When, by the robot's clock, in UTC.
        area: Share of the picture that moved, 0 to 1.
    """

    frame: RawFrame
    zones: tuple[str, ...]
    taken: datetime
    area: float

    async def jpeg(self) -> bytes:
        """Return it as a JPEG file."""
        return await asyncio.to_thread(jpeg_of, self.frame)


class MotionWatch:
    """Looks for motion while the camera is on. Used from the event loop only; the pictures are compared in a thread.

    Args:
        settings: Zones, sensitivity and so on.
        feed: Gives the pictures.
        state: Where motion is reported, and whose camera and privacy switch are obeyed.
        moving: Whether the robot itself moves now: what its camera sees then is no motion.

    Attributes:
        compared: So many pictures were compared since the start.
    """

    def __init__(
        self, settings: MotionSettings, feed: PictureFeed, state: RobotState, *, moving: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._feed = feed
        self._state = state
        self._moving = moving
        self._picture: MotionPicture | None = None
        self._announced: MotionPicture | None = None
        self._on_picture: Callable[[], object] = lambda: None
        self.compared = 0
        state.update(motion=dict.fromkeys(settings.included, False))

    @property
    def picture(self) -> MotionPicture | None:
        """The picture of the last motion in which most has moved; None before the first, and after privacy."""
        return self._picture

    def on_picture(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` when motion begins and when it has ended with another :attr:`picture`, and at privacy."""
        self._on_picture = listener

    async def run(self) -> None:
        """Watch until cancelled. What prevents it is a fault, and ends it."""
        settings, worker = self._settings, DeviceWorker("motion")
        stop_listening = self._state.listen(self._obey_privacy)
        try:
            with self._feed.watch(settings.rate, keeps_on=settings.keeps_camera_on) as pictures:
                await self._watch(pictures, worker)
        except DeviceError as error:
            logger.error("%s", error)
            self._state.set_fault(FAULT, str(error))
        finally:
            stop_listening()
            worker.close()
            self._report_none()

    async def _watch(self, pictures: NewestPicture, worker: DeviceWorker) -> None:
        detector: MotionDetector | None = None

        async def look(picture: RawFrame) -> None:
            nonlocal detector
            if detector is None:
                detector = await worker.run(_load, self._settings)
            motion = await worker.run(_look, detector, picture, robot_moves=self._moving())
            if sees(self._state):  # still
                self._remember(picture, motion)
                self._report({zone: change == "began" for zone, change in motion.changes.items()})
            self.compared += 1

        def blind() -> None:
            nonlocal detector
            detector = None  # and with it the pictures that it knows
            self._report_none()

        await look_at_each(pictures, self._state, look=look, blind=blind)

    def _remember(self, picture: RawFrame, motion: Motion) -> None:
        moves = any(self._state.snapshot.motion.values())
        area, most = max(motion.area.values(), default=0.0), 0.0 if self._picture is None else self._picture.area
        if (moves and area > most) or (not moves and "began" in motion.changes.values()):
            zones = tuple(zone for zone, share in motion.area.items() if share)
            self._picture = MotionPicture(picture, zones, datetime.now(UTC), area)
            if not moves:  # once, and again at the end: not with each picture that shows more
                self._announced = self._picture
                self._on_picture()

    def _report_none(self) -> None:
        self._report(dict.fromkeys(self._settings.included, False))

    def _report(self, changes: dict[str, bool]) -> None:
        self._state.update(motion={**self._state.snapshot.motion, **changes})
        if self._announced is not self._picture and not any(self._state.snapshot.motion.values()):
            self._announced = self._picture
            self._on_picture()

    def _obey_privacy(self, now: RobotSnapshot) -> None:
        if now.privacy and self._picture is not None:
            self._picture = self._announced = None
            self._on_picture()


def _load(settings: MotionSettings) -> MotionDetector:
    """Make a detector; the first time that takes as long as importing numpy.

    Raises:
        DeviceError: numpy is missing.
    """
    try:
        motion = importlib.import_module("robot_node.vision.motion")
    except ImportError as error:
        raise DeviceError(f"Motion cannot be detected: {error}.", remedy=f"Run: {run_pip('install numpy')}") from error
    detector: MotionDetector = motion.MotionDetector(settings)
    return detector


def _look(detector: MotionDetector, picture: RawFrame, *, robot_moves: bool) -> Motion:
    if robot_moves:
        detector.settle()
    try:
        return detector.look(picture)
    except Exception as error:  # a bug must not end the robot
        raise as_device_error(error, "motion detector") from error
