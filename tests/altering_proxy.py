"""A proxy that makes mosquitto behave like another broker: retained messages, refused subscriptions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.mcp_mqtt.packets import read_packet

_SUBSCRIBE, _SUBACK = 0x82, 0x90
_DO_NOT_SEND_RETAINED = 0x20  # MQTT 5.0, 3.8.3.1: Retain Handling 2
_NOT_AUTHORIZED = 0x87


@contextlib.asynccontextmanager
async def altering_proxy(
    broker: PrivateBroker,
    *,
    without_retained: Callable[[str], bool] = lambda _: False,
    refuses: Callable[[str], bool] = lambda _: False,
) -> AsyncIterator[Broker]:
    """Serve a broker that differs from mosquitto.

    Args:
        broker: mosquitto.
        without_retained: For which topic filters a new subscription gets no retained messages.
        refuses: Which topic filters are refused in SUBACK.
    """
    visits: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(asyncio.current_task())
        broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", broker.port)
        refused: set[bytes] = set()

        def to_broker(kind: int, body: bytearray) -> None:
            if kind == _SUBSCRIBE:
                for name, options in _filters_of(body):
                    if without_retained(name):
                        body[options] |= _DO_NOT_SEND_RETAINED
                    if refuses(name):
                        refused.add(bytes(body[:2]))

        def to_client(kind: int, body: bytearray) -> None:
            if kind == _SUBACK and bytes(body[:2]) in refused:
                body[-1] = _NOT_AUTHORIZED

        copies = [
            asyncio.create_task(_copy(reader, broker_writer, to_broker)),
            asyncio.create_task(_copy(broker_reader, writer, to_client)),
        ]
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        for copy in copies:
            copy.cancel()
        await asyncio.wait(copies)
        for each in (writer, broker_writer):
            each.close()
            with contextlib.suppress(OSError):
                await each.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Broker(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", connect_timeout_s=1.0)
    await asyncio.gather(*filter(None, visits))


def _filters_of(body: bytearray) -> Iterator[tuple[str, int]]:
    """Yield the topic filters of a SUBSCRIBE, and where the options of each are (MQTT 5.0, 3.8)."""
    begin = 3 + body[2]  # packet id, properties
    while begin < len(body):
        end = begin + 2 + int.from_bytes(body[begin : begin + 2], "big")
        yield body[begin + 2 : end].decode(), end
        begin = end + 1


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, alter: Callable[[int, bytearray], None]
) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head, length, content = await read_packet(reader)
            body = bytearray(content)
            alter(head[0], body)
            writer.write(head + length + body)
            await writer.drain()
