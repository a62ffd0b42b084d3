"""What serves pages beside a robot holds up none of its work while it looks up names and reads files."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from robot_node.console.server import Console, serve_console
from robot_node.core.web_limits import ConnectionLimits
from robot_node.core.web_server import listen, serve_app
from robot_node.errors import SettingsError
from tests.waiting import DEADLINE_S

_LIMIT_S = DEADLINE_S


class Slow:
    """Something of the operating system that answers only after the event loop has had a turn meanwhile."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self._real = real
        self._loop_ran = threading.Event()
        self.begun = threading.Event()
        self.held_the_loop_up = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.begun.set()
        self.held_the_loop_up = self.held_the_loop_up or not self._loop_ran.wait(_LIMIT_S)
        return self._real(*args, **kwargs)

    async def answer_once_the_loop_runs(self) -> None:
        await asyncio.to_thread(self.begun.wait, _LIMIT_S)
        self._loop_ran.set()


async def test_a_slow_look_up_of_the_host_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    listener, _ = await asyncio.gather(listen("localhost", 0, remedy=""), slow.answer_once_the_loop_runs())
    with listener:
        assert listener.getsockname()[1] > 0
    assert slow.begun.is_set()
    assert not slow.held_the_loop_up


async def test_a_port_that_is_taken_after_the_caller_gave_up_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    listening = asyncio.create_task(listen("127.0.0.1", port, remedy=""))
    await asyncio.to_thread(slow.begun.wait, _LIMIT_S)
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        await slow.answer_once_the_loop_runs()
        monkeypatch.undo()
        async with asyncio.timeout(_LIMIT_S):
            while True:
                with contextlib.suppress(SettingsError):
                    (await listen("127.0.0.1", port, remedy="")).close()
                    break
        gc.collect()


@pytest.mark.parametrize(("header", "status"), [("x" * 10_000, 200), ("x" * 1_000_000, 400)])
async def test_a_request_with_too_long_a_header_is_refused_before_it_reaches_the_page(header: str, status: int) -> None:
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    console = asyncio.create_task(serve_console(Console(port=0), on_listening=address.set_result))
    try:
        port = int((await asyncio.wait_for(address, _LIMIT_S)).rstrip("/").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /config.json HTTP/1.1\r\nHost: localhost\r\nX-Long: {header}\r\n\r\n".encode())
        async with asyncio.timeout(_LIMIT_S):
            assert (await reader.readline()).startswith(f"HTTP/1.1 {status} ".encode())
        writer.close()
    finally:
        console.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await console


async def test_an_address_that_cannot_be_had_is_told_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"Cannot listen at 127.0.0.1:{port}: .* Take another one."):
            await listen("127.0.0.1", port, remedy="Take another one.")


async def test_reading_the_consoles_page_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(Path.read_bytes)

    def read_bytes(path: Path) -> Any:  # a function, so that it becomes a method
        return slow(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    console = asyncio.create_task(serve_console(Console(port=0), on_listening=address.set_result))
    try:
        await slow.answer_once_the_loop_runs()
        assert (await asyncio.wait_for(address, _LIMIT_S)).startswith("http://127.0.0.1:")
    finally:
        console.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await console
    assert not slow.held_the_loop_up


async def test_a_client_that_reads_nothing_is_disconnected() -> None:
    ended = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(_until_gone(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            await asyncio.sleep(0)
        ended.set()

    with await listen("127.0.0.1", 0, remedy="", unread_s=0.5) as listener, socket.socket() as client:
        serving = asyncio.create_task(serve_app(endless, listener, host="127.0.0.1", name="HTTP", lifespan="off"))
        try:
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, listener.getsockname())
            client.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await asyncio.wait_for(ended.wait(), _LIMIT_S)
        finally:
            serving.cancel()
            await asyncio.wait([serving])


async def test_a_websocket_stays_when_the_time_for_its_request_is_over() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    limits = ConnectionLimits(request_s=1.0)
    with await listen("127.0.0.1", 0, remedy="") as listener:
        serving = asyncio.create_task(
            serve_app(echo, listener, host="127.0.0.1", name="HTTP", lifespan="off", limits=limits, websockets=True)
        )
        host, port = listener.getsockname()
        try:
            async with asyncio.timeout(_LIMIT_S), connect(f"ws://{host}:{port}/") as websocket:
                late, writer = await asyncio.open_connection(host, port)
                with contextlib.suppress(ConnectionError):
                    assert await late.read() == b"", "a client that came later, and whose time is over"
                writer.close()
                await websocket.send("still here")
                assert await websocket.recv() == "still here"
        finally:
            serving.cancel()
            await asyncio.wait([serving])


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
