"""The broker: does it let us in, speak MQTT 5, keep what it must keep, and answer at once."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import statistics
from dataclasses import replace
from datetime import UTC, datetime

from robot_node.apps.doctor import rights
from robot_node.apps.doctor.findings import Finding, Tell
from robot_node.apps.doctor.probe import Probe, ignore
from robot_node.apps.doctor.transport import (
    close,
    in_clear,
    is_reachable,
    is_this_machine,
    is_trusted,
    speaks_tls,
    user_of,
)
from robot_node.errors import BrokerError, SettingsError
from robot_node.mcp_mqtt import topics
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.mqtt.tls import tls_context
from robot_node.settings.root import ConsoleSettings

# MQTT 5.0, 3.2.2.2: unsupported protocol version; bad user name or password, not authorized, bad authentication method.
_UNSUPPORTED = 0x84
_NOT_LET_IN = frozenset({0x86, 0x87, 0x8C})
# "MQTT", version 3.1.1, clean session, no keep-alive, an empty client id.
_CONNECT_3 = bytes.fromhex("100c 0004 4d515454 04 02 0000 0000")
_CONNACK = 0x20
_PRESENCE_OF_ALL = topics.presence_filter("#")
_ROUND_TRIPS = 7
_LOG = "sudo tail /var/log/mosquitto/mosquitto.log"
"""Where Debian's mosquitto keeps it."""
_PROBE_EXPIRY_S = 60
# Delayed acknowledgement takes 40 ms on Linux; a network that is merely slow is as slow at QoS 0.
_NAGLE_MS = 25.0


async def check_broker(
    broker: Broker,
    tell: Tell,
    *,
    console: ConsoleSettings | None = None,
    robot: topics.ServerTopics | None = None,
    now: datetime | None = None,
) -> None:
    """Check a broker, in the order in which things fail; stops where nothing further can be known.

    It publishes on topics with names that nobody else uses only, and leaves nothing there.

    Args:
        broker: The broker.
        tell: Given each finding as soon as there is one.
        console: Where the web page will look for the broker; None when there is none.
        robot: The robot whose account it is; None for a client's.
        now: The time; with a zone.
    """
    now = now or datetime.now(UTC)
    if not await is_reachable(broker, tell) or (broker.tls and not await is_trusted(broker, now, tell)):
        return
    if not broker.tls and not is_this_machine(broker.host):
        tell(in_clear(broker))
    probe = Probe.new(await asyncio.to_thread(user_of, broker))
    try:
        async with connect(broker, ConnectOptions(client_id=probe.client), ignore):
            tell(Finding.good("MQTT 5", "The broker speaks it."))
            who = f"as {probe.user}" if probe.user else "without a user name"
            tell(Finding.good("credentials", f"The broker lets us in {who}."))
    except BrokerError as error:
        tell(await _refused(broker, error))
        return
    tell(await _retains(broker, probe))
    tell(await _answers_at_once(broker, probe))
    tell(await _shows_presence(broker, probe))
    tell(await rights.forbidden(broker, probe))
    if robot is not None and probe.user:
        tell(await rights.own_topics(broker, probe, robot))
    if console is not None:
        tell(await _websocket(broker, probe, console))


async def _refused(broker: Broker, error: BrokerError) -> Finding:
    code = getattr(getattr(error.__cause__, "rc", None), "value", None)
    if code in _NOT_LET_IN:
        return Finding.bad(
            "credentials",
            error.message,
            why="A broker that lets nobody in serves nobody.",
            remedy="Type the robot's account again: sudo robot-node setup asks for it. To make one, at the broker: "
            "sudo mosquitto_passwd FILE USER, with the password_file of its settings; sudo systemctl reload mosquitto.",
        )
    if code == _UNSUPPORTED or await _speaks_mqtt_3(broker):
        return Finding.bad(
            "MQTT 5",
            "The broker speaks MQTT 3 only.",
            why="MCP over MQTT tells clients apart by user properties, which only MQTT 5 has.",
            remedy="Use mosquitto 2, EMQX 5 or another broker with MQTT 5, and allow that version in its settings.",
        )
    if not broker.tls and await speaks_tls(broker):
        return Finding.bad(
            "connection",
            f"The broker at {broker} speaks TLS at this port, and we don't.",
            why="Robots and agents need a connection that stays.",
            remedy=f"Write the address with {'wss' if broker.transport == 'websockets' else 'mqtts'}://, or name the "
            "port without TLS: 1883 or 8083 by custom.",
        )
    refused_by_tls = error.__cause__ is not None and isinstance(error.__cause__.__cause__, ssl.SSLError)
    return Finding.bad(
        "client certificate" if refused_by_tls else "connection",
        error.message,
        why="Robots and agents need a connection that stays.",
        remedy=error.remedy if refused_by_tls else f"See what the broker says of it: {_LOG}",
    )


async def _speaks_mqtt_3(broker: Broker) -> bool:
    if broker.transport != "tcp":
        return False
    try:
        context = await asyncio.to_thread(tls_context, broker) if broker.tls else None
        async with asyncio.timeout(broker.connect_timeout_s):
            reader, writer = await asyncio.open_connection(broker.host, broker.port, ssl=context)
            try:
                writer.write(_CONNECT_3)
                return (await reader.readexactly(4))[0] == _CONNACK
            finally:
                await close(writer)
    except (OSError, BrokerError, asyncio.IncompleteReadError):
        return False


async def _retains(broker: Broker, probe: Probe) -> Finding:
    came: asyncio.Queue[Incoming] = asyncio.Queue()
    detail = "The broker does not keep them."
    try:
        async with connect(broker, ConnectOptions(client_id=probe.client), came.put_nowait) as connection:
            # Nothing stays of it either when somebody ends us before we take it back.
            if refusal := await connection.publish(probe.topic, b"kept", qos=1, retain=True, expiry_s=_PROBE_EXPIRY_S):
                detail = f"The broker refused one: {refusal}."
            try:
                await connection.subscribe(Subscription(probe.topic))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(broker.connect_timeout_s):
                        if (await came.get()).retain:
                            return Finding.good("retained messages", "The broker keeps them.")
            finally:
                await connection.publish(probe.topic, b"", qos=1, retain=True)
    except BrokerError as error:
        detail = error.message
    return Finding.bad(
        "retained messages",
        detail,
        why="A robot's presence is one: without it no newcomer finds the robot.",
        remedy="Allow them (retain_available true in mosquitto.conf, retainer.enable = true for EMQX), and let each "
        "client use $mcp-rpc/<its client id>/#.",
    )


async def _answers_at_once(broker: Broker, probe: Probe) -> Finding:
    try:
        at_0, at_1 = await _round_trips_ms(broker, probe)
    except BrokerError as error:
        return Finding.bad(
            "round trip",
            error.message,
            why="That is the way of every call.",
            remedy="Let each client use $mcp-rpc/<its client id>/# in the broker's access rules.",
        )
    figures = f"A round trip takes {at_0:.1f} ms at QoS 0 and {at_1:.1f} ms at QoS 1"
    if at_1 - at_0 < _NAGLE_MS:
        return Finding.good("TCP_NODELAY", f"{figures}.")
    return Finding.bad(
        "TCP_NODELAY",
        f"{figures}: the broker waits for acknowledgements before it sends (Nagle's algorithm).",
        why="Every call at QoS 1 is that much slower, and so is the way to the first picture.",
        remedy="Where mosquitto runs: echo 'set_tcp_nodelay true' | sudo tee /etc/mosquitto/conf.d/nodelay.conf && "
        "sudo systemctl restart mosquitto. For EMQX: nodelay = true in the settings of its listener.",
    )


async def _round_trips_ms(broker: Broker, probe: Probe) -> tuple[float, float]:
    """Median time from a client to a server and back, at QoS 0 and at QoS 1, in milliseconds.

    Raises:
        BrokerError: nothing comes back.
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
                began = loop.time()
                try:
                    async with asyncio.timeout(broker.connect_timeout_s):
                        await client.publish(probe.topic, b"request", qos=qos)
                        await requests.get()
                        await server.publish(probe.topic, b"response", qos=qos)
                        await responses.get()
                except TimeoutError:
                    raise BrokerError(f"What is published on {probe.topic} does not arrive.") from None
                times.append((loop.time() - began) * 1000)
    return statistics.median(times_ms[0]), statistics.median(times_ms[1])


async def _shows_presence(broker: Broker, probe: Probe) -> Finding:
    try:
        async with connect(broker, ConnectOptions(client_id=probe.client), ignore) as connection:
            await connection.subscribe(Subscription(_PRESENCE_OF_ALL))
    except BrokerError as error:
        return Finding.bad(
            "presence",
            error.message,
            why="Without it nobody can list the robots, and only who knows a robot's name can call it.",
            remedy=f"Let clients subscribe {_PRESENCE_OF_ALL} in the broker's access rules.",
        )
    return Finding.good("presence", "Whoever asks may see which robots are online.")


def console_broker(broker: Broker, console: ConsoleSettings) -> Broker:
    """Where the web page looks for the broker, with our credentials.

    Raises:
        SettingsError: console.broker_url cannot be read.
    """
    host = f"[{broker.host}]" if ":" in broker.host else broker.host
    return replace(broker, url=console.broker_url or f"{'wss' if broker.tls else 'ws'}://{host}")


async def _websocket(broker: Broker, probe: Probe, console: ConsoleSettings) -> Finding:
    check = "WebSocket"
    why = "The console's page talks to the broker by MQTT over WebSocket: it cannot connect."
    try:
        there = console_broker(broker, console)
        async with connect(there, ConnectOptions(client_id=probe.client), ignore):
            return Finding.good(check, f"MQTT over WebSocket works at {there}{there.path}.")
    except (BrokerError, SettingsError) as error:
        detail = error.message
    remedy = (
        "Give the broker a listener for it, as docs/console.md shows (a mosquitto without any loses port 1883 to the "
        "first), or say where it is: broker_url in [console]."
    )
    if console.enabled:
        return Finding.bad(check, detail, why=why, remedy=remedy)
    return Finding.note(check, detail, why=why, remedy=remedy)
