"""Atomic replacement of small files: after a crash or a power cut the file is the old or the new one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file, readable by its owner only; creates its folder. Blocks until it is synchronised to disk.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")  # always the same: what a crash left behind is overwritten
    try:
        # No link is followed: in a folder that others may write to, it could lead anywhere.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)  # a full disk needs its space
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)  # rename(2) is on the disk only then
    finally:
        os.close(folder)


def read_small(path: Path, largest: int) -> bytes | None:
    """Return the content of a file; None if it does not exist.

    Args:
        path: The file.
        largest: Bytes that are read at most; of a larger file one more.

    Raises:
        OSError: it cannot be read.
    """
    try:
        # A FIFO of that name must not block us for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(largest + 1)
