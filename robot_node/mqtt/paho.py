"""paho-mqtt's client, reading and writing the packets of a tool call without its detours.

The one file that uses private names of paho-mqtt; :mod:`robot_node.mqtt.client` is the one for aiomqtt.
``tests/mqtt/test_client.py`` and ``tests/test_private_names.py`` check them against the installed package.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from robot_node.mqtt.packets import (
    LARGEST_REMAINING_LENGTH,
    PUBLISH_AT_QOS_0_OR_1,
    read_acknowledgement,
    read_publish,
    write_acknowledgement,
)
from robot_node.mqtt.types import Incoming

logger = logging.getLogger(__name__)

CHECKED_VERSIONS = {"paho-mqtt": "2.2"}
"""What the private names below were checked against; pyproject.toml allows no later minor version."""

PRIVATE_NAMES = {
    "paho.mqtt.client:Client": (
        *("_create_socket", "_create_socket_connection", "_ssl_wrap_socket"),
        *("_sock", "_sock_close", "_sock_recv", "_transport"),
        *("_do_on_publish", "_in_packet", "_loop_rc_handle", "_out_messages", "_packet_handle", "_packet_queue"),
    ),
    "paho.mqtt.client:_WebsocketWrapper": ("_readbuffer",),
}
"""By module and class."""

OnMessage = Callable[[Incoming], None]
"""Called on the event loop for every message, in order. Must not block; what it raises is logged and dropped."""

# First bytes of the packets that a broker may send (MQTT 5.0, 2.1): nothing is subscribed at QoS 2, and AUTH answers a
# method that we don't name.
_FROM_BROKERS = PUBLISH_AT_QOS_0_OR_1 | {0x20, 0x40, 0x90, 0xB0, 0xD0, 0xE0}
# Bytes read at once, and so handled before the event loop has its next turn: some two dozen calls or answers.
_CHUNK_BYTES = 8 * 1024
# Largest packets that may share a WebSocket frame, and bytes of small ones: paho keeps a frame until it is whole.
_LARGEST_PACKETS_IN_A_FRAME = 4
_FRAME_BYTES = 64 * 1024
# A packet type that paho doesn't know, so that it expects no answer.
_NO_COMMAND = 0
# The content of a PUBACK of four bytes; paho creates both again for each one.
_SUCCESS = ReasonCode(PacketTypes.PUBACK)
_NO_PROPERTIES = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]  # paho leaves it untyped


class PahoClient(paho.Client):
    """A paho client with a shorter way for the packets of a tool call. Created by :meth:`adopt`.

    paho reads each packet in at least four pieces and handles one per turn of the event loop; between the socket and
    a callback it takes longer than the packet takes through the broker. So a PUBLISH at QoS 0 or 1 that came in one
    piece, and a PUBACK, are handled here; everything else, and every error, is left to paho. It doesn't hear of these
    packets, and so may send a ping that nothing but it needs.
    """

    receiver: OnMessage
    read_error: ssl.SSLError | None = None
    """The TLS alert by which the other side ended the connection."""
    largest_packet: int = LARGEST_REMAINING_LENGTH
    """A broker that sends a larger one, in bytes, breaks the connection."""
    _connecting: socket.socket | None = None
    _chunk = b""
    _position = 0

    @classmethod
    def adopt(cls, client: paho.Client, receiver: OnMessage) -> PahoClient:
        """Turn an existing client into one.

        Args:
            client: Changed in place.
            receiver: Called with the message of each PUBLISH at QoS 0 or 1 that came in one piece.
        """
        client.__class__ = cls
        assert isinstance(client, cls)
        client.receiver = receiver
        return client

    def _create_socket(self) -> Any:
        """Connect, and close the socket when the WebSocket handshake fails: paho leaves it open."""
        try:
            return super()._create_socket()
        except BaseException:
            if self._connecting is not None:
                self._connecting.close()
            raise
        finally:
            self._connecting = None

    def _create_socket_connection(self) -> socket.socket:
        self._connecting = super()._create_socket_connection()
        return self._connecting

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        self._connecting = wrapped = super()._ssl_wrap_socket(tcp_sock)
        return wrapped

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read once from the socket, and handle what came. A broker that breaks MQTT is disconnected."""
        try:
            result = self._read(max_packets)
            frame_bytes = len(getattr(self._sock, "_readbuffer", b""))  # of a WebSocket
            if (
                self._in_packet["remaining_length"] <= self.largest_packet
                and frame_bytes <= _LARGEST_PACKETS_IN_A_FRAME * self.largest_packet + _FRAME_BYTES
            ):
                return result
            logger.debug(
                "The broker sends a packet of %d bytes, in a frame of %d or more",
                self._in_packet["remaining_length"],
                frame_bytes,
            )
        except Exception:  # over malformed packets paho raises nearly everything
            logger.debug("The broker sent what cannot be read", exc_info=True)
        return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)

    def _packet_handle(self) -> MQTTErrorCode:
        if self._in_packet["command"] not in _FROM_BROKERS:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return super()._packet_handle()

    def _read(self, max_packets: int) -> MQTTErrorCode:
        # paho reads the rest of a packet that has begun: it may be large.
        if self._is_in_a_packet() or self._transport != "tcp":
            return super().loop_read(max_packets)
        try:
            self._chunk, self._position = super()._sock_recv(_CHUNK_BYTES), 0
        except OSError as error:
            self._chunk = b""
            if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError):
                self.read_error = error  # on a second call, OpenSSL only reports the end
        if not self._chunk:
            return super().loop_read(max_packets)  # which reports why
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        while self._sock and self._position < len(self._chunk) and result == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if self._is_in_a_packet() or not self._take_packet():
                result = super().loop_read(max_packets)
        self._chunk = b""
        return result

    def _is_in_a_packet(self) -> bool:
        """Whether paho has read a part of a packet."""
        return bool(self._in_packet["command"])

    def _take_packet(self) -> bool:
        """Handle the next packet of the chunk; False when paho must read it."""
        if publish := read_publish(self._chunk, self._position):
            self._position = publish.end
            try:  # an exception would end the reading of the socket, which all sessions share
                self.receiver(publish.message)
            except Exception:
                logger.exception("A message could not be handled")
            if publish.packet_id:
                self.write(write_acknowledgement(publish.packet_id))
            return True
        packet_id = read_acknowledgement(self._chunk, self._position)
        if packet_id not in self._out_messages:
            return False
        self._position += 4
        self._do_on_publish(packet_id, _SUCCESS, _NO_PROPERTIES)
        return True

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read for paho: from the chunk of :meth:`loop_read`, and nothing more before its next turn."""
        if not self._chunk:
            return super()._sock_recv(bufsize)
        start = self._position
        if start == len(self._chunk):
            raise BlockingIOError
        self._position = min(start + bufsize, len(self._chunk))
        return self._chunk[start : self._position]

    def abort(self) -> None:
        """Close the socket without a DISCONNECT, so that the broker publishes the will."""
        self._sock_close()

    def write(self, packet: bytes) -> None:
        """Write a packet that needs no answer; queue what the socket doesn't take (see ``want_write``)."""
        written = 0
        if self._transport == "tcp" and self._sock is not None and not self.want_write():
            # An error occurs again, and is handled, when paho writes.
            with contextlib.suppress(OSError):
                written = self._sock.send(packet)
        if written < len(packet):
            self._packet_queue(_NO_COMMAND, packet[written:], 0, 0)
