"""One MQTT 5 connection, on aiomqtt. Knows no topic."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from robot_node.core.threads import NO_THREAD_REMEDY, is_no_thread
from robot_node.errors import BrokerError
from robot_node.mqtt.client import MqttClient, PublishProperties
from robot_node.mqtt.errors import BrokenProtocolError, connect_error, describe, reason_of, remedy_for, remedy_of
from robot_node.mqtt.paho import OnMessage
from robot_node.mqtt.tls import tls_context
from robot_node.mqtt.types import Broker, ConnectOptions, Subscription, UserProperties, Will

logger = logging.getLogger(__name__)

_MAX_REFUSED_TOPICS = 20  # of one connection: further refusals are not logged
_LARGEST_MQTT_PACKET = 268_435_455  # MQTT 5.0, 1.5.5: four length bytes


class Connection:
    """A live MQTT connection. Created by :func:`connect`."""

    def __init__(self, client: MqttClient, options: ConnectOptions, address: Broker) -> None:
        self._client = client
        self.address = address
        """The broker that it goes to: one of those that were tried."""
        self._options = options
        self._publish_properties = PublishProperties(options.publish_properties)
        self._refused_topics: set[str] = set()
        self._max_packet_bytes = client.connack_packet_bytes
        # Type, lengths and identifiers (MQTT 5.0, 3.3), and those of our user properties.
        self._frame_bytes = 32 + sum(len(f"{key}{value}".encode()) + 5 for key, value in options.publish_properties)

    @property
    def client_id(self) -> str:
        """Our MQTT client identifier."""
        return self._options.client_id

    @property
    def on_message(self) -> OnMessage:
        """Receives every message. Messages come once something is subscribed, so set it before."""
        return self._client.on_message

    @on_message.setter
    def on_message(self, on_message: OnMessage) -> None:
        self._client.on_message = on_message

    def max_payload_bytes(self, topic: str) -> int:
        """Return the largest payload that the broker accepts on a topic; 0 for no limit.

        The broker ends the connection over a packet larger than its limit (CONNACK's Maximum Packet Size).
        """
        if not self._max_packet_bytes:
            return 0
        return max(1, self._max_packet_bytes - self._frame_bytes - len(topic.encode()))

    @property
    def connack_user_properties(self) -> UserProperties:
        """User properties that the broker put into CONNACK."""
        return self._client.connack_user_properties

    async def subscribe(self, *subscriptions: Subscription) -> None:
        """Subscribe to all filters in one SUBSCRIBE packet; return once the broker has acknowledged them.

        Raises:
            BrokerError: the broker refused a filter, or the connection is gone.
        """
        filters = [(s.topic_filter, SubscribeOptions(qos=s.qos, noLocal=s.no_local)) for s in subscriptions]
        with _broker_errors("subscribe"), _cancellation_kept():
            codes = await self._client.subscribe(filters)
            if len(codes) != len(filters):
                raise BrokenProtocolError
        for subscription, code in zip(subscriptions, codes, strict=True):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise BrokerError(
                    f"The broker refused the subscription to {subscription.topic_filter}: {describe(code)}.",
                    remedy=remedy_of(code),
                )

    async def unsubscribe(self, *topic_filters: str) -> None:
        """Unsubscribe from filters, in one UNSUBSCRIBE packet.

        Raises:
            BrokerError: the connection is gone.
        """
        with _broker_errors("unsubscribe"), _cancellation_kept():
            await self._client.unsubscribe(list(topic_filters))

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, expiry_s: int = 0
    ) -> str:
        """Publish; at QoS 0 return once the packet was written, at QoS 1 once it was acknowledged.

        A refusal, e.g. by the broker's access rules, is logged once for each topic and is no error.

        Args:
            topic: Topic name.
            payload: Content.
            qos: 0 or 1.
            retain: Have the broker keep it for later subscribers.
            expiry_s: Seconds after which the broker drops it; 0 for never.

        Returns:
            Why the broker refused it, e.g. "not authorized", which it says at QoS 1 only; else empty.

        Raises:
            BrokerError: the connection is gone, or the broker did not acknowledge in time: then the connection ends.
        """
        properties: Properties = self._publish_properties
        if expiry_s:
            properties = _user_properties(PacketTypes.PUBLISH, self._options.publish_properties)
            properties.MessageExpiryInterval = expiry_s
        with _broker_errors("publish"):
            if qos == 0:
                await self._client.publish_unacknowledged(topic, payload, properties, retain=retain)
                return ""
            code = await self._client.publish_acknowledged(topic, payload, properties, retain=retain)
        if code is None:
            return ""
        refusal = describe(code)
        if topic not in self._refused_topics and len(self._refused_topics) < _MAX_REFUSED_TOPICS:
            self._refused_topics.add(topic)
            logger.warning(
                "The broker refused what %s published on %s: %s. %s", self.client_id, topic, refusal, remedy_of(code)
            )
        return refusal

    async def lost(self) -> None:
        """Wait until the connection is lost.

        Raises:
            BrokerError: always, with the reason.
        """
        with _broker_errors("stay connected"), _cancellation_kept():
            async for _ in self._client.messages:
                pass  # never: messages go to on_message


@contextlib.asynccontextmanager
async def connect(
    broker: Broker, options: ConnectOptions, on_message: OnMessage = lambda _: None
) -> AsyncIterator[Connection]:
    """Connect; on leaving, send DISCONNECT (so that the will is not published).

    Args:
        broker: Where to connect; its addresses are tried in order.
        options: How to introduce ourselves.
        on_message: Receives every message; may be set later, as :attr:`Connection.on_message`.

    Raises:
        BrokerError: unreachable, refused, or no answer within the time limit.
    """
    address, client = await _open_first(broker, options, on_message)
    try:
        yield Connection(client, options, address)
    finally:
        # A connection that was lost meanwhile has nothing left to close.
        with contextlib.suppress(aiomqtt.MqttError, OSError), _cancellation_kept():
            await client.__aexit__(None, None, None)


async def _open_first(broker: Broker, options: ConnectOptions, on_message: OnMessage) -> tuple[Broker, MqttClient]:
    failures: list[BrokerError] = []
    for address in broker.addresses:
        try:
            return address, await _open(address, options, on_message)
        except BrokerError as error:
            failures.append(error)
            if len(broker.addresses) > 1:
                logger.debug("%s", error.message)
    if len(failures) == 1:
        raise failures[0]
    raise BrokerError(" ".join(error.message for error in failures), remedy=failures[0].remedy) from failures[0]


async def _open(broker: Broker, options: ConnectOptions, on_message: OnMessage) -> MqttClient:
    properties = _user_properties(PacketTypes.CONNECT, options.connect_properties)
    properties.SessionExpiryInterval = 0
    if options.max_packet_bytes:
        properties.MaximumPacketSize = min(options.max_packet_bytes, _LARGEST_MQTT_PACKET)
    client = MqttClient(
        on_message,
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        identifier=options.client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        will=_paho_will(options.will),
        clean_start=True,
        properties=properties,
        transport=broker.transport,
        websocket_path=broker.path if broker.transport == "websockets" else None,
        tls_context=await _tls_context(broker) if broker.tls else None,
        timeout=broker.connect_timeout_s,
        keepalive=broker.keepalive_s,
    )
    client.pending_calls_threshold = 1000  # many sessions publish at once: that is no reason for a warning
    try:
        async with asyncio.timeout(broker.connect_timeout_s + 2):
            with _cancellation_kept():
                await client.__aenter__()
            client.set_no_delay()
    except BaseException as error:
        client.abandon()
        if isinstance(error, aiomqtt.MqttError | TimeoutError | OSError):
            raise connect_error(broker, options.client_id, error) from error
        if is_no_thread(error):
            raise _no_thread(broker) from error
        raise
    return client


async def _tls_context(broker: Broker) -> ssl.SSLContext:
    try:
        return await asyncio.to_thread(tls_context, broker)
    except RuntimeError as error:
        if is_no_thread(error):
            raise _no_thread(broker) from error
        raise


def _no_thread(broker: Broker) -> BrokerError:
    return BrokerError(f"Cannot connect to {broker}: the system permits no further thread.", remedy=NO_THREAD_REMEDY)


def _user_properties(packet_type: int, pairs: Iterable[tuple[str, str]]) -> Properties:
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    for pair in pairs:
        properties.UserProperty = pair
    return properties


def _paho_will(will: Will | None) -> aiomqtt.Will | None:
    if will is None:
        return None
    properties = _user_properties(PacketTypes.WILLMESSAGE, will.user_properties)
    return aiomqtt.Will(will.topic, will.payload, will.qos, will.retain, properties)


@contextlib.contextmanager
def _cancellation_kept() -> Iterator[None]:
    """Raise a cancellation that the block swallowed.

    aiomqtt waits by ``asyncio.wait_for``, which before Python 3.12 forgets a cancellation that comes together with
    the result: a stop in the moment of an acknowledgement would go unheard.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


@contextlib.contextmanager
def _broker_errors(action: str) -> Iterator[None]:
    try:
        yield
    except (aiomqtt.MqttError, OSError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise BrokerError(f"Cannot {action}: {reason_of(cause)}.", remedy=remedy_for(cause)) from error
