"""MQTT over WebSocket, passed on to the broker as it is: pages need no WebSocket listener of the broker.

The client's own CONNECT passes through, and so do its credentials; those of the settings are never used. What the
client may do is what the broker permits it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from robot_node.errors import BrokerError
from robot_node.mqtt.tls import tls_context
from robot_node.mqtt.types import Broker

logger = logging.getLogger(__name__)

PATH = "/mqtt"
_SUBPROTOCOL = "mqtt"
_PIECE_BYTES = 64 * 1024
_CLOSE_LIMIT_S = 5.0
_TRY_AGAIN_LATER, _UNACCEPTABLE = 1013, 1002
"""RFC 6455, 7.4, and its registry."""


class _Pipe(Protocol):
    """A connection to the broker, as a stream of bytes."""

    async def read(self) -> bytes:
        """Return what has come; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Send, and wait while the broker takes nothing."""

    async def close(self) -> None:
        """End the connection."""


class MqttProxy:
    """Passes connections of pages on to the broker.

    Args:
        broker: The broker; its credentials and client certificate are not used.
        max_connections: How many at once.
    """

    def __init__(self, broker: Broker, *, max_connections: int = 32) -> None:
        self._broker = replace(broker, username=None, password=None, cert_file=None, key_file=None, key_password=None)
        self._max_connections = max_connections
        self._connections = 0

    def route(self) -> WebSocketRoute:
        """The route of the proxy."""
        return WebSocketRoute(PATH, self._serve)

    async def _serve(self, page: WebSocket) -> None:
        if _SUBPROTOCOL not in page.scope["subprotocols"]:
            await page.close(_UNACCEPTABLE)  # MQTT 5, 6.0: the client asks for it
            return
        if self._connections >= self._max_connections:
            await page.close(_TRY_AGAIN_LATER)
            return
        self._connections += 1
        try:
            async with _connected(self._broker) as broker:
                await page.accept(_SUBPROTOCOL)
                await _pass_on(page, broker)
        except BrokerError as error:
            logger.warning("A page cannot reach the broker: %s", error)
            await page.close(_TRY_AGAIN_LATER)
        finally:
            self._connections -= 1


async def _pass_on(page: WebSocket, broker: _Pipe) -> None:
    """Pass bytes on in both directions until one side ends."""

    async def to_broker() -> None:
        with contextlib.suppress(WebSocketDisconnect, OSError):
            while True:
                await broker.write(await page.receive_bytes())

    async def to_page() -> None:
        with contextlib.suppress(WebSocketDisconnect, OSError):
            while data := await broker.read():
                await page.send_bytes(data)

    directions = [
        asyncio.create_task(to_broker(), name="MQTT of a page to the broker"),
        asyncio.create_task(to_page(), name="MQTT of the broker to a page"),
    ]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.wait(directions)
    if page.client_state is WebSocketState.CONNECTED and page.application_state is WebSocketState.CONNECTED:
        await page.close()


class _Socket:
    """MQTT over TCP, with or without TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(_PIECE_BYTES)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        try:
            with contextlib.suppress(OSError):  # TimeoutError is one: a broker that reads nothing any more
                async with asyncio.timeout(_CLOSE_LIMIT_S):
                    await self._writer.wait_closed()
        finally:
            self._writer.transport.abort()


class _WebSocket:
    """MQTT over WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def read(self) -> bytes:
        try:
            data = await self._connection.recv(decode=False)
        except ConnectionClosed:
            return b""
        return bytes(data)

    async def write(self, data: bytes) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed as error:
            raise ConnectionResetError(str(error)) from error

    async def close(self) -> None:
        await self._connection.close()


@contextlib.asynccontextmanager
async def _connected(broker: Broker) -> AsyncIterator[_Pipe]:
    """Connect to the first address that answers.

    Raises:
        BrokerError: None does.
    """
    reasons = list[str]()
    for address in broker.addresses:
        try:
            async with asyncio.timeout(address.connect_timeout_s):
                pipe = await _open(address)
        except (OSError, TimeoutError, InvalidHandshake) as error:
            reasons.append(f"{address.url}: {str(error) or 'no answer'}")
            continue
        try:
            yield pipe
        finally:
            await pipe.close()
        return
    raise BrokerError(f"No connection to {'; '.join(reasons)}.")


async def _open(address: Broker) -> _Pipe:
    context = await asyncio.to_thread(tls_context, address) if address.tls else None
    if address.transport == "tcp":
        return _Socket(*await asyncio.open_connection(address.host, address.port, ssl=context))
    subprotocols = [Subprotocol(_SUBPROTOCOL)]
    return _WebSocket(await connect(address.url, ssl=context, subprotocols=subprotocols, max_size=None, proxy=None))
