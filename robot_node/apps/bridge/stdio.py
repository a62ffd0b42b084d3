"""stdin as the SDK's stdio transport reads it, but such that a signal can end the reading."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

_CHUNK_BYTES = 65536
_LINES_AHEAD = 64


async def stdin_lines(descriptor: int) -> AsyncIterator[str]:
    """Yield the lines of a descriptor, in UTF-8, until its end.

    A daemon thread reads, so that neither a cancellation nor the end of the process waits for the next line. asyncio
    itself could read pipes only, not files and /dev/null.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue(_LINES_AHEAD)

    def hand_over(line: bytes) -> None:
        asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    def read() -> None:
        rest = b""
        try:
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                *complete, rest = (rest + chunk).split(b"\n")
                for line in complete:
                    hand_over(line + b"\n")
        except OSError:
            pass  # as at its end
        try:
            if rest:
                hand_over(rest)
            hand_over(b"")
        except RuntimeError:
            pass  # the loop is closed: nobody listens

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while line := await lines.get():
        yield line.decode(errors="replace")
