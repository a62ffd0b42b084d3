"""A proxy before the broker, which sees and changes what opens a connection, and cuts it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.mcp_mqtt.packets import read_packet


class Proxy:
    """Stands between a client and the broker: records CONNECT, and can add user properties to CONNACK.

    Attributes:
        connects: Each CONNECT so far.
        connack_properties: What it adds.
        refuses: Nobody is let through who comes now.
    """

    def __init__(self, broker: PrivateBroker) -> None:
        self._broker = broker
        self.refuses = False
        self.connects: list[bytes] = []
        self.connack_properties: tuple[tuple[str, str], ...] = ()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> Broker:
        assert self._server is not None
        return Broker(f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}")

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self._broker.port)
        both = {writer, broker_writer}
        self._writers |= both
        try:
            self.connects.append(await self._packet(reader, broker_writer))
            connack = await self._packet(broker_reader, None)
            writer.write(self._with_properties(connack))
            await asyncio.wait(
                [
                    asyncio.create_task(self._copy(reader, broker_writer)),
                    asyncio.create_task(self._copy(broker_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for each in both:
                each.close()
            self._writers -= both

    async def _packet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None) -> bytes:
        packet = b"".join(await read_packet(reader))
        if writer is not None:
            writer.write(packet)
        return packet

    def _with_properties(self, connack: bytes) -> bytes:
        if not self.connack_properties:
            return connack
        properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.unpack(connack[4:])  # type: ignore[no-untyped-call]  # after type, length, flags and reason code
        for pair in self.connack_properties:
            properties.UserProperty = pair
        packed: bytes = properties.pack()  # type: ignore[no-untyped-call]  # as above
        body = connack[2:4] + packed
        length: bytes = VariableByteIntegers.encode(len(body))  # type: ignore[no-untyped-call]  # as above
        return connack[:1] + length + body

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()


def in_packet(name: str, value: str) -> bytes:
    """A user property as it stands in a packet (MQTT 5.0, 2.2.2.2)."""

    def text(string: str) -> bytes:
        return len(string.encode()).to_bytes(2, "big") + string.encode()

    return b"\x26" + text(name) + text(value)
