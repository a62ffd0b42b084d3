"""What a process has of what may leak."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import NamedTuple


class Counts(NamedTuple):
    """How many of each."""

    tasks: int
    threads: int
    open_files: int

    def no_more_than(self, before: Counts) -> bool:
        """Nothing has grown."""
        return all(now <= then for now, then in zip(self, before, strict=True))


def counts() -> Counts:
    """Those of this process, now; without the threads of event loops, of which there are more in a busy moment."""
    threads = sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())
    files = len(list(Path("/proc/self/fd").iterdir()))
    return Counts(len(asyncio.all_tasks()), threads, files)


def vp8_threads() -> int:
    """How many VP8 encoders run."""
    return sum(thread.name == "VP8 encoder" for thread in threading.enumerate())
