"""Clients of our web servers that connect and connect, and never finish a request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from robot_node.core.web_limits import ConnectionLimits
from robot_node.core.web_server import listen, serve_app
from tests.waiting import DEADLINE_S, eventually

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
NEVER = 86_400.0


async def measure(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with the length of the body."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


@contextlib.asynccontextmanager
async def serving(limits: ConnectionLimits) -> AsyncIterator[int]:
    with await listen("127.0.0.1", 0, remedy="") as listener:
        app = serve_app(measure, listener, host="127.0.0.1", name="attacked", lifespan="off", limits=limits)
        task = asyncio.create_task(app)
        try:
            yield int(listener.getsockname()[1])
        finally:
            task.cancel()
            await asyncio.wait([task])


async def exchange(port: int, sent: bytes) -> bytes:
    """Say something, and return all that comes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_800_half_requests_of_one_address_take_no_more_than_its_share() -> None:
    few = asyncio.Semaphore(16)
    closed = 0

    async def half(port: int) -> None:
        nonlocal closed
        async with few:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEAD)
        try:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            closed += 1
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async with serving(ConnectionLimits(64, 32, NEVER)) as port:
        attack = [asyncio.create_task(half(port)) for _ in range(800)]
        await eventually(lambda: closed == 768, "all but 32 are closed")
        for task in attack:
            task.cancel()
        await asyncio.wait(attack)
        # The places that they had are free.
        answer = b""
        async with asyncio.timeout(DEADLINE_S):
            while not answer:  # as soon as the server has noticed
                answer = await exchange(port, HEAD + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello")
    assert answer.endswith(b"\r\n\r\n5")


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half the headers"),
        pytest.param(HEAD + b"Content-Length: 9\r\n\r\nhalf", id="half the body"),
        pytest.param(HEAD + b"Content-Length: 0\r\n\r\n" + HEAD, id="half of the next request"),
    ],
)
async def test_a_request_that_does_not_end_is_not_waited_for(begun: bytes) -> None:
    async with serving(ConnectionLimits(request_s=0.2)) as port:
        answer = await asyncio.wait_for(exchange(port, begun), DEADLINE_S)
    assert answer.count(b"HTTP/1.1") == (1 if begun.count(b"POST") == 2 else 0)


async def test_a_whole_request_is_answered_however_long_the_answer_takes() -> None:
    done = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await done.wait()
        await measure(scope, receive, send)

    limits = ConnectionLimits(request_s=0.05)
    with await listen("127.0.0.1", 0, remedy="") as listener:
        app = serve_app(slow, listener, host="127.0.0.1", name="slow", lifespan="off", limits=limits)
        task = asyncio.create_task(app)
        sent = HEAD + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello"
        asking = asyncio.create_task(exchange(listener.getsockname()[1], sent))
        await asyncio.wait([asking], timeout=0.5)  # ten times what a request may take to arrive
        assert not asking.done()
        done.set()
        assert (await asyncio.wait_for(asking, DEADLINE_S)).endswith(b"\r\n\r\n5")
        task.cancel()
        await asyncio.wait([task])
