"""Lines of stdin for the SDK's stdio transport; unlike the SDK's reader, it can be cancelled."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

_CHUNK_BYTES = 65536
_MAX_LINE_BYTES = 4 * 1024 * 1024
_MAX_QUEUED_LINES = 64


async def stdin_lines(descriptor: int) -> AsyncIterator[str]:
    """Yield the lines of a file descriptor, decoded as UTF-8, until end of file. A line of over 4 MiB is cut off there.

    A daemon thread reads, so that neither a cancellation nor the end of the process waits for the next line. asyncio
    can read pipes only, not files and /dev/null.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue(_MAX_QUEUED_LINES)

    def put(line: bytes) -> None:
        asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    def read() -> None:
        rest = bytearray()
        try:
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                *complete, last = chunk.split(b"\n")
                for end in complete:
                    put(bytes(rest) + end[: _MAX_LINE_BYTES - len(rest)] + b"\n")
                    rest.clear()
                # What is cut off is no JSON any more, and is answered so.
                rest += last[: _MAX_LINE_BYTES - len(rest)]
        except OSError:
            pass  # handled like end of file
        try:
            if rest:
                put(bytes(rest))
            put(b"")
        except RuntimeError:
            pass  # the loop is closed

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while line := await lines.get():
        yield line.decode(errors="replace")
