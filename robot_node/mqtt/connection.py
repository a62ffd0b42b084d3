"""One reconnecting MQTT 5 connection, on aiomqtt. Knows no topic.

Everything that depends on a connection (subscriptions, sessions) lives in the ``serve`` coroutine that
:func:`keep_connected` starts anew for each connection: when the connection is lost, so is all of it, which is
what MCP over MQTT demands (session expiry 0, clean start).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.backoff import Backoff
from robot_node.core.log_context import in_session, new_session
from robot_node.errors import BrokerError, RobotNodeError
from robot_node.mqtt.client import MqttClient, OnMessage, PublishProperties
from robot_node.mqtt.errors import connect_error, reason_of, remedy_for
from robot_node.mqtt.tls import tls_context
from robot_node.mqtt.types import Broker, ConnectOptions, Subscription, UserProperties, Will

logger = logging.getLogger(__name__)

_TOLD_REFUSALS = 20  # topics of one connection
_LARGEST_MQTT_PACKET = 268_435_455  # MQTT 5.0, 1.5.5: four length bytes


class Connection:
    """A live MQTT connection. Made by :func:`connect`."""

    def __init__(self, client: MqttClient, options: ConnectOptions) -> None:
        self._client = client
        self._options = options
        self._publish_properties = PublishProperties(options.publish_properties)
        self._refused_topics: set[str] = set()
        self.max_packet_bytes = client.connack_packet_bytes
        """Largest packet that the broker takes, which ends the connection over a larger one; 0 for any."""

    @property
    def client_id(self) -> str:
        """Our MQTT client identifier."""
        return self._options.client_id

    @property
    def connack_user_properties(self) -> UserProperties:
        """User properties that the broker put into CONNACK."""
        return self._client.connack_user_properties

    async def subscribe(self, *subscriptions: Subscription) -> None:
        """Subscribe to all given filters in one SUBSCRIBE packet; returns once the broker acknowledged them.

        Raises:
            BrokerError: the broker refused a filter, or the connection is gone.
        """
        filters = [(s.topic_filter, SubscribeOptions(qos=s.qos, noLocal=s.no_local)) for s in subscriptions]
        with _broker_errors("subscribe"):
            codes = await self._client.subscribe(filters)
        for subscription, code in zip(subscriptions, codes, strict=True):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise BrokerError(
                    f"The broker refused the subscription to {subscription.topic_filter}: {code}.",
                    remedy="Allow this topic for this client in the broker's access rules.",
                )

    async def unsubscribe(self, *topic_filters: str) -> None:
        """Give up filters, in one UNSUBSCRIBE packet.

        Raises:
            BrokerError: the connection is gone.
        """
        with _broker_errors("unsubscribe"):
            await self._client.unsubscribe(list(topic_filters))

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, expiry_s: int = 0
    ) -> bool:
        """Publish; at QoS 0 returns once the packet was written, at QoS 1 once it was acknowledged.

        What the broker's access rules forbid is logged, once for each topic, and no error: the rest goes on.

        Args:
            topic: Topic name.
            payload: What it carries.
            qos: 0 or 1.
            retain: Whether the broker keeps it for those who subscribe later.
            expiry_s: After how many seconds the broker forgets it; 0 for never.

        Returns:
            False when the broker refused it, which it says at QoS 1 only.

        Raises:
            BrokerError: the connection is gone.
        """
        properties: Properties = self._publish_properties
        if expiry_s:
            properties = _user_properties(PacketTypes.PUBLISH, self._options.publish_properties)
            properties.MessageExpiryInterval = expiry_s
        with _broker_errors("publish"):
            if qos == 0:
                await self._client.publish_unacknowledged(topic, payload, properties, retain=retain)
                return True
            refusal = await self._client.publish_acknowledged(topic, payload, properties, retain=retain)
        if refusal is not None:
            self._tell_refused(topic, refusal)
        return refusal is None

    def _tell_refused(self, topic: str, reason: ReasonCode) -> None:
        if topic not in self._refused_topics and len(self._refused_topics) < _TOLD_REFUSALS:
            self._refused_topics.add(topic)
            logger.warning(
                "The broker refused what %s published on %s: %s. Allow it in the broker's access rules; 'robot-node "
                "doctor' looks closer.",
                *(self.client_id, topic, str(reason).lower()),
            )

    async def lost(self) -> None:
        """Wait until the connection is lost.

        Raises:
            BrokerError: always, with the reason.
        """
        with _broker_errors("stay connected"):
            async for _ in self._client.messages:
                pass  # never: messages go to on_message


@contextlib.asynccontextmanager
async def connect(broker: Broker, options: ConnectOptions, on_message: OnMessage) -> AsyncIterator[Connection]:
    """Connect; on leaving, send DISCONNECT (so that the will is not published).

    Raises:
        BrokerError: unreachable, refused, or no answer within the time limit.
    """
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
        tls_context=await asyncio.to_thread(tls_context, broker) if broker.tls else None,
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
        raise
    try:
        yield Connection(client, options)
    finally:
        # A connection that broke meanwhile has nothing left to close.
        with contextlib.suppress(aiomqtt.MqttError, OSError), _cancellation_kept():
            await client.__aexit__(None, None, None)


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """Whether a connection is up, and why not."""

    connected: bool
    reason: str = ""


class ReconnectError(RobotNodeError):
    """Raised by a ``serve`` coroutine that needs another connection, with options that have changed."""


Serve = Callable[[Connection], Awaitable[None]]


async def keep_connected(
    broker: Broker,
    options: ConnectOptions | Callable[[], ConnectOptions],
    on_message: OnMessage,
    serve: Serve,
    *,
    name: str,
    backoff: Backoff | None = None,
    on_status: Callable[[LinkStatus], None] = lambda _: None,
) -> None:
    """Stay connected until cancelled: run ``serve`` on each connection, reconnect with backoff after each loss.

    ``serve`` is cancelled when its connection is lost. When this coroutine is cancelled, ``serve`` is cancelled
    while the connection still works, so that it can say goodbye; then DISCONNECT is sent.

    Args:
        broker: Where to connect.
        options: How to introduce ourselves; a function is asked before each attempt.
        on_message: Receives every message of every connection.
        serve: What to do while connected; a :class:`BrokerError` that it raises means "connect anew", a
            :class:`ReconnectError` the same without a delay.
        name: What to call the connection in the log, e.g. ``"MCP"``.
        backoff: Delays between attempts.
        on_status: Told of each change.
    """
    backoff = backoff or Backoff()
    loop = asyncio.get_running_loop()
    reconnecting = False
    while True:
        connected_at: float | None = None
        present = options() if callable(options) else options
        session = new_session("mqtt", present.client_id)
        try:
            with in_session(session):
                async with connect(broker, present, on_message) as connection:
                    connected_at = loop.time()
                    logger.info("%s connection to %s is up as %s", name, broker, present.client_id)
                    on_status(LinkStatus(connected=True))
                    await _serve_until_lost(connection, serve, name)
        except (BrokerError, ReconnectError) as error:
            with in_session(session):  # the warning below has none: that of each attempt would be another, never folded
                logger.debug("%s connection is over: %s", name, error.message)
            on_status(LinkStatus(connected=False, reason=error.message))
            lived_s = None if connected_at is None else loop.time() - connected_at
            if isinstance(error, ReconnectError) and not reconnecting:
                reconnecting = True
                logger.info("%s connection: %s", name, error)
                continue
            reconnecting = False
            if lived_s is not None and lived_s >= backoff.stable_after_s:
                backoff.reset()
            elif lived_s is not None and isinstance(error, BrokerError) and not error.remedy:
                # mosquitto 2.0 doesn't say why when another client takes the id over.
                error.remedy = f"Make sure that no other client uses the id {present.client_id}."
            delay = backoff.next_delay()
            logger.warning("%s connection: %s Next attempt in %.1f s.", name, error, delay)
        except Exception as error:  # whoever runs us decides what to do about it
            on_status(_crashed(name, error))
            raise
        await asyncio.sleep(delay)


@contextlib.asynccontextmanager
async def tell_crash(on_status: Callable[[LinkStatus], None], name: str) -> AsyncIterator[None]:
    """Tell that a connection is down when something beside it fails: :func:`keep_connected` is cancelled then.

    Args:
        on_status: Told so.
        name: What to call the connection.
    """
    try:
        yield
    except Exception as error:
        on_status(_crashed(name, error))
        raise


def _crashed(name: str, error: Exception) -> LinkStatus:
    return LinkStatus(connected=False, reason=f"The {name} service crashed: {type(error).__name__}.")


async def _serve_until_lost(connection: Connection, serve: Serve, name: str) -> None:
    async def work() -> None:
        await serve(connection)
        raise BrokerError(f"The {name} service ended by itself.")

    # No TaskGroup: one that is ending because of a child's error swallows the cancellation of its parent, so that a
    # stop at the moment of a lost connection would go unheard.
    watch = asyncio.create_task(connection.lost(), name=f"{name} connection watch")
    service = asyncio.create_task(work(), name=f"{name} service")
    try:
        await asyncio.wait((watch, service), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(watch, service)
    # Both are asked, or asyncio complains of an error that nobody has looked at.
    errors = [_expected(error) for task in (watch, service) if not task.cancelled() and (error := task.exception())]
    if errors:
        # A mistake of ours counts more than the loss of the connection beside which it came to light.
        raise min(errors, key=_is_expected)


def _expected(error: BaseException) -> BaseException:
    """The BrokerError or ReconnectError inside a group that holds nothing else; other errors as they are."""
    if isinstance(error, BaseExceptionGroup) and error.split((BrokerError, ReconnectError))[1] is None:
        return _expected(error.exceptions[0])
    return error


def _is_expected(error: BaseException) -> bool:
    return isinstance(error, BrokerError | ReconnectError)


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
    """Raise the cancellation that the block swallowed.

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
        with _cancellation_kept():
            yield
    except (aiomqtt.MqttError, OSError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise BrokerError(f"Cannot {action}: {reason_of(cause)}.", remedy=remedy_for(cause)) from error
