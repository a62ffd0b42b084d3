"""A small decoder of MQTT 5 packets, independent of the library that the code under test sends them with.

Source of every number: MQTT 5.0, sections 2 and 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

UserProperties = tuple[tuple[str, str], ...]


class WirePacket(NamedTuple):
    """A packet in bytes: its type and flags, its length, and what follows (MQTT 5.0, 2.1)."""

    head: bytes
    length: bytes
    body: bytes


async def read_packet(reader: asyncio.StreamReader) -> WirePacket:
    """Read a packet.

    Raises:
        asyncio.IncompleteReadError: the connection ended.
    """
    head = await reader.readexactly(1)
    size, length, shift = 0, b"", 0
    while not length or length[-1] & 0x80:
        length += await reader.readexactly(1)
        size |= (length[-1] & 0x7F) << shift
        shift += 7
    return WirePacket(head, length, await reader.readexactly(size))


@dataclass(frozen=True, slots=True)
class Will:
    """What a CONNECT asks the broker to publish when its connection dies."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    delay_s: int
    user_properties: UserProperties


@dataclass(frozen=True, slots=True)
class Connect:
    """The first packet of a client; ``protocol`` is 5 for MQTT 5.0."""

    client_id: str
    protocol: int
    clean_start: bool
    keepalive_s: int
    session_expiry_s: int
    maximum_packet_bytes: int | None
    user_properties: UserProperties
    will: Will | None


@dataclass(frozen=True, slots=True)
class Connack:
    """The broker's answer; ``reason`` is 0 when it lets the client in."""

    reason: int
    session_present: bool
    user_properties: UserProperties


@dataclass(frozen=True, slots=True)
class Publish:
    """A message; ``expiry_s`` is after how long the broker forgets it, None for never."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    user_properties: UserProperties
    expiry_s: int | None = None

    def user_property(self, name: str) -> str | None:
        """The first value of a user property."""
        return dict(reversed(self.user_properties)).get(name)


@dataclass(frozen=True, slots=True)
class Filter:
    """One topic filter of a SUBSCRIBE, and its options."""

    topic: str
    qos: int
    no_local: bool


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Asks for messages."""

    identifier: int
    filters: tuple[Filter, ...]

    @property
    def topics(self) -> tuple[str, ...]:
        """The topic filters alone."""
        return tuple(each.topic for each in self.filters)


@dataclass(frozen=True, slots=True)
class Suback:
    """The answer to the SUBSCRIBE with the same identifier; a reason of 0x80 or more is a refusal."""

    identifier: int
    reasons: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Asks for messages no more."""

    identifier: int
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The last packet; a reason of 0, sent by a client, keeps its will from being published."""

    reason: int


@dataclass(frozen=True, slots=True)
class Other:
    """A packet of which only the type matters here, e.g. ``"PINGREQ"``."""

    name: str


Packet = Connect | Connack | Publish | Subscribe | Suback | Unsubscribe | Disconnect | Other


class _Cursor:
    """Reads the fields of a packet one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def take(self, length: int) -> bytes:
        if self._position + length > len(self._data):
            raise ValueError("The packet ends too early")
        self._position += length
        return self._data[self._position - length : self._position]

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._position)

    def integer(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def variable(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.integer(1)
            value |= (digit & 0x7F) << shift
            if not digit & 0x80:
                return value
        raise ValueError("A variable byte integer has more than four bytes")

    def binary(self) -> bytes:
        return self.take(self.integer(2))

    def text(self) -> str:
        return self.binary().decode()


class _Properties(NamedTuple):
    values: dict[int, int | bytes]
    user: UserProperties


_MESSAGE_EXPIRY, _SESSION_EXPIRY, _WILL_DELAY, _USER, _MAXIMUM_PACKET = 0x02, 0x11, 0x18, 0x26, 0x27
_BYTES: dict[int, Callable[[_Cursor], int | bytes]] = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), lambda cursor: cursor.integer(1)),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), lambda cursor: cursor.integer(2)),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), lambda cursor: cursor.integer(4)),
    **dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), _Cursor.binary),
    0x0B: _Cursor.variable,
}


def _properties(cursor: _Cursor) -> _Properties:
    inside = _Cursor(cursor.take(cursor.variable()))
    values: dict[int, int | bytes] = {}
    user: list[tuple[str, str]] = []
    while inside:
        identifier = inside.variable()
        if identifier == _USER:
            user.append((inside.text(), inside.text()))
        else:
            values[identifier] = _BYTES[identifier](inside)
    return _Properties(values, tuple(user))


def _number(properties: _Properties, identifier: int) -> int | None:
    value = properties.values.get(identifier)
    assert not isinstance(value, bytes)
    return value


def decode(head: int, body: bytes) -> Packet:
    """Decode one packet.

    Args:
        head: Its first byte.
        body: Everything after its remaining length.

    Raises:
        ValueError, KeyError: it is not MQTT 5.
    """
    name, read = _TYPES[head >> 4]
    return Other(name) if read is None else read(head & 0x0F, _Cursor(body))


def _connect(_flags: int, cursor: _Cursor) -> Connect:
    if cursor.text() != "MQTT":
        raise ValueError("The protocol is not MQTT")
    protocol, flags, keepalive_s = cursor.integer(1), cursor.integer(1), cursor.integer(2)
    properties = _properties(cursor)
    client_id = cursor.text()
    will = None
    if flags & 0x04:
        of_will = _properties(cursor)
        topic, payload = cursor.text(), cursor.binary()
        delay_s = _number(of_will, _WILL_DELAY) or 0
        will = Will(topic, payload, flags >> 3 & 3, bool(flags & 0x20), delay_s, of_will.user)
    return Connect(
        client_id,
        protocol,
        bool(flags & 0x02),
        keepalive_s,
        _number(properties, _SESSION_EXPIRY) or 0,
        _number(properties, _MAXIMUM_PACKET),
        properties.user,
        will,
    )


def _connack(_flags: int, cursor: _Cursor) -> Connack:
    acknowledge_flags, reason = cursor.integer(1), cursor.integer(1)
    return Connack(reason, bool(acknowledge_flags & 1), _properties(cursor).user)


def _publish(flags: int, cursor: _Cursor) -> Publish:
    topic, qos = cursor.text(), flags >> 1 & 3
    if qos:
        cursor.take(2)
    properties = _properties(cursor)
    expiry_s = _number(properties, _MESSAGE_EXPIRY)
    return Publish(topic, cursor.rest(), qos, bool(flags & 1), properties.user, expiry_s)


def _subscribe(_flags: int, cursor: _Cursor) -> Subscribe:
    identifier = cursor.integer(2)
    _properties(cursor)
    filters = []
    while cursor:
        topic, options = cursor.text(), cursor.integer(1)
        filters.append(Filter(topic, options & 3, bool(options & 4)))
    return Subscribe(identifier, tuple(filters))


def _suback(_flags: int, cursor: _Cursor) -> Suback:
    identifier = cursor.integer(2)
    _properties(cursor)
    return Suback(identifier, tuple(cursor.rest()))


def _unsubscribe(_flags: int, cursor: _Cursor) -> Unsubscribe:
    identifier = cursor.integer(2)
    _properties(cursor)
    topics = []
    while cursor:
        topics.append(cursor.text())
    return Unsubscribe(identifier, tuple(topics))


def _disconnect(_flags: int, cursor: _Cursor) -> Disconnect:
    return Disconnect(cursor.integer(1) if cursor else 0)


_TYPES: dict[int, tuple[str, Callable[[int, _Cursor], Packet] | None]] = {
    1: ("CONNECT", _connect),
    2: ("CONNACK", _connack),
    3: ("PUBLISH", _publish),
    4: ("PUBACK", None),
    5: ("PUBREC", None),
    6: ("PUBREL", None),
    7: ("PUBCOMP", None),
    8: ("SUBSCRIBE", _subscribe),
    9: ("SUBACK", _suback),
    10: ("UNSUBSCRIBE", _unsubscribe),
    11: ("UNSUBACK", None),
    12: ("PINGREQ", None),
    13: ("PINGRESP", None),
    14: ("DISCONNECT", _disconnect),
    15: ("AUTH", None),
}
