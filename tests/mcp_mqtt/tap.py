"""A recording proxy: what really crosses the broker, packet by packet; and a network that can be cut or go silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.mcp_mqtt.packets import Connack, Connect, Packet, Publish, UserProperties, WirePacket, decode, read_packet
from tests.mcp_mqtt.proxy import in_packet
from tests.waiting import DEADLINE_S

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Seen:
    """One packet, as it reached the proxy.

    Attributes:
        client_id: Whose connection it travelled on.
        connection: Counts connections, from 1.
        to_broker: Sent by the client; False when the broker sent it.
    """

    client_id: str
    connection: int
    to_broker: bool
    packet: Packet


class Tap:
    """Stands between clients and the broker. Everything that passes is in :attr:`seen`, in the order of its arrival.

    Args:
        broker: Where to pass it on.
        connack_properties: User properties that the broker seems to put into CONNACK.
    """

    def __init__(self, broker: PrivateBroker, *, connack_properties: UserProperties = ()) -> None:
        self.seen: list[Seen] = []
        self.connack_properties = connack_properties
        self._broker = broker
        self._connections = 0
        self._server: asyncio.Server | None = None
        self._lines: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._kept: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._news = asyncio.Condition()
        self._unread: Exception | None = None

    @property
    def address(self) -> Broker:
        """Where clients shall connect to."""
        assert self._server is not None
        return Broker(f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}")

    def sent_by(self, client_id: str, kind: type[P]) -> list[P]:
        """The packets of one type that a client sent, in order."""
        return [
            each.packet
            for each in self.seen
            if each.to_broker and each.client_id == client_id and isinstance(each.packet, kind)
        ]

    def packets_of(self, client_id: str) -> list[Seen]:
        """What travelled on the connections of one client, both ways, in order."""
        return [each for each in self.seen if each.client_id == client_id]

    def publishes_on(self, topic: str) -> list[Seen]:
        """The messages that clients sent on a topic, in order."""
        return [
            each
            for each in self.seen
            if each.to_broker and isinstance(each.packet, Publish) and each.packet.topic == topic
        ]

    async def until(self, wanted: Callable[[Seen], bool], *, count: int = 1) -> Seen:
        """Wait until that many packets have passed that fit; returns the last of these."""

        def found() -> list[Seen]:
            return [each for each in self.seen if wanted(each)]

        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(lambda: len(found()) >= count)
        return found()[count - 1]

    def cut(self, *, broker_side: bool = True) -> None:
        """Break every connection; new ones are let through.

        Args:
            broker_side: False keeps the broker in the belief that its clients are still connected.
        """
        for client_writer, broker_writer in tuple(self._lines):
            if broker_side:
                broker_writer.transport.abort()
            else:
                self._kept.add(broker_writer)
            client_writer.transport.abort()

    def silence(self) -> None:
        """Let nothing pass any more, in either direction, while every connection stays open. New ones hang."""
        self._passing.clear()

    def heal(self) -> None:
        """Let everything pass again, beginning with what was held back; what tried to connect meanwhile is sent off."""
        self._passing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for writer in self._kept:
            writer.transport.abort()
        self.heal()
        await self._server.wait_closed()
        if self._unread is not None:
            raise self._unread

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._connect_to_broker(reader, writer)
        except (ValueError, KeyError) as error:  # our decoder cannot read a packet
            self._unread = error
        finally:
            writer.close()

    async def _connect_to_broker(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._passing.is_set():
            await self._passing.wait()
            return
        broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self._broker.port)
        self._lines.add((writer, broker_writer))
        self._connections += 1
        client = _Client(self._connections)
        ways = [
            asyncio.create_task(self._pass_on(client, reader, broker_writer, to_broker=True)),
            asyncio.create_task(self._pass_on(client, broker_reader, writer, to_broker=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            self._lines.discard((writer, broker_writer))
            if broker_writer not in self._kept:
                broker_writer.close()
        for way in ways:
            if not way.cancelled():
                way.result()

    async def _pass_on(
        self, client: _Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_broker: bool
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                packet = await read_packet(reader)
                await self._passing.wait()
                await self._pass(client, packet, writer, to_broker=to_broker)
        await self._passing.wait()  # a silent network does not carry the end of a connection, either

    async def _pass(self, client: _Client, raw: WirePacket, writer: asyncio.StreamWriter, *, to_broker: bool) -> None:
        packet = decode(raw.head[0], raw.body)
        if isinstance(packet, Connect):
            client.client_id = packet.client_id
        if isinstance(packet, Connack) and self.connack_properties:
            raw = _with_user_properties(raw, self.connack_properties)
            packet = decode(raw.head[0], raw.body)
        async with self._news:
            self.seen.append(Seen(client.client_id, client.connection, to_broker, packet))
            self._news.notify_all()
        writer.write(b"".join(raw))
        await writer.drain()


@dataclass(slots=True)
class _Client:
    connection: int
    client_id: str = ""


def _with_user_properties(connack: WirePacket, pairs: UserProperties) -> WirePacket:
    # Flags, reason, length of the properties, properties.
    assert connack.body[2] < 0x80
    properties = connack.body[3:] + b"".join(in_packet(name, value) for name, value in pairs)
    body = connack.body[:2] + _variable(len(properties)) + properties
    return WirePacket(connack.head, _variable(len(body)), body)


def _variable(value: int) -> bytes:
    assert value < 0x80 * 0x80
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80, value >> 7])
