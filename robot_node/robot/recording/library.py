"""The folder of the clips, and its limits: the oldest go first, and what is not ours is never touched."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from robot_node.errors import ArgumentError, DeviceError

_TIME = "%Y%m%d-%H%M%S-%f"
_MICROSECOND_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a folder.

    Attributes:
        max_bytes: Of all files together.
        max_age: Of each file; None: any.
        min_free_bytes: Space that is left free on the disk for others.
    """

    max_bytes: int
    max_age: timedelta | None
    min_free_bytes: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of ours.

    Attributes:
        name: Its name in the folder.
        began: When it was begun, by the robot's clock.
        size: In bytes; grows while it is being recorded.
    """

    name: str
    began: datetime
    size: int


class NoSpaceError(DeviceError):
    """There is no space for recordings, and nothing of ours that could be deleted."""


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class Library:
    """The files of one kind in one folder. All methods block, may be called in any thread, and read the disk afresh.

    A file is ours when it is a regular one whose name has our form, ``clip-20261128-231501-250.mp4``: links,
    folders and other names are neither listed nor read nor deleted.

    Args:
        folder: Made when first written to, for the robot's user alone.
        limits: Of the folder.
        prefix: What the names begin with.
        suffix: What they end with.
        free_bytes: Tells how much space the disk of a folder has left.
        now: The time, with time zone.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        *,
        prefix: str = "clip",
        suffix: str = ".mp4",
        free_bytes: Callable[[Path], int] = _free_bytes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.folder = folder
        self.limits = limits
        self._prefix = prefix
        self._suffix = suffix
        self._pattern = re.compile(rf"{prefix}-(\d{{8}}-\d{{6}}-\d{{3}}){re.escape(suffix)}")
        self._free_bytes = free_bytes
        self._now = now

    def name_for(self, began: datetime) -> str:
        """Return the name of a file that begins at a time; does no I/O."""
        time = began.astimezone(UTC).strftime(_TIME)
        return f"{self._prefix}-{time[:-_MICROSECOND_DIGITS]}{self._suffix}"

    def create(self, name: str) -> int:
        """Create a file, and its folder, for the robot's user alone; returns a descriptor that is open for writing.

        Raises:
            OSError: It cannot be created, or exists.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.folder / name, flags, 0o600)
        try:
            self._synchronise_folder()
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _synchronise_folder(self) -> None:
        """Make a new name outlive a power cut, too."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def files(self) -> tuple[StoredFile, ...]:
        """Return our files, the oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    began = self._began(entry.name)
                    if began is not None and entry.is_file(follow_symlinks=False):
                        found.append(StoredFile(entry.name, began, entry.stat(follow_symlinks=False).st_size))
        except FileNotFoundError:
            return ()
        return tuple(sorted(found, key=lambda file: file.name))

    def open(self, name: str) -> BinaryIO:
        """Open one of our files for reading.

        Raises:
            ArgumentError: There is none of that name.
        """
        error = ArgumentError(f"There is no recording {name[:80]!r}.", remedy="Read robot://clips for those there are.")
        if self._began(name) is None:
            raise error
        try:
            descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            raise error from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise error
        return os.fdopen(descriptor, "rb")

    def path(self, name: str) -> Path:
        """Return the path of one of our files.

        Raises:
            ArgumentError: There is none of that name.
        """
        self.open(name).close()
        return self.folder / name

    def make_room(self, keep: str = "") -> tuple[str, ...]:
        """Delete our oldest files until all limits hold; returns their names.

        Args:
            keep: This one is being written, and stays.

        Raises:
            NoSpaceError: The disk has less space than it must keep free, and nothing of ours is left to delete; or the
                file that is being written is larger than all files may be.
            OSError: The folder cannot be read, or a file not be deleted.
        """
        files, deleted = list(self.files()), []
        total = sum(file.size for file in files)
        oldest = None if self.limits.max_age is None else self._now() - self.limits.max_age
        candidates = [file for file in files if file.name != keep]
        while candidates:
            file = candidates[0]
            outdated = oldest is not None and file.began < oldest
            if not outdated and total <= self.limits.max_bytes and not self._disk_is_full():
                break
            (self.folder / file.name).unlink(missing_ok=True)
            total -= file.size
            deleted.append(candidates.pop(0).name)
        self.check_space()
        if total > self.limits.max_bytes:
            raise NoSpaceError(
                f"The recording alone is larger than the {self.limits.max_bytes // 1_000_000} MB for all of them.",
                remedy="Raise max_mb in the settings.",
            )
        return tuple(deleted)

    def check_space(self) -> None:
        """Raise a NoSpaceError when the disk has less space than it must keep free."""
        if self._disk_is_full():
            raise NoSpaceError(
                f"The disk of {self.folder} has less than {self.limits.min_free_bytes // 1_000_000} MB free.",
                remedy="Delete what is not needed there, or lower min_free_mb in the settings.",
            )

    def _disk_is_full(self) -> bool:
        folder = self.folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return self._free_bytes(folder) < self.limits.min_free_bytes

    def _began(self, name: str) -> datetime | None:
        found = self._pattern.fullmatch(name)
        if found is None:
            return None
        try:
            return datetime.strptime(f"{found[1]}000", _TIME).replace(tzinfo=UTC)
        except ValueError:
            return None
