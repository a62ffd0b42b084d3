"""PUBLISH packets as bytes, the few kinds that make up a tool call. Pure.

paho-mqtt takes longer to write and read them than they take through the broker and back.

Source: MQTT 5.0, 3.3 (PUBLISH), 1.5 (data types), 2.2.2 (properties).
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from paho.mqtt import MQTTException

from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.mqtt.types import Incoming

logger = logging.getLogger(__name__)

# Larger properties are ignored: no peer of ours needs a tenth of it.
_MAX_PROPERTY_BYTES = 16 * 1024
_ACKNOWLEDGEMENT = b"\x40\x02"
LARGEST_REMAINING_LENGTH = 268_435_455
"""Of a packet, in bytes, without its first two to five (MQTT 5.0, 1.5.5)."""
_PUBLISH, _RETAIN, _QOS_1 = 0x30, 0x01, 0x02
PUBLISH_AT_QOS_0_OR_1 = frozenset({0x30, 0x31, 0x32, 0x33, 0x3A, 0x3B})
"""First bytes of such packets (MQTT 5.0, 3.3.1)."""

# Sizes of the other properties that PUBLISH may carry (MQTT 5.0, 3.3.2.3); 0 stands for a length in two bytes.
_FIXED_SIZES = {0x01: 1, 0x02: 4, 0x23: 2, 0x03: 0, 0x08: 0, 0x09: 0}
_SUBSCRIPTION_IDENTIFIER = 0x0B
_USER_PROPERTY = 0x26


class Publish(NamedTuple):
    """A PUBLISH at QoS 0 or 1.

    Attributes:
        message: What it carries; without user properties that aren't UTF-8.
        packet_id: To be acknowledged; 0 at QoS 0.
        end: Position of the next packet.
    """

    message: Incoming
    packet_id: int
    end: int


def write_publish(topic: str, payload: bytes, properties: bytes, *, retain: bool) -> bytes:
    """Write a PUBLISH at QoS 0.

    Args:
        topic: Topic name.
        payload: What it carries.
        properties: Packed, with their length.
        retain: Whether the broker is to keep it.

    Raises:
        ValueError: the topic has wildcards or is too long, or the payload is too large.
    """
    name = topic.encode()
    if "+" in topic or "#" in topic or len(name) > 0xFFFF:
        raise ValueError(f"{bounded(topic, SHOWN_CHARACTERS)!r} is no topic name.")
    length = 2 + len(name) + len(properties) + len(payload)
    if length > LARGEST_REMAINING_LENGTH:
        raise ValueError("The payload is too large for MQTT.")
    head = bytearray((_PUBLISH | retain,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return b"".join((head, len(name).to_bytes(2, "big"), name, properties, payload))


def read_publish(buffer: bytes, start: int) -> Publish | None:
    """Read the PUBLISH that begins at ``start``; None for another kind of packet, an incomplete or a malformed one."""
    head = buffer[start]
    if head not in PUBLISH_AT_QOS_0_OR_1:
        return None
    try:
        length, body_start = _variable_byte_integer(buffer, start + 1)
        end = body_start + length
        name_end = position = _end_of_text(buffer, body_start)
        packet_id = 0
        if head & _QOS_1:
            packet_id = buffer[position] << 8 | buffer[position + 1]
            position += 2
        if end > len(buffer) or position > end:
            return None
        rest = buffer[position:end]
        pairs, size = read_user_properties(rest)
        topic = buffer[body_start + 2 : name_end].decode()
    except (IndexError, UnicodeDecodeError, MQTTException):
        return None
    return Publish(Incoming(topic, rest[size:], bool(head & _RETAIN), tuple(pairs)), packet_id, end)


def read_acknowledgement(buffer: bytes, start: int) -> int:
    """Packet id of a PUBACK of four bytes, which means success; 0 when another packet begins there."""
    if buffer[start : start + 2] != _ACKNOWLEDGEMENT or len(buffer) < start + 4:
        return 0
    return buffer[start + 2] << 8 | buffer[start + 3]


def write_acknowledgement(packet_id: int) -> bytes:
    """Write a PUBACK that means success (MQTT 5.0, 3.4)."""
    return _ACKNOWLEDGEMENT + packet_id.to_bytes(2, "big")


def read_user_properties(buffer: bytes) -> tuple[list[tuple[str, str]], int]:
    """Read the properties of a PUBLISH, of which only the user properties are kept.

    Args:
        buffer: The packet from its properties on.

    Returns:
        The user properties, and the number of bytes that all properties take. A pair that isn't UTF-8 is left out.

    Raises:
        MQTTException: the properties are malformed.
    """
    try:
        length, start = _variable_byte_integer(buffer, 0)
        end = start + length
        pairs = [] if length > _MAX_PROPERTY_BYTES else _user_properties(buffer[:end], start)
    except (IndexError, KeyError) as error:
        raise MQTTException("Malformed properties") from error
    if end > len(buffer):
        raise MQTTException("Malformed properties: too short")
    return pairs, end


def _user_properties(buffer: bytes, position: int) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    while position < len(buffer):
        identifier = buffer[position]
        position += 1
        if identifier == _USER_PROPERTY:
            name_end = _end_of_text(buffer, position)
            value_end = _end_of_text(buffer, name_end)
            try:
                pairs.append((buffer[position + 2 : name_end].decode(), buffer[name_end + 2 : value_end].decode()))
            except UnicodeDecodeError:
                logger.debug("A user property that isn't UTF-8 was left out")
            position = value_end
        elif identifier == _SUBSCRIPTION_IDENTIFIER:
            position = _variable_byte_integer(buffer, position)[1]
        else:
            position = (
                position + _FIXED_SIZES[identifier] if _FIXED_SIZES[identifier] else _end_of_text(buffer, position)
            )
    return pairs


def _end_of_text(buffer: bytes, position: int) -> int:
    end = position + 2 + (buffer[position] << 8) + buffer[position + 1]
    if end > len(buffer):
        raise IndexError
    return end


def _variable_byte_integer(buffer: bytes, position: int) -> tuple[int, int]:
    """Value and the position after it (MQTT 5.0, 1.5.5)."""
    value = 0
    for index in range(4):
        digit = buffer[position + index]
        value |= (digit & 0x7F) << (7 * index)
        if not digit & 0x80:
            return value, position + index + 1
    raise IndexError
