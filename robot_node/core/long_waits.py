"""Tool calls that wait: for how long, and how their clients see that they go on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from robot_node.core.changes import Changes

DEFAULT_WAIT_S = 50.0
"""Hosts give a call up after 60 s, unless they take progress for life."""

LONGEST_WAIT_S = 600.0
PROGRESS_EVERY_S = 10.0


class LongWait:
    """A wait for changes that reports progress while there are none; begins when it is made.

    Used from the event loop only.

    Args:
        report: Called with the seconds since the beginning.
        every_s: After how many seconds without a change.
    """

    def __init__(self, report: Callable[[float], Awaitable[None]], *, every_s: float = PROGRESS_EVERY_S) -> None:
        self._report = report
        self._every_s = every_s
        self._began = asyncio.get_running_loop().time()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return asyncio.get_running_loop().time() - self._began

    async def next(self, changes: Changes, *, longest_s: float = math.inf) -> None:
        """Return after the next change, after a report, or after ``longest_s`` seconds with a report."""
        if not await changes.wait(longest_s=min(self._every_s, longest_s)):
            await self._report(self.seconds)
