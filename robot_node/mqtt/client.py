"""aiomqtt's client, adapted: CONNACK's properties kept, messages handed over, packets written at once.

This is the one place that reaches below the public names of aiomqtt and paho-mqtt. ``tests/mqtt/test_client.py``
holds what it relies on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from robot_node.core.log_context import current_session
from robot_node.mqtt.packets import Publish, read_user_properties, write_publish
from robot_node.mqtt.paho import PahoClient
from robot_node.mqtt.types import Incoming, UserProperties

logger = logging.getLogger(__name__)


OnMessage = Callable[[Incoming], None]
"""Called on the event loop for every message, in order. Must not block; what it raises is logged and dropped."""


class MqttClient(aiomqtt.Client):
    """aiomqtt's client, with four differences.

    * The user properties of CONNACK are kept.
    * Messages go to ``on_message`` at once. aiomqtt's own iterator costs a task and a wait per message, and its
      bounded queue drops without telling which. Whoever receives bounds its own inboxes.
    * Packets are written at once. aiomqtt leaves each to the event loop as if from another thread: a write to the
      loop's own pipe and three turns of the loop before the packet is on the wire, a third of a round trip.
    * Packets at QoS 0 take a shorter way: see :class:`PahoClient`.
    """

    connack_user_properties: UserProperties = ()
    connack_packet_bytes: int = 0

    def __init__(self, on_message: OnMessage, *args: Any, **kwargs: Any) -> None:
        # The packets that come are read outside of any session: by the event loop itself.
        aside: Any = _Aside(
            logging.getLogger("mqtt"), {"session": current_session()}
        )  # it is not a Logger, but all that aiomqtt and paho use of one
        super().__init__(*args, logger=aside, **kwargs)
        self._hand_over = on_message
        self._loop_thread = threading.get_ident()
        self._publishing = False
        self._abandoned = False
        self._refused: dict[int, ReasonCode] = {}
        self._drained = asyncio.Event()
        self._client.connect_timeout = self.timeout
        # aiomqtt makes its paho client itself.
        self._paho = PahoClient.adopt(self._client, self._on_publish_packet)
        self._disconnected.add_done_callback(self._release_publishers)

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
            MqttError: the connection is gone, or the broker does not answer in time.
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
        self._refused.pop(info.mid, None)  # of somebody who was cancelled before looking
        with self._pending_call(info.mid, acknowledged, self._pending_publishes):
            try:
                async with asyncio.timeout(self.timeout):
                    await acknowledged.wait()
            except TimeoutError:
                raise aiomqtt.MqttError("Operation timed out") from None
        if not info.is_published():
            raise aiomqtt.MqttError("Disconnected while publishing") from self._disconnected.exception()
        return self._refused.pop(info.mid, None)

    def _on_publish(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        if reason_code.is_failure and mid in self._pending_publishes:
            self._refused[mid] = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _release_publishers(self, disconnected: asyncio.Future[None]) -> None:
        if not disconnected.cancelled():
            disconnected.exception()  # else asyncio complains when nobody was waiting for the loss
        for waiting in self._pending_publishes.values():
            waiting.set()

    def abandon(self) -> None:
        """Close the socket of a connection attempt that failed or was cancelled; aiomqtt leaves it open."""
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
            # It was slow, in a thread that cannot be stopped. Left alone, it would later throw out, by the same
            # client id, whoever took its place.
            self._loop.call_soon_threadsafe(self.abandon)

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if not self._abandoned:  # else nobody reads, and the loop may be about to close
            super()._on_socket_open(client, userdata, sock)

    def _flush(self) -> None:
        """Write what is queued, now and, where the socket takes no more, as soon as it does."""
        sock = self._client.socket()
        if sock is None:
            return
        try:
            self._client.loop_write()
        except Exception as error:  # noqa: BLE001  # as aiomqtt does: whatever it is, the connection is broken
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
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
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, client: paho.Client, userdata: Any, *details: Any) -> None:
        if not self._connected.done():
            # aiomqtt would wait for CONNACK until the time limit. It may be the executor's thread that we are in.
            self._loop.call_soon_threadsafe(self._give_up_connecting)
        elif not self._connected.cancelled():  # the attempt to connect was given up, for aiomqtt a reason to raise
            super()._on_disconnect(client, userdata, *details)

    def _give_up_connecting(self) -> None:
        if not self._connected.done() and not self._abandoned:
            error = aiomqtt.MqttError("it hung up before it had answered")
            error.__cause__ = self._paho.read_error
            self._connected.set_exception(error)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        pairs = getattr(message.properties, "UserProperty", None) or ()
        # What is raised here would end the reading of the socket, which serves everybody.
        try:
            self._hand_over(Incoming(message.topic, bytes(message.payload), message.retain, tuple(pairs)))
        except Exception:
            logger.exception("A message could not be handled")

    def _on_publish_packet(self, publish: Publish) -> None:
        try:  # as above
            topic, pairs = publish.topic.decode(), tuple(publish.user_properties)
            self._hand_over(Incoming(topic, publish.payload, publish.retain, pairs))
        except Exception:
            logger.exception("A message could not be handled")

    def _on_subscribe(self, client: paho.Client, userdata: Any, mid: int, *answer: Any) -> None:
        if mid in self._pending_subscribes:  # whoever waited may have been cancelled, for aiomqtt an error to log
            super()._on_subscribe(client, userdata, mid, *answer)

    def _on_unsubscribe(self, client: paho.Client, userdata: Any, mid: int, *answer: Any) -> None:
        if mid in self._pending_unsubscribes:  # as above
            super()._on_unsubscribe(client, userdata, mid, *answer)

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if threading.get_ident() != self._loop_thread:  # CONNECT is sent from an executor's thread
            super()._on_socket_register_write(client, userdata, sock)
        elif not self._publishing:
            self._loop.call_soon(self._flush)

    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        super()._on_socket_close(client, userdata, sock)
        self._loop.call_soon_threadsafe(self._drained.set)


class _Aside(logging.LoggerAdapter[logging.Logger]):
    """aiomqtt and paho tell of a lost connection in their own words, beside ours: only a traceback is worth a line."""

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
        """The bytes that stand in the packet."""
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
