"""A broker that breaks MQTT, each time in one way: a small server on a raw socket.

Source of every number: MQTT 5.0, sections 2 and 3.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.mcp_mqtt.packets import read_packet
from tests.mqtt.scripted_broker import CONNECT, PUBLISH_QOS_1, SUBSCRIBE, WELCOME, Answer, packet, suback

_PING, _UNSUBSCRIBE = 0xC0, 0xA2


class Behaviour(NamedTuple):
    """How a broker behaves.

    Attributes:
        answers: What to write when a packet comes, by its first byte; as a good broker where there is none.
        after_connack: What to write once the client is connected.
        ends: Whether the client has to end the connection over it.
    """

    answers: Mapping[int, Answer] = {}
    after_connack: bytes = b""
    ends: bool = True


def _connack(content: bytes) -> Behaviour:
    return Behaviour({CONNECT: lambda _: content})


def _then(content: bytes, *, ends: bool = True) -> Behaviour:
    return Behaviour(after_connack=content, ends=ends)


def _publish(topic: bytes, properties: bytes = b"\0", head: int = 0x30) -> bytes:
    packet_id = b"\0\x07" if head & 0x06 else b""
    return packet(head, len(topic).to_bytes(2, "big") + topic + packet_id + properties + b"payload")


BEHAVIOURS: dict[str, Behaviour] = {
    # Instead of a welcome
    "http": _connack(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    "garbage": _connack(bytes(range(256))),
    "zeros": _connack(bytes(100)),
    "connack of another version": _connack(b"\x20\x02\0\0"),
    "connack without properties": _connack(b"\x20\x01\0"),
    "connack empty": _connack(b"\x20\0"),
    "connack with an unknown code": _connack(packet(0x20, b"\0\xfe\0")),
    "connack with a code for wills": _connack(packet(0x20, b"\0\x99\0")),
    "connack with unknown properties": _connack(packet(0x20, b"\0\0\x03\x7fxx")),
    "connack with properties of publish": _connack(packet(0x20, b"\0\0\x02\x01\x01")),
    "connack whose properties are too short": _connack(packet(0x20, b"\0\0\x40\x11\0")),
    "connack with a text that is not utf-8": _connack(packet(0x20, b"\0\0\x05\x1f\0\x02\xff\xfe")),
    "connack with an endless length": _connack(b"\x20\xff\xff\xff\xff\xff"),
    "suback instead of connack": _connack(packet(0x90, b"\0\x01\0\0")),
    "publish before connack": _connack(_publish(b"x", b"\x01\x7f")),
    "closes at once": _connack(b""),
    # After it
    "connack twice": _then(WELCOME, ends=False),
    "suback for an unknown id": _then(packet(0x90, b"\x7f\x7f\0\0"), ends=False),
    "unsuback for an unknown id": _then(packet(0xB0, b"\x7f\x7f\0\0"), ends=False),
    "puback for what was never sent": _then(packet(0x40, b"\x7f\x7f"), ends=False),
    "puback with an unknown code": _then(packet(0x40, b"\x7f\x7f\xfd\0")),
    "puback too short": _then(b"\x40\x01\0"),
    "suback without an id": _then(b"\x90\0"),
    "suback with an unknown code": Behaviour({SUBSCRIBE: lambda body: packet(0x90, body[:2] + b"\0\x55")}),
    "suback with too many codes": Behaviour({SUBSCRIBE: suback([0, 0, 0])}),
    "suback without codes": Behaviour({SUBSCRIBE: suback([])}),
    "puback instead of suback": Behaviour({SUBSCRIBE: lambda body: packet(0x40, body[:2] + b"\xff\0")}),
    "packets of clients": _then(packet(0x82, b"\0\x01\0\0\x01x\0")),
    "ping from a broker": _then(b"\xc0\0"),
    "connect from a broker": _then(packet(0x10, b"\0\x04MQTT\x05\x02\0\x05\0\0\0")),
    "auth": _then(packet(0xF0, b"\x18\0")),
    "reserved packet": _then(b"\0\0"),
    "wrong flags": _then(b"\xdf\0"),
    "garbage later": _then(bytes(range(255, 0, -1))),
    "publish at qos 2": _then(_publish(b"x", head=0x34)),
    "publish at qos 3": _then(_publish(b"x", head=0x36)),
    "publish with a topic beyond its end": _then(packet(0x30, b"\xff\xffx\0")),
    "publish without anything": _then(b"\x30\0"),
    "publish with unknown properties": _then(_publish(b"x", b"\x02\x7f\0")),
    "publish with properties beyond its end": _then(packet(0x30, b"\0\x01x\x40\x26")),
    "publish with a topic that is not utf-8": _then(_publish(b"\xff\xfe", head=0x32), ends=False),
    "publish with a user property that is not utf-8": _then(
        _publish(b"x", b"\x09\x26\0\x02\xff\xfe\0\x02\xff\xfe"), ends=False
    ),
    "publish with a topic with wildcards": _then(_publish(b"#"), ends=False),
    "publish without a topic": _then(_publish(b""), ends=False),
    "a packet over the size": _then(b"\x30\xff\xff\xff\x7f" + bytes(50_000)),
    "disconnect with an unknown code": _then(packet(0xE0, b"\xfb\0")),
    "disconnect with malformed properties": _then(packet(0xE0, b"\x8b\x7f\x1f")),
    "pingresp with content": _then(packet(0xD0, b"x")),
    # Silence
    "silent": _connack(b""),
    "half a connack, then silence": _connack(b"\x20\x03\0"),
    "half a publish, then silence": _then(b"\x30\x7f\0\x01x\0" + bytes(10)),
}


@dataclass
class NastyBroker:
    """Where it is, and who has come.

    Attributes:
        port: TCP port on loopback.
        behaviour: How it behaves from the next connection on.
        connections: Connections so far.
    """

    port: int = 0
    behaviour: str = ""
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its address."""
        return f"mqtt://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self._open.add(writer)
        behaviour = BEHAVIOURS.get(self.behaviour, Behaviour())
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    (head,), _, body = await read_packet(reader)
                    writer.write(_answer(behaviour, head, body))
                    if head == CONNECT:
                        if self.behaviour == "closes at once":
                            break
                        writer.write(behaviour.after_connack)
                    await writer.drain()
        finally:
            self._open.discard(writer)
            writer.close()

    def close_all(self) -> None:
        """End all connections."""
        for writer in tuple(self._open):
            writer.close()


def _answer(behaviour: Behaviour, head: int, body: bytes) -> bytes:
    if head in behaviour.answers:
        return behaviour.answers[head](body)
    if head == CONNECT:
        return WELCOME
    if head == SUBSCRIBE:
        return suback([0] * _filters(body))(body)
    if head == _UNSUBSCRIBE:
        return packet(0xB0, body[:2] + b"\0" + bytes(_filters(body, options=0)))
    if head & 0xF6 == PUBLISH_QOS_1:  # DUP and RETAIN may be set
        end = 2 + int.from_bytes(body[:2], "big")
        return packet(0x40, body[end : end + 2])
    return b"\xd0\0" if head == _PING else b""


def _filters(body: bytes, options: int = 1) -> int:
    position, count = 3 + body[2], 0
    while position < len(body):
        position += 2 + int.from_bytes(body[position : position + 2], "big") + options
        count += 1
    return count


@contextlib.asynccontextmanager
async def nasty_broker(behaviour: str = "") -> AsyncIterator[NastyBroker]:
    """Serve on loopback; it behaves until another behaviour is set."""
    broker = NastyBroker(behaviour=behaviour)
    async with await asyncio.start_server(broker.serve, "127.0.0.1", 0) as server:
        broker.port = server.sockets[0].getsockname()[1]
        yield broker
