"""Graceful shutdown of tasks, of a coroutine on SIGTERM and Ctrl-C, and of the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from robot_node.core.shutdown_limit import limited_shutdown

T = TypeVar("T")

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
            call that hangs, on the loop or in a thread, can keep ``work`` and the interpreter from ending.

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
            task.cancel()

    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    limit = contextlib.nullcontext() if stop_within_s is None else _limited(stop_within_s, task)
    try:
        with limit:
            return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            if handler is not None:  # else it was not Python's, and cannot be put back
                signal.signal(number, handler)


def _limited(limit_s: float, task: asyncio.Task[Any]) -> contextlib.AbstractContextManager[None]:
    return limited_shutdown(limit_s, _STOP_SIGNALS, task.done)


def first_error(error: BaseException) -> BaseException:
    """Return the first error in a group of groups: the others are mostly its consequences."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def end_process() -> NoReturn:
    """End the process with status 0, now that everything is closed.

    Else the interpreter would free one by one what it has loaded, which takes seconds on a slow machine, lets no other
    thread run meanwhile, and changes nothing.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
