"""No test can hang a run, nor leave behind what hangs those after it: time limits, and a look at the threads."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

_SHARE = 0.8
_END_S = 20.0
_OTHERS = ("asyncio_", "ThreadPoolExecutor", "pytest_timeout")


def limit_of(item: pytest.Item) -> float:
    """How long the body of a test may take, in seconds: less than what ends its whole process (pytest-timeout)."""
    marker = item.get_closest_marker("timeout")
    return _SHARE * float(marker.args[0] if marker else item.config.getini("timeout"))


def within(limit_s: float, test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Cancel a test's coroutine after its time: it leaves its ``async with`` blocks, and nothing open.

    An exception out of a signal handler, as pytest-timeout can raise it, does not do that: the event loop logs it when
    a callback runs, another task gets it when one runs, and else the test's task stays where it waits, with its robot,
    while the fixtures are closed.
    """

    @functools.wraps(test)
    async def limited(*arguments: Any, **named: Any) -> None:
        async with asyncio.timeout(limit_s) as limit:
            await test(*arguments, **named)
        assert not limit.expired(), f"it took longer than {limit_s:.0f} s, and did not end when it was cancelled"

    return limited


def lasting_threads() -> set[threading.Thread]:
    """The threads that keep a process from ending, but for those that end with an event loop or a time limit."""
    return {
        thread
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread() and not thread.name.startswith(_OTHERS)
    }


def assert_ended(threads: set[threading.Thread]) -> None:
    """Fail when a thread does not end, and say where it is."""
    deadline = time.monotonic() + _END_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    frames = sys._current_frames()
    alive = [(thread.name, frames.get(thread.ident or 0)) for thread in threads if thread.is_alive()]
    places = ("".join(traceback.format_stack(frame)) for _, frame in alive)
    assert not alive, (
        f"left behind, which keeps the process from ending: {[name for name, _ in alive]}\n{''.join(places)}"
    )
