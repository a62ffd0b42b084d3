"""Makes the machine busy, as a slower one would be."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from robot_node.core.parent_death import end_with_parent

_LOOP = "while True: pass"


@contextlib.asynccontextmanager
async def busy_machine(loops: int) -> AsyncIterator[None]:
    """Run so many processes that use all the processor time they get, until the block is left."""
    async with contextlib.AsyncExitStack() as running:
        for _ in range(loops):
            process = await asyncio.create_subprocess_exec(*end_with_parent(), sys.executable, "-S", "-c", _LOOP)
            running.push_async_callback(process.wait)
            running.callback(process.kill)
        yield
