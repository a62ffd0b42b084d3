"""A browser that is driven by its own protocol: started, and where it listens found in its standard error."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.parent_death import end_with_parent
from tests.waiting import DEADLINE_S


@contextlib.asynccontextmanager
async def listening_browser(
    command: Sequence[str], listening: re.Pattern[bytes], *, env: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """Run a browser; yields the address, the first group of what it prints where it listens."""
    process = await asyncio.create_subprocess_exec(
        *end_with_parent(),
        *command,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for line in process.stderr:
                if found := listening.search(line):
                    break
            else:
                raise AssertionError(f"{command[0]} has ended")
        reading = asyncio.create_task(_read_to_the_end(process.stderr), name="browser's stderr")
        try:
            yield found[1].decode()
        finally:
            await cancel_and_wait(reading)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read_to_the_end(stream: asyncio.StreamReader) -> None:
    async for _ in stream:
        pass
