"""Starting threads when the system may have none left (RLIMIT_NPROC, TasksMax= of systemd)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from robot_node.errors import DeviceError

T = TypeVar("T")

NO_THREAD_REMEDY = (
    "Raise the limit on processes and threads (TasksMax= of the service, ulimit -u), or stop what uses them up."
)


def started(thread: threading.Thread) -> bool:
    """Start a thread; return False if the system permits no further one."""
    try:
        thread.start()
    except RuntimeError as error:
        if not is_no_thread(error):
            raise
        return False
    return True


async def in_thread(work: Callable[[], T], failure: str) -> T:
    """Return what a blocking function returns, called in a thread.

    Args:
        work: The function.
        failure: Begins the error's message, e.g. ``"The photo cannot be encoded"``.

    Raises:
        DeviceError: The system permits no further thread.
    """
    try:
        return await asyncio.to_thread(work)
    except RuntimeError as error:
        if not is_no_thread(error):
            raise
        raise DeviceError(f"{failure}: the system permits no further thread.", remedy=NO_THREAD_REMEDY) from error


def is_no_thread(error: BaseException) -> bool:
    """Whether an error of starting a thread, or of an executor, means that the system permits no further one."""
    return isinstance(error, RuntimeError) and str(error) == "can't start new thread"
