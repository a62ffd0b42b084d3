"""aiomqtt's client, adapted: CONNACK's properties kept, messages handed over, packets written at once.

The one file that uses private names of aiomqtt; :mod:`robot_node.mqtt.paho` is the one for paho-mqtt.
``tests/mqtt/test_client.py`` and ``tests/test_private_names.py`` check them against the installed packages.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Iterable, MutableMapping
from typing import Any, Self

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from robot_node.core.log_context import current_session
from robot_node.mqtt.errors import BrokenProtocolError, note_reason_string
from robot_node.mqtt.packets import read_user_properties, write_publish
from robot_node.mqtt.paho import OnMessage, PahoClient
from robot_node.mqtt.types import Incoming, UserProperties

logger = logging.getLogger(__name__)

CHECKED_VERSIONS = {"aiomqtt": "2.5"}
"""What the private names below were checked against; pyproject.toml allows no later minor version."""

PRIVATE_NAMES = {
    "aiomqtt.client:Client": (
        *("_client", "_client_connect", "_connected", "_disconnected", "_loop"),
        *("_pending_call", "_pending_publishes", "_pending_subscribes", "_pending_unsubscribes"),
        *("_on_connect", "_on_disconnect", "_on_message", "_on_publish", "_on_subscribe", "_on_unsubscribe"),
        *("_on_socket_close", "_on_socket_open", "_on_socket_register_write"),
        *("_misc_loop", "_misc_task"),
    )
}
"""By module and class."""


_PROTOCOL_ERROR = 0x82  # also paho's, for what it cannot read
_CLOSED = "it closed the connection before it had answered"


class MqttClient(aiomqtt.Client):
    """aiomqtt's client, with five differences.

    * The user properties of CONNACK, and the reasons that a broker gives in words, are kept.
    * Messages go to ``on_message`` at once. aiomqtt's own iterator costs a task and a wait per message, and its
      bounded queue drops without telling which. Receivers have bounded inboxes of their own.
    * A message at QoS 1 that is not acknowledged in time ends the connection.
    * Packets are written at once. aiomqtt leaves each to the event loop as if from another thread: a write to the
      loop's own pipe and three turns of the loop before the packet is on the wire, a third of a round trip.
    * Packets at QoS 0 take a shorter way: see :class:`PahoClient`.
    """

    connack_user_properties: UserProperties = ()
    connack_packet_bytes: int = 0

    def __init__(self, on_message: OnMessage, *args: Any, **kwargs: Any) -> None:
        # The event loop reads packets outside of any session.
        quiet: Any = _QuietLogger(
            logging.getLogger("mqtt"), {"session": current_session()}
        )  # it is not a Logger, but all that aiomqtt and paho use of one
        super().__init__(*args, logger=quiet, **kwargs)
        self._loop_thread = threading.get_ident()
        self._publishing = False
        self._abandoned = False
        self._refusals: dict[int, ReasonCode] = {}
        self._drained = asyncio.Event()
        self._client.connect_timeout = self.timeout
        # aiomqtt creates its paho client itself.
        self._paho = PahoClient.adopt(self._client, on_message)
        if packet_bytes := getattr(kwargs.get("properties"), "MaximumPacketSize", 0):
            self._paho.largest_packet = packet_bytes
        self._disconnected.add_done_callback(self._release_waiting)

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            MqttError: the broker cannot be reached, refuses us, or does not answer in time.
        """
        disconnected = self._disconnected
        await super().__aenter__()
        # aiomqtt forgets a loss in the moment of CONNACK, and then takes the connection for alive for ever.
        self._disconnected = disconnected
        return self

    @property
    def on_message(self) -> OnMessage:
        """Receives every message."""
        return self._paho.receiver

    @on_message.setter
    def on_message(self, on_message: OnMessage) -> None:
        self._paho.receiver = on_message

    async def publish_unacknowledged(self, topic: str, payload: bytes, properties: Properties, *, retain: bool) -> None:
        """Publish at QoS 0; returns once the packet was written.

        Raises:
            MqttError: the connection is gone.
        """
        packet = write_publish(topic, payload, properties.pack(), retain=retain)  # type: ignore[no-untyped-call]  # paho's
        if self._paho.socket() is None or self._disconnected.done():
            raise aiomqtt.MqttCodeError(MQTTErrorCode.MQTT_ERR_NO_CONN, "Could not publish message")
        self._publishing = True
        try:
            self._paho.write(packet)
        finally:
            self._publishing = False
        if not self._paho.want_write():
            return
        self._flush()
        while self._client.want_write() and not self._disconnected.done():
            self._drained.clear()
            await self._drained.wait()
        if self._disconnected.done():
            raise aiomqtt.MqttError("Disconnected while publishing") from self._disconnected.exception()

    async def publish_acknowledged(
        self, topic: str, payload: bytes, properties: Properties, *, retain: bool
    ) -> ReasonCode | None:
        """Publish at QoS 1; returns once the broker has acknowledged it.

        aiomqtt's own way makes a task for each, waits for the time limit when the connection is lost, and doesn't say
        when the broker refuses.

        Returns:
            Why the broker did not take it (MQTT 5.0, 3.4.2.1); None when it did.

        Raises:
            MqttError: the connection is gone, or the broker did not acknowledge in time: then the connection ends.
        """
        self._publishing = True
        try:
            info = self._client.publish(topic, payload, 1, retain, properties)
        finally:
            self._publishing = False
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS or self._disconnected.done():
            raise aiomqtt.MqttCodeError(info.rc, "Could not publish message")
        self._flush()
        acknowledged = asyncio.Event()
        self._refusals.pop(info.mid, None)  # of a publisher that was cancelled before it looked
        with self._pending_call(info.mid, acknowledged, self._pending_publishes):
            try:
                async with asyncio.timeout(self.timeout):
                    await acknowledged.wait()
            except TimeoutError:
                if acknowledged.is_set():  # in the same moment
                    return self._refusals.pop(info.mid, None)
                # It stays in paho's window of 20 unacknowledged messages, which nothing but an acknowledgement
                # empties (MQTT 5.0, 4.9): left alone, the connection would come to a standstill.
                self._break(aiomqtt.MqttError(f"the broker did not acknowledge a message within {self.timeout:g} s"))
        if not info.is_published():
            raise aiomqtt.MqttError("Disconnected while publishing") from self._disconnected.exception()
        return self._refusals.pop(info.mid, None)

    def _on_publish(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        if reason_code.is_failure and mid in self._pending_publishes:
            self._refusals[mid] = note_reason_string(reason_code, properties)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _break(self, error: Exception) -> None:
        """End the connection; whatever waits on it fails with ``error`` as the cause."""
        if not self._disconnected.done():
            self._disconnected.set_exception(error)
        self._paho.abort()

    def _release_waiting(self, disconnected: asyncio.Future[None]) -> None:
        """End every wait for an answer that will not come any more."""
        cause = None
        if not disconnected.cancelled():
            cause = disconnected.exception()  # else asyncio complains of a loss that was never looked at
        for subscribing in self._pending_subscribes.values():
            if not subscribing.done():
                error = aiomqtt.MqttError("Disconnected while subscribing")
                error.__cause__ = cause
                subscribing.set_exception(error)
        for waiting in (*self._pending_unsubscribes.values(), *self._pending_publishes.values()):
            waiting.set()

    def abandon(self) -> None:
        """Close the socket of an attempt to connect that failed or was cancelled; aiomqtt leaves it open."""
        self._abandoned = True
        self._client.disconnect()

    def set_no_delay(self) -> None:
        """Set TCP_NODELAY, on a WebSocket's connection too, of which paho hides the socket.

        Without it a round trip at QoS 1 takes 44 to 88 ms: Nagle's algorithm against delayed acknowledgement.
        """
        wrapped = self._client.socket()
        if wrapped is not None:
            with socket.socket(fileno=os.dup(wrapped.fileno())) as duplicate:
                duplicate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _client_connect(self) -> None:
        super()._client_connect()
        if self._abandoned:
            # It was slow, in a thread that cannot be stopped. It would later take the connection from the next attempt,
            # which uses the same client id.
            self._loop.call_soon_threadsafe(self.abandon)

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        if not self._abandoned:  # else there is no reader, and the loop may be about to close
            self._loop.call_soon_threadsafe(self._follow, sock)

    def _follow(self, sock: Any) -> None:
        """Read what comes. aiomqtt's way asks for that also of a socket that was closed in the meantime."""
        if self._is_open(sock):
            self._loop.add_reader(sock.fileno(), self._read)
            self._misc_task = self._loop.create_task(self._misc_loop(), name="MQTT keep-alive")

    def _is_open(self, sock: Any) -> bool:
        """It is still the connection's; the number of one that was closed may be another file's by now."""
        return sock is not None and sock is self._client.socket()

    def _read(self) -> None:
        """Read what has come."""
        try:
            self._client.loop_read()
            while pending := getattr(self._client.socket(), "pending", None):  # of TLS, which select does not see
                if not pending():
                    return
                self._client.loop_read()
        except Exception as error:  # noqa: BLE001  # as aiomqtt does: whatever it is, the connection is broken
            self._break(error)

    def _flush(self) -> None:
        """Write the queue now; what the socket does not take, as soon as it does."""
        sock = self._client.socket()
        if sock is None:
            return
        try:
            self._client.loop_write()
        except Exception as error:  # noqa: BLE001  # as aiomqtt does: whatever it is, the connection is broken
            self._break(error)
        if not self._client.want_write() or self._disconnected.done():
            self._drained.set()
        elif sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._flush)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.connack_user_properties = tuple(getattr(properties, "UserProperty", None) or ())
        self.connack_packet_bytes = getattr(properties, "MaximumPacketSize", 0)
        super()._on_connect(client, userdata, flags, note_reason_string(reason_code, properties), properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        is_ours = not flags.is_disconnect_packet_from_server and reason_code.value == _PROTOCOL_ERROR
        if not self._connected.done():
            # aiomqtt would wait for CONNACK until the time limit. This may run in the executor's thread.
            error = BrokenProtocolError() if is_ours else aiomqtt.MqttError(_CLOSED)
            self._loop.call_soon_threadsafe(self._give_up_connecting, error)
        elif is_ours:
            self._break(BrokenProtocolError())
        elif not self._connected.cancelled():  # the attempt to connect was given up, for aiomqtt a reason to raise
            super()._on_disconnect(client, userdata, flags, note_reason_string(reason_code, properties), properties)

    def _give_up_connecting(self, error: aiomqtt.MqttError) -> None:
        if not self._connected.done() and not self._abandoned:
            error.__cause__ = self._paho.read_error
            self._connected.set_exception(error)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        pairs = getattr(message.properties, "UserProperty", None) or ()
        try:
            topic = message.topic
        except UnicodeDecodeError:  # not worth the connection: any client of a lax broker could cause that
            logger.debug("A message with a topic that is not UTF-8 was left out")
            return
        try:  # an exception would end the reading of the socket, which all sessions share
            self.on_message(Incoming(topic, bytes(message.payload), message.retain, tuple(pairs)))
        except Exception:
            logger.exception("A message could not be handled")

    def _on_subscribe(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        if mid in self._pending_subscribes:  # the subscriber may have been cancelled, for aiomqtt an error to log
            codes = [note_reason_string(code, properties) for code in reason_codes]
            super()._on_subscribe(client, userdata, mid, codes, properties)

    def _on_unsubscribe(self, client: paho.Client, userdata: Any, mid: int, *answer: Any) -> None:
        if mid in self._pending_unsubscribes:  # as above
            super()._on_unsubscribe(client, userdata, mid, *answer)

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        if threading.get_ident() != self._loop_thread:  # CONNECT is sent from an executor's thread
            self._loop.call_soon_threadsafe(self._write_when_possible, sock)
        elif not self._publishing:
            self._loop.call_soon(self._flush)

    def _write_when_possible(self, sock: Any) -> None:
        """Write CONNECT after what has come by then was read: it may be why TLS failed."""
        if self._is_open(sock):
            self._loop.add_writer(sock.fileno(), self._flush)

    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        super()._on_socket_close(client, userdata, sock)
        self._loop.call_soon_threadsafe(self._drained.set)


class _QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that writes tracebacks at their level and everything else at DEBUG.

    Both libraries report a lost connection in words of their own, in addition to our line.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        super().log(level if kwargs.get("exc_info") else logging.DEBUG, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return (msg, kwargs) if current_session() else super().process(msg, kwargs)


class PublishProperties(Properties):
    """User properties for PUBLISH, packed once instead of for each packet."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped, here and below
        for pair in pairs:
            self.UserProperty = pair
        object.__setattr__(self, "_packed", super().pack())  # type: ignore[no-untyped-call]  # as above

    def pack(self) -> bytes:
        """The properties as bytes."""
        packed: bytes = object.__getattribute__(self, "_packed")
        return packed


_unpack_any = Properties.unpack


def _unpack(self: Properties, buffer: bytes) -> tuple[Properties, int]:
    if self.packetType != PacketTypes.PUBLISH:
        unpacked: tuple[Properties, int] = _unpack_any(self, buffer)  # type: ignore[no-untyped-call]  # paho's
        return unpacked
    pairs, length = read_user_properties(buffer)
    if pairs:
        object.__setattr__(self, "UserProperty", pairs)
    return self, length


# paho copies the whole packet several times for each property, so that one PUBLISH of some megabytes with some
# thousand properties stops the event loop for minutes; it drops the connection over U+FEFF, which is legal
# (MQTT 5.0, 1.5.4-3), so that any stranger could cut off the robot; and it takes longer over two user properties
# than a round trip through the broker.
Properties.unpack = _unpack  # type: ignore[method-assign]  # see above
