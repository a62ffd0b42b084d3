"""End a coroutine in an orderly way on SIGTERM and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def run_until_signal(work: Coroutine[Any, Any, T]) -> T | None:
    """Run ``work``; SIGTERM or SIGINT cancels it once and lets it clean up.

    Returns:
        What ``work`` returned, or None when a signal ended it.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work, name="main")
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:  # a second signal must not interrupt the goodbye
            stopped = True
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
