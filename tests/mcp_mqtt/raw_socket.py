"""An MQTT client made of bytes: sends faster than a library would, and reads only when asked to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping

from tests.mcp_mqtt.packets import read_packet


def _text(value: str | bytes) -> bytes:
    data = value if isinstance(value, bytes) else value.encode()
    return len(data).to_bytes(2, "big") + data


def _variable(value: int) -> bytes:
    """MQTT 5.0, 1.5.5."""
    encoded = bytearray()
    while True:
        value, digit = divmod(value, 128)
        encoded.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


def _packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + _variable(len(body)) + body


def publish(
    topic: str | bytes,
    payload: bytes | Mapping[str, object],
    *properties: tuple[str | bytes, str | bytes],
    sender: str | None = None,
    retain: bool = False,
) -> bytes:
    """A PUBLISH packet of QoS 0."""
    pairs = [*properties]
    if sender is not None:
        pairs += [("MCP-COMPONENT-TYPE", "mcp-client"), ("MCP-MQTT-CLIENT-ID", sender)]
    packed = b"".join(b"\x26" + _text(name) + _text(value) for name, value in pairs)
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return _packet(0x31 if retain else 0x30, _text(topic) + _variable(len(packed)) + packed + body)


def subscribe(*topics: str) -> bytes:
    """A SUBSCRIBE packet of QoS 0, with No Local."""
    return _packet(0x82, b"\x00\x01\x00" + b"".join(_text(topic) + b"\x04" for topic in topics))


class RawSocket:
    """A connection to a broker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *packets: bytes) -> None:
        """Write packets, as fast as the broker takes them."""
        for packet in packets:
            self._writer.write(packet)
            await self._writer.drain()

    async def send_all(self, packets: Iterable[bytes]) -> None:
        """The same, many at a time."""
        self._writer.write(b"".join(packets))
        await self._writer.drain()

    async def taken(self) -> None:
        """Wait until the broker has taken in everything (PINGREQ, PINGRESP); what else it sends is thrown away."""
        self._writer.write(b"\xc0\x00")
        while await self._next() != 0xD0:
            pass

    async def published(self, count: int) -> None:
        """Wait until so many messages came to what was subscribed."""
        while count:
            count -= await self._next() & 0xF0 == 0x30

    async def _next(self) -> int:
        return (await read_packet(self._reader)).head[0]


@contextlib.asynccontextmanager
async def raw_socket(port: int, client_id: str) -> AsyncIterator[RawSocket]:
    """Connect to the broker on loopback; on leaving, just close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    try:
        peer = RawSocket(reader, writer)
        await peer.send(_packet(0x10, _text("MQTT") + b"\x05\x02\x00\x3c\x00" + _text(client_id)))
        assert await peer._next() == 0x20
        yield peer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
