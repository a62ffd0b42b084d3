"""A broker over WebSocket whose frame never ends: paho keeps a frame until it is whole, so its size is bounded."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib

import pytest

from robot_node.errors import BrokerError
from robot_node.mqtt import Broker, ConnectOptions, connect
from tests.mqtt.scripted_broker import WELCOME
from tests.waiting import DEADLINE_S

_PACKET_BYTES = 10_000
_ENDLESS = b"\x82\x7f" + (1 << 40).to_bytes(8, "big")  # RFC 6455, 5.2: binary, with a length in eight bytes
_PUBLISH = b"\x30\x80\x40" + b"\0\x01x\0" + bytes(0x2000 - 4)  # 8 KiB: all that a packet may be is more
_MOST_BYTES = 8 * 1024 * 1024


async def test_a_frame_that_never_ends_ends_the_connection() -> None:
    sent = 0
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        key = next(line.partition(": ")[2] for line in lines if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())  # noqa: S324  # RFC 6455
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
        await reader.read(1000)  # CONNECT
        writer.write(bytes([0x82, len(WELCOME)]) + WELCOME + _ENDLESS)
        with contextlib.suppress(ConnectionError):
            while sent < _MOST_BYTES and not reader.at_eof():
                writer.write(_PUBLISH)
                sent += len(_PUBLISH)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()
        ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        broker = Broker(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        options = ConnectOptions(client_id="one", max_packet_bytes=_PACKET_BYTES)
        async with asyncio.timeout(DEADLINE_S), connect(broker, options) as connection:
            with pytest.raises(BrokerError, match="does not keep to the rules of MQTT"):
                await connection.lost()
        await asyncio.wait_for(ended.wait(), DEADLINE_S)
