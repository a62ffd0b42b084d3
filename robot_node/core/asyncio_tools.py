"""Graceful shutdown of tasks, of a coroutine on SIGTERM and Ctrl-C, and of the process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for their end, even when the caller is cancelled meanwhile."""
    for task in tasks:
        task.cancel()
    interrupted: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as cancellation:
            interrupted = cancellation
    if interrupted is not None:
        raise interrupted


async def run_until_signal(work: Coroutine[Any, Any, T], *, stop_within_s: float | None = None) -> T | None:
    """Run ``work``; SIGTERM or SIGINT cancels it once and lets it clean up.

    Args:
        work: What to run.
        stop_within_s: So many seconds after the signal the process is ended by force, if it still lives: a library
            call that hangs in a thread can keep ``work``, and after it the interpreter, from ending.

    Returns:
        What ``work`` returned, or None when a signal ended it.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work, name="main")
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:  # a second signal must not interrupt the clean-up
            stopped = True
            if stop_within_s is not None:
                _end_by_force(task, stop_within_s)
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def end_process() -> NoReturn:
    """End the process with status 0, now that everything is closed.

    Else the interpreter would free one by one what it has loaded, which takes seconds on a slow machine, lets no other
    thread run meanwhile, and changes nothing.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _end_by_force(task: asyncio.Task[Any], after_s: float) -> None:
    def end() -> None:
        if task.done():  # all is in order but for a thread that waits for something, e.g. a name server
            os._exit(0)
        logger.error("Shutdown did not finish within %g s; exiting.", after_s)
        os._exit(1)

    timer = threading.Timer(after_s, end)
    timer.daemon = True  # it must not keep a process alive that has ended in time
    timer.start()
