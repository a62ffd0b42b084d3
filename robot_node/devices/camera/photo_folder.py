"""The folder for photos in full size: DNG and JPEG, bounded by its own size and by the free space of its disk."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path

from robot_node.devices.camera.capture import FullPicture, Photo
from robot_node.devices.camera.photo import time_of
from robot_node.errors import DeviceError

_PREFIX = "photo-"
_UNFINISHED = ".part"
_SUFFIXES = frozenset({".dng", ".jpg", _UNFINISHED})
"""Also of what a power cut has left unfinished."""

_LEAST_FREE_BYTES = 200_000_000
"""Of its disk: so much stays free for the rest of the system."""

_STORING = threading.Lock()
"""Held while a photo is stored: cameras may share a folder, and one must not delete what another is writing."""


class PhotoFolder:
    """Stores photos; the oldest ones make room for new ones. Blocks: not for the event loop.

    Other files in the folder are left alone, and do not count.

    Args:
        folder: Made when there is none, for the robot's user alone.
        max_bytes: What all photos together may take.
        now: The time of day.
        free_bytes: What is free on the disk of a folder.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        *,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._now = now
        self._free_bytes = free_bytes

    def store(self, picture: FullPicture, photo: Photo) -> tuple[Path, ...]:
        """Store a photo as DNG and as JPEG; returns both files.

        Args:
            picture: As the sensor gave it.
            photo: The same as JPEG.

        Raises:
            DeviceError: It cannot be stored, or there is no room.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            stem = f"{_PREFIX}{time_of(photo, self._now()):%Y%m%d-%H%M%S-%f}"
            with _STORING, self._new(f"{stem}.dng") as dng, self._new(f"{stem}.jpg") as jpeg:
                picture.save_dng(dng)
                jpeg.write_bytes(photo.jpeg)
                self._make_room((dng, jpeg))
        except DeviceError:
            raise
        except OSError as error:
            raise DeviceError(
                f"The photo cannot be stored in {self._folder}: {error.strerror or error}.",
                remedy="Check camera.photo_folder, its permissions and its disk.",
            ) from error
        return self._folder / f"{stem}.dng", self._folder / f"{stem}.jpg"

    @contextlib.contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        """Give a file to write to, which gets its name at the end; it goes when something fails."""
        unfinished = self._folder / (name + _UNFINISHED)
        try:
            yield unfinished
            unfinished.replace(self._folder / name)
        finally:
            unfinished.unlink(missing_ok=True)

    def _make_room(self, new: Collection[Path]) -> None:
        """Delete the oldest photos until the new one, whose files are written already, may stay."""
        new_bytes = sum(path.stat().st_size for path in new)
        old = {path for path in self._folder.glob(f"{_PREFIX}*") if path.suffix in _SUFFIXES} - set(new)
        sizes = {path: path.stat().st_size for path in old}
        while new_bytes + sum(sizes.values()) > self._max_bytes or self._free_bytes(self._folder) < _LEAST_FREE_BYTES:
            if not sizes:
                raise DeviceError(
                    f"There is no room for the photo in {self._folder}: it takes {new_bytes // 1_000_000} MB.",
                    remedy="Raise camera.photo_folder_mb, or free space on its disk.",
                )
            oldest = min(sizes)
            oldest.unlink(missing_ok=True)
            del sizes[oldest]
