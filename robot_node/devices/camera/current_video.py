"""The video of a camera, on or off: what it is like, and how that is changed while viewers watch."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from robot_node.core.media import VideoMode
from robot_node.devices.camera.adjusting import RunOperation
from robot_node.devices.camera.h264_levels import AGREED, level_of
from robot_node.devices.camera.sensor import CameraSensor
from robot_node.errors import ArgumentError, DeviceError, RobotNodeError
from robot_node.settings.devices import CameraSettings

logger = logging.getLogger(__name__)


class CurrentVideo:
    """The mode of one camera's video. It stays when the camera is off, until the robot ends.

    Args:
        sensor: The camera's sensor.
        settings: The camera's settings, with the mode at the start.
        run: Runs an operation of the camera.
        reopen: Closes and opens the camera, which is on.
        start: Switches a camera on again that could not be opened.
        adjust: Has the running encoder follow a new bitrate.
    """

    def __init__(
        self,
        sensor: CameraSensor,
        settings: CameraSettings,
        *,
        run: RunOperation,
        reopen: Callable[[], Awaitable[None]],
        start: Callable[[], Awaitable[None]],
        adjust: Callable[[], None],
    ) -> None:
        self._sensor = sensor
        self._run = run
        self._reopen = reopen
        self._start = start
        self._adjust = adjust
        self._listeners: list[Callable[[VideoMode], None]] = []
        self._initial = self.now = VideoMode(settings.width, settings.height, settings.frame_rate, settings.bitrate)

    def listen(self, listener: Callable[[VideoMode], None]) -> None:
        """Call ``listener`` with each new mode from now on."""
        self._listeners.append(listener)

    async def set(
        self,
        *,
        width: int | None = None,
        height: int | None = None,
        frame_rate: int | None = None,
        bitrate: int | None = None,
    ) -> VideoMode:
        """Change the video; what is left out stays. Returns when pictures are as wished, or the camera is off.

        Unless only the bitrate changes, a camera that is on is closed and opened: viewers stay, and get a keyframe.

        Args:
            width: In pixels.
            height: In pixels.
            frame_rate: Frames per second.
            bitrate: Highest bitrate, in bits per second.

        Returns:
            The whole mode.

        Raises:
            ArgumentError: A value is out of range, the sensor cannot do it, or viewers' decoders need not.
            DeviceError: The camera refuses, and goes on as before; or it delivers no pictures.
            NotReadyError: The camera had to be opened again, and was switched off meanwhile.
        """
        wishes = {"width": width, "height": height, "frame_rate": frame_rate, "bitrate": bitrate}

        async def change() -> VideoMode:
            before = self.now
            mode = dataclasses.replace(before, **{name: value for name, value in wishes.items() if value is not None})
            self._check(mode)
            if mode == before:
                return mode
            self._use(mode)
            only_bitrate = mode == dataclasses.replace(before, bitrate=mode.bitrate)
            if self._sensor.stream is not None and only_bitrate:
                self._adjust()
            elif self._sensor.stream is not None:
                try:
                    await self._reopen()
                except DeviceError as error:
                    logger.warning("The video stays as it was: %s", error)
                    self._use(before)
                    with contextlib.suppress(RobotNodeError):  # in the camera's state
                        await self._start()
                    raise
            return mode

        return await self._run("camera video", change)

    def _check(self, mode: VideoMode) -> None:
        try:
            CameraSettings.model_validate(dataclasses.asdict(mode))
        except ValidationError as error:
            first = error.errors()[0]
            raise ArgumentError(f"{first['loc'][0]} of the video: {first['msg']}.") from error
        needed = level_of(mode)
        permitted = max(AGREED, level_of(self._initial))
        if needed > permitted:
            raise ArgumentError(
                f"{mode.width}x{mode.height} pixels, {mode.frame_rate} frames/s and {mode.bitrate} bit/s need H.264 "
                f"level {needed}: more than the {permitted} that viewers of this robot can be expected to decode.",
                remedy="Take less; or set such a video in [camera], if all viewers can decode it.",
            )

    def _use(self, mode: VideoMode) -> None:
        self._sensor.set_mode(mode)
        self.now = mode
        for listener in self._listeners:
            listener(mode)
