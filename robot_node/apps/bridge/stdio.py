"""The bridge on stdio: lines of stdin that can be cancelled, and a probe that does not decide the protocol era."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
from mcp.server.lowlevel.server import Server
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest

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


async def serve_agent(
    server: Server[Any], read: ReadStream[SessionMessage | Exception], write: WriteStream[SessionMessage]
) -> None:
    """Serve one agent until it closes its stream.

    ``server/discover`` does not decide the protocol era; the first other request does. Claude Code probes with it and
    then sends ``initialize`` on the same pipe (anthropics/claude-code#96183), which the SDK's own loop would refuse.
    """
    send, others = anyio.create_memory_object_stream[SessionMessage | Exception]()
    async with asyncio.TaskGroup() as tasks, send, read:
        tasks.create_task(server.run(others, write, server.create_initialization_options()), name="bridge agent")
        undecided = True
        async for item in read:
            request = item.message if isinstance(item, SessionMessage) else None
            if undecided and isinstance(request, JSONRPCRequest) and request.method == "server/discover":
                await write.send(await _answer(server, request))
            else:
                undecided = undecided and not isinstance(request, JSONRPCRequest)
                await send.send(item)


async def _answer(server: Server[Any], request: JSONRPCRequest) -> SessionMessage:
    """Serve a request as if it were the only one of its connection."""
    send, read = anyio.create_memory_object_stream[SessionMessage | Exception](1)
    write, receive = anyio.create_memory_object_stream[SessionMessage]()
    async with asyncio.TaskGroup() as tasks, send, receive:
        tasks.create_task(server.run(read, write, server.create_initialization_options()), name="bridge discover")
        await send.send(SessionMessage(request))
        return await receive.receive()
