"""Temporary folders that do not stay for ever when their process is killed: the next one of the same kind removes them.

A folder is locked (flock) as long as its process lives; the kernel frees the lock however the process ends. So a folder
whose lock is free has nobody left who would remove it.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Self

logger = logging.getLogger(__name__)

_MOST_LOOKED_AT = 10_000
_MOST_REMOVED = 100
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TemporaryFolder:
    """A new folder for this user alone; :meth:`close` removes it. Blocks.

    Args:
        prefix: Begins its name, and that of the other folders of its kind.
        parent: Where it is made; None: in the system's folder for temporary files.

    Attributes:
        path: The folder.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _remove_left_over(prefix, parent)
        # Under another name, until it is locked.
        unlocked = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=parent))
        self._lock: int | None = os.open(unlocked, _FOLDER)
        with contextlib.suppress(OSError):  # a file system without locks: nothing is removed there either
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = unlocked.rename(parent / unlocked.name.removeprefix("."))

    def close(self) -> None:
        """Remove the folder and what is in it. May be called twice."""
        lock, self._lock = self._lock, None
        if lock is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _remove_left_over(prefix: str, parent: Path) -> None:
    """Remove this user's folders of that kind whose processes have ended."""
    try:
        with os.scandir(parent) as entries:
            found = [
                entry.name for entry in itertools.islice(entries, _MOST_LOOKED_AT) if entry.name.startswith(prefix)
            ]
    except OSError:
        return  # the folder to be made reports it
    for name in found[:_MOST_REMOVED]:
        try:
            _remove_if_left_over(parent / name)
        except BlockingIOError:
            pass  # its process lives
        except OSError as error:
            logger.debug("%s stays: %s", parent / name, error)


def _remove_if_left_over(folder: Path) -> None:
    descriptor = os.open(folder, _FOLDER)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
        logger.info("Removed %s, which a process that was killed had left.", folder)
    finally:
        os.close(descriptor)
