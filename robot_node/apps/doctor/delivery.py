"""Checks of message delivery: topics, retained messages, round trip."""

from __future__ import annotations

import asyncio
import contextlib
import statistics

from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.probe import Probe, ignore
from robot_node.errors import BrokerError
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect

_ROUND_TRIPS = 7
_PROBE_EXPIRY_S = 60
# Delayed acknowledgement takes 40 ms on Linux; a slow network is equally slow at QoS 0.
_NAGLE_MS = 25.0
_RETAINED = "retained messages"
_WHY_RETAINED = "A robot's presence is a retained message: without it, clients that connect later find no robot."
_ALLOW = "Allow each client $mcp-rpc/<its client id>/# in the broker's access rules."


async def refused_topic(broker: Broker, probe: Probe) -> Finding | None:
    """Check that the broker accepts messages on the topics of MCP over MQTT; None if it does."""
    async with connect(broker, ConnectOptions(client_id=probe.client), ignore) as connection:
        refusal = await connection.publish(probe.topic, b"", qos=1)
    if not refusal:
        return None
    return Finding.bad(
        "topics",
        f"The broker refuses messages on {probe.topic}: {refusal}.",
        why="Calls and presence of MCP over MQTT, and the signalling of video, use topics that begin with $.",
        remedy=f"{_ALLOW} ejabberd refuses all topics that begin with $: use another broker, e.g. mosquitto or EMQX.",
    )


async def retained_messages(broker: Broker, probe: Probe) -> Finding:
    """Check that a new subscription gets a retained message, also with wildcards, as discovery subscribes."""
    messages: asyncio.Queue[Incoming] = asyncio.Queue()
    try:
        async with connect(broker, ConnectOptions(client_id=probe.client), messages.put_nowait) as connection:
            # With an expiry: it is gone later even if the doctor is killed before it removes the message.
            refusal = await connection.publish(probe.topic, b"retained", qos=1, retain=True, expiry_s=_PROBE_EXPIRY_S)
            if refusal:
                return _not_retained(f"The broker refused one: {refusal}.")
            try:
                for topic_filter in (probe.topic, *probe.wildcards):
                    await connection.subscribe(Subscription(topic_filter))
                    if await _is_delivered(probe.topic, messages, broker.connect_timeout_s):
                        continue
                    if topic_filter == probe.topic:
                        return _not_retained("The broker does not keep them.")
                    return _exact_only(topic_filter)
            finally:
                await connection.publish(probe.topic, b"", qos=1, retain=True)
    except BrokerError as error:
        return _not_retained(error.message)
    return Finding.good(_RETAINED, "The broker keeps them, and delivers them to subscriptions with wildcards.")


async def _is_delivered(topic: str, messages: asyncio.Queue[Incoming], timeout_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while True:
                message = await messages.get()
                if message.retain and message.topic == topic:
                    return True
    return False


def _not_retained(detail: str) -> Finding:
    remedy = f"Enable them: retain_available true in mosquitto.conf, retainer.enable = true for EMQX. {_ALLOW}"
    return Finding.bad(_RETAINED, detail, why=_WHY_RETAINED, remedy=remedy)


def _exact_only(topic_filter: str) -> Finding:
    return Finding.bad(
        _RETAINED,
        f"The broker does not deliver them to a subscription with a wildcard: {topic_filter}.",
        why="Clients find robots with such a subscription: they see a robot only when it renews its presence.",
        remedy="Use a broker that does, e.g. mosquitto or EMQX; RabbitMQ 4 does not. Or set mcp.presence_expiry_s = 15 "
        "for the robots, and broker.presence_wait_s = 6 for clients: docs/brokers.md.",
    )


async def round_trip(broker: Broker, probe: Probe) -> Finding:
    """Measure the time from a client to a server and back, at QoS 0 and 1."""
    try:
        qos_0_ms, qos_1_ms = await _round_trips_ms(broker, probe)
    except BrokerError as error:
        return Finding.bad("round trip", error.message, why="Every call needs it.", remedy=_ALLOW)
    times = f"A round trip takes {qos_0_ms:.1f} ms at QoS 0 and {qos_1_ms:.1f} ms at QoS 1"
    if qos_1_ms - qos_0_ms < _NAGLE_MS:
        return Finding.good("TCP_NODELAY", f"{times}.")
    return Finding.bad(
        "TCP_NODELAY",
        f"{times}: the broker waits for acknowledgements before it sends (Nagle's algorithm).",
        why="Every call at QoS 1, and the first frame of a video, takes that much longer.",
        remedy="For mosquitto: echo 'set_tcp_nodelay true' | sudo tee /etc/mosquitto/conf.d/nodelay.conf && "
        "sudo systemctl restart mosquitto. For EMQX: nodelay = true in the settings of its listener.",
    )


async def _round_trips_ms(broker: Broker, probe: Probe) -> tuple[float, float]:
    """Return the median time of a round trip at QoS 0 and at QoS 1, in milliseconds.

    Raises:
        BrokerError: A message is not delivered.
    """
    requests: asyncio.Queue[Incoming] = asyncio.Queue()
    responses: asyncio.Queue[Incoming] = asyncio.Queue()
    times_ms: dict[int, list[float]] = {0: [], 1: []}
    loop = asyncio.get_running_loop()
    async with (
        connect(broker, ConnectOptions(client_id=probe.server), requests.put_nowait) as server,
        connect(broker, ConnectOptions(client_id=probe.client), responses.put_nowait) as client,
    ):
        for connection in (server, client):
            await connection.subscribe(Subscription(probe.topic, qos=1, no_local=True))
        for _ in range(_ROUND_TRIPS):
            for qos, times in times_ms.items():
                started_at = loop.time()
                try:
                    async with asyncio.timeout(broker.connect_timeout_s):
                        await client.publish(probe.topic, b"request", qos=qos)
                        await requests.get()
                        await server.publish(probe.topic, b"response", qos=qos)
                        await responses.get()
                except TimeoutError:
                    raise BrokerError(f"Messages on {probe.topic} are not delivered.") from None
                times.append((loop.time() - started_at) * 1000)
    return statistics.median(times_ms[0]), statistics.median(times_ms[1])


async def is_same_broker(one: Broker, other: Broker, probe: Probe) -> bool:
    """Whether a message published at one address is delivered at the other.

    Raises:
        BrokerError: One of them cannot be reached.
    """
    delivered = asyncio.Event()
    async with (
        connect(one, ConnectOptions(client_id=probe.server), ignore) as publisher,
        connect(other, ConnectOptions(client_id=probe.client), lambda _: delivered.set()) as subscriber,
    ):
        await subscriber.subscribe(Subscription(probe.topic, qos=1))
        await publisher.publish(probe.topic, b"", qos=1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(one.connect_timeout_s):
                await delivered.wait()
    return delivered.is_set()
