"""A broker that answers as a test wants: what real mosquitto never says, but other brokers do.

Source of every number: MQTT 5.0, sections 2 and 3.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from robot_node.mqtt import Broker

CONNECT, PUBLISH_QOS_1, SUBSCRIBE, DISCONNECT = 0x10, 0x32, 0x82, 0xE0
WELCOME = b"\x20\x03\0\0\0"  # CONNACK
Answer = Callable[[bytes], bytes]


def reason_string(text: str) -> bytes:
    """Properties that hold nothing else."""
    data = text.encode()
    return bytes([len(data) + 3, 0x1F]) + len(data).to_bytes(2, "big") + data


def packet(head: int, body: bytes) -> bytes:
    """A packet of less than 128 bytes after its first two."""
    assert len(body) < 0x80
    return bytes([head, len(body)]) + body


def suback(codes: Sequence[int], text: str = "") -> Answer:
    """Answers a SUBSCRIBE."""
    return lambda body: packet(0x90, body[:2] + (reason_string(text) if text else b"\0") + bytes(codes))


def puback(code: int, text: str = "") -> Answer:
    """Answers a PUBLISH at QoS 1."""
    return lambda body: packet(0x40, _packet_id(body) + bytes([code]) + (reason_string(text) if text else b"\0"))


def _packet_id(publish: bytes) -> bytes:
    position = 2 + int.from_bytes(publish[:2], "big")
    return publish[position : position + 2]


@dataclass
class ScriptedBroker:
    """Where it is, and what has come."""

    address: Broker
    packets: list[int] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """A client has closed its connection."""


@contextlib.asynccontextmanager
async def scripted_broker(answers: dict[int, Answer], *, timeout_s: float = 4.0) -> AsyncIterator[ScriptedBroker]:
    """Serve on loopback.

    Args:
        answers: By the first byte of a packet: what to write when one comes, given what follows its length. A CONNECT
            is welcomed unless it is among them; other packets are read, and not answered.
        timeout_s: How long clients wait for an answer.
    """
    answers = {CONNECT: lambda _: WELCOME} | answers

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head, length = await reader.readexactly(2)
                assert length < 0x80
                body = await reader.readexactly(length)
                broker.packets.append(head)
                if head in answers:
                    writer.write(answers[head](body))
        broker.hung_up.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        broker = ScriptedBroker(
            Broker(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", connect_timeout_s=timeout_s)
        )
        yield broker
