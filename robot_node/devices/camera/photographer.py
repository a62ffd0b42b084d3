"""Photos of a camera: one, a series, and in full size; they may switch the camera on for themselves."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from robot_node.core.state import CameraState
from robot_node.core.threads import in_thread
from robot_node.devices.camera.adjusting import RunOperation
from robot_node.devices.camera.capture import FullPicture, Photo, StalledError
from robot_node.devices.camera.machine import CameraMachine
from robot_node.devices.camera.photo import rotated
from robot_node.devices.camera.photo_folder import PhotoFolder
from robot_node.devices.camera.sensor import CameraSensor
from robot_node.devices.camera.states import Action, CameraEvent
from robot_node.devices.idle import IdleTimer
from robot_node.devices.worker import HangingError
from robot_node.errors import ArgumentError, DeviceError, NotReadyError
from robot_node.settings.devices import CameraSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Steps:
    """What the camera does for a photo.

    Attributes:
        run: Runs an operation.
        submit: Runs an operation without waiting for it.
        check_engaged: Refuses while the privacy switch is engaged.
        wait_until_released: Waits until a call that was given up has returned.
        start: Opens the camera.
        fail: Stops the camera because of an error.
        finish_stop: Does what is left of a stop.
        raise_if_interrupted: Raises the reason when the camera is on no more.
    """

    run: RunOperation
    submit: Callable[[str, Callable[[], Awaitable[None]]], None]
    check_engaged: Callable[[], Awaitable[None]]
    wait_until_released: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]
    fail: Callable[[Exception], Awaitable[None]]
    finish_stop: Callable[[], Awaitable[None]]
    raise_if_interrupted: Callable[[], None]


@dataclass(frozen=True, slots=True)
class FullPhoto:
    """A photo in the sensor's full size.

    Attributes:
        photo: The photo.
        files: What was stored, DNG first.
    """

    photo: Photo
    files: tuple[Path, ...] = ()


class Photographer:
    """Takes the photos of one camera. Used by the camera only.

    Args:
        settings: Whether a photo switches the camera on for itself; the folder for photos.
        sensor: The camera's sensor.
        machine: The camera's states.
        idle: Restarted by each photo.
        steps: What the camera does.
    """

    def __init__(
        self, settings: CameraSettings, sensor: CameraSensor, machine: CameraMachine, idle: IdleTimer, steps: Steps
    ) -> None:
        self._sensor = sensor
        self._machine = machine
        self._idle = idle
        self._steps = steps
        self._switches_on = settings.photo_switches_on
        self._folder = None
        if settings.photo_folder is not None:
            self._folder = PhotoFolder(settings.photo_folder, settings.photo_folder_mb * 1_000_000)
        self._series = 0

    @contextlib.asynccontextmanager
    async def series(self) -> AsyncIterator[Callable[[float], Awaitable[Photo]]]:
        """Take photos: see :meth:`robot_node.devices.camera.camera.Camera.photo_series`."""
        switches_on = self._switches_on

        async def take(quality: float) -> Photo:
            nonlocal switches_on
            photo = await self._take("photo", quality, functools.partial(self._sensor.photo, quality), switches_on)
            switches_on = False
            return photo

        with self._under_way():
            yield take

    async def background_photo(self, quality: float) -> Photo:
        """Take a photo: see :meth:`robot_node.devices.camera.camera.Camera.background_photo`."""
        capture = functools.partial(self._sensor.photo, quality)
        return await self._take("background photo", quality, capture, switches_on=False, is_use=False)

    async def full_photo(self, quality: float, *, dng: bool) -> FullPhoto:
        """Take a photo: see :meth:`robot_node.devices.camera.camera.Camera.full_photo`."""
        folder = self._folder if dng else None
        if dng and folder is None:
            raise ArgumentError("There is no folder for DNG files.", remedy="Set photo_folder in [camera].")
        with self._under_way():
            picture = await self._take("full photo", quality, lambda: self._capture_full(raw=dng), self._switches_on)
            # The camera goes on meanwhile, and privacy need not wait: a closed camera cannot give this picture.
            try:
                develop = functools.partial(_develop, picture, quality, folder, self._sensor.rotation)
                full = await in_thread(develop, "The photo cannot be encoded")
            except DeviceError as error:
                if self._machine.state is CameraState.ON:
                    raise
                raise _switched_off() from error
            if self._machine.state is not CameraState.ON:
                await in_thread(functools.partial(_delete, full.files), "The refused photo cannot be deleted")
                raise _switched_off()
            return full

    @contextlib.contextmanager
    def _under_way(self) -> Iterator[None]:
        self._series += 1
        try:
            yield
        finally:
            self._series -= 1
            if self._machine.situation.for_photos and not self._series:
                self._steps.submit("camera off after photos", self._end)

    async def _take(
        self, name: str, quality: float, capture: Callable[[], Awaitable[T]], switches_on: bool, *, is_use: bool = True
    ) -> T:
        if not 0 <= quality <= 1:
            raise ValueError(f"The quality of a photo is between 0 and 1, not {quality}.")

        async def take() -> T:
            await self._steps.check_engaged()
            if switches_on and self._series:
                if not self._machine.situation.resumes:
                    await self._steps.wait_until_released()
                if self._machine.request(CameraEvent.SWITCH_ON_FOR_PHOTO) is Action.OPEN:
                    await self._steps.start()
            self._machine.request(CameraEvent.PHOTO)
            try:
                taken = await capture()
            except (StalledError, HangingError) as error:
                await self._steps.fail(error)
                raise
            self._steps.raise_if_interrupted()
            if is_use:
                self._idle.touch()
            return taken

        if is_use:
            self._idle.touch()
        return await self._steps.run(name, take)

    async def _capture_full(self, *, raw: bool) -> FullPicture:
        stream = self._sensor.stream
        assert stream is not None, "a camera that is on is open"
        await stream.suspend()
        self._steps.raise_if_interrupted()
        try:
            picture = await self._sensor.capture_full(raw=raw)
        except (StalledError, HangingError):
            raise
        except DeviceError:
            await stream.adjust()
            raise
        try:
            await stream.adjust()
            self._steps.raise_if_interrupted()
        except BaseException:
            picture.release()
            raise
        return picture

    async def _end(self) -> None:
        if not self._series and self._machine.request(CameraEvent.PHOTOS_TAKEN) is Action.STOP:
            await self._steps.finish_stop()


def _switched_off() -> NotReadyError:
    return NotReadyError("The camera was switched off before the photo was encoded.")


def _develop(picture: FullPicture, quality: float, folder: PhotoFolder | None, rotation: int) -> FullPhoto:
    """Encode and store a picture, and free it."""
    try:
        photo = rotated(picture.photo(quality), rotation, quality)
        return FullPhoto(photo, () if folder is None else folder.store(picture, photo))
    finally:
        picture.release()


def _delete(files: Sequence[Path]) -> None:
    """Leave nothing of a photo that was refused after all, e.g. by privacy."""
    for file in files:
        file.unlink(missing_ok=True)
