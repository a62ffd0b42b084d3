"""Waiting for what sends no event: another process, a thread, a file, a log."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

DEADLINE_S = 120.0
"""A healthy run on a busy machine takes less; it costs nothing when a test passes."""

_POLL_S = 0.01


async def eventually(
    condition: Callable[[], object], what: str = "the condition holds", *, deadline_s: float = DEADLINE_S
) -> None:
    """Ask a function, or a coroutine function, again and again until its answer is true.

    Raises:
        AssertionError: It did not become true in time. It says ``what``.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert loop.time() < deadline, f"not within {deadline_s:.0f} s: {what}"
        await asyncio.sleep(_POLL_S)
