"""Checks of the broker: login, MQTT 5, retained messages, latency, presence, WebSocket."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime

from robot_node.apps.doctor import delivery, rights
from robot_node.apps.doctor.findings import Finding, Report
from robot_node.apps.doctor.probe import Probe, ignore
from robot_node.apps.doctor.transport import (
    close,
    in_clear,
    is_reachable,
    is_trusted,
    speaks_tls,
    user_of,
)
from robot_node.core.hosts import host_in_url, is_loopback
from robot_node.errors import BrokerError, SettingsError
from robot_node.mcp_mqtt import topics
from robot_node.mqtt import Broker, ConnectOptions, Subscription, connect
from robot_node.mqtt.tls import tls_context
from robot_node.settings.http import ConsoleSettings

# MQTT 5.0, 3.2.2.2: unsupported protocol version; bad user name or password, not authorized, bad authentication method.
_UNSUPPORTED = 0x84
_NOT_AUTHORIZED = frozenset({0x86, 0x87, 0x8C})
# "MQTT", version 3.1.1, clean session, no keep-alive, an empty client id.
_CONNECT_3 = bytes.fromhex("100c 0004 4d515454 04 02 0000 0000")
_CONNACK = 0x20
_PRESENCE_OF_ALL = topics.presence_filter("#")
_LOG = "sudo tail /var/log/mosquitto/mosquitto.log"
"""The log of Debian's mosquitto."""


async def check_broker(
    broker: Broker,
    report: Report,
    *,
    console: ConsoleSettings | None = None,
    robot: topics.ServerTopics | None = None,
    now: datetime | None = None,
) -> None:
    """Check a broker, in the order in which things fail; stop when no further check is possible.

    It publishes only on topics with random names, and leaves no retained message.

    Args:
        broker: The broker. Where it has several addresses, each is checked, and its findings name it.
        report: Called with each finding.
        console: Settings of the web page, which may connect to the broker over WebSocket; None without a page.
        robot: The robot that the account belongs to; None for a client's account.
        now: Current time, with a time zone.
    """
    now = now or datetime.now(UTC)
    first, *others = broker.addresses
    if not others:
        await _check_address(broker, report, console, robot, now)
        return
    for address in broker.addresses:
        await _check_address(address, lambda found: report(_at(address, found)), console, robot, now)  # noqa: B023  # called in this turn
    probe = Probe.new(await asyncio.to_thread(user_of, broker))
    for other in others:
        report(_at(other, await _shares_messages(first, other, probe)))


def _at(address: Broker, finding: Finding) -> Finding:
    return replace(finding, check=f"{finding.check} ({address})")


async def _shares_messages(first: Broker, other: Broker, probe: Probe) -> Finding:
    check = "shared messages"
    detail = f"Messages from {first} are not delivered at {other}."
    try:
        if await delivery.is_same_broker(first, other, probe):
            return Finding.good(check, f"Messages from {first} are delivered at {other}.")
    except BrokerError as error:
        detail = f"{detail} {error.message}"
    return Finding.bad(
        check,
        detail,
        why="A robot that is connected to one of several brokers is not found at the others.",
        remedy="Make them a cluster, or connect them by a bridge that speaks MQTT 5 and names the topics: "
        "docs/brokers.md.",
    )


async def _check_address(
    broker: Broker, report: Report, console: ConsoleSettings | None, robot: topics.ServerTopics | None, now: datetime
) -> None:
    if not await is_reachable(broker, report) or (broker.tls and not await is_trusted(broker, now, report)):
        return
    if not broker.tls and not is_loopback(broker.host):
        report(in_clear(broker))
    probe = Probe.new(await asyncio.to_thread(user_of, broker))
    try:
        async with connect(broker, ConnectOptions(client_id=probe.client), ignore):
            report(Finding.good("MQTT 5", "The broker supports it."))
            who = f"as {probe.user}" if probe.user else "without a user name"
            report(Finding.good("credentials", f"The broker accepts the connection {who}."))
    except BrokerError as error:
        report(await _refused(broker, error))
        return
    delivers = await _check_delivery(broker, probe, report)
    report(await _shows_presence(broker, probe))
    report(await rights.forbidden(broker, probe))
    if robot is not None and probe.user:
        report(await rights.own_topics(broker, probe, robot))
    if console is not None:
        if (found := await _web_pages(broker, probe, console)) is not None:
            report(found)
        if console.broker_url:  # else the page reaches the broker through its own server
            report(await _websocket(broker, probe, console, delivers=delivers))


async def _check_delivery(broker: Broker, probe: Probe, report: Report) -> bool:
    """Check what happens to messages on the topics of MCP over MQTT; return whether they are delivered."""
    try:
        if (refused := await delivery.refused_topic(broker, probe)) is not None:
            report(refused)
            return False
    except BrokerError as error:
        report(
            Finding.bad("topics", error.message, why="Every call needs them.", remedy=f"See the broker's log: {_LOG}")
        )
        return False
    report(await delivery.retained_messages(broker, probe))
    measured = await delivery.round_trip(broker, probe)
    report(measured)
    return measured.check != "round trip"


async def _refused(broker: Broker, error: BrokerError) -> Finding:
    code = getattr(getattr(error.__cause__, "rc", None), "value", None)
    if code in _NOT_AUTHORIZED:
        return Finding.bad(
            "credentials",
            error.message,
            why="Without a valid account the robot cannot connect.",
            remedy="Enter the robot's account again: sudo robot-node setup. To create one, at the broker: "
            "sudo mosquitto_passwd FILE USER, with the password_file of its settings; sudo systemctl reload mosquitto.",
        )
    if code == _UNSUPPORTED or await _speaks_mqtt_3(broker):
        return Finding.bad(
            "MQTT 5",
            "The broker supports MQTT 3 only.",
            why="MCP over MQTT identifies clients by user properties, which only MQTT 5 has.",
            remedy="Use mosquitto 2, EMQX 5 or another broker with MQTT 5, and enable that version in its settings.",
        )
    if not broker.tls and await speaks_tls(broker):
        return Finding.bad(
            "connection",
            f"The broker at {broker} requires TLS on this port, but the URL has none.",
            why="Robots and agents need a permanent connection.",
            remedy=f"Use {'wss' if broker.transport == 'websockets' else 'mqtts'}:// in the URL, or the port without "
            "TLS, usually 1883 or 8083.",
        )
    refused_by_tls = error.__cause__ is not None and isinstance(error.__cause__.__cause__, ssl.SSLError)
    return Finding.bad(
        "client certificate" if refused_by_tls else "connection",
        error.message,
        why="Robots and agents need a permanent connection.",
        remedy=error.remedy if refused_by_tls else f"See the broker's log: {_LOG}",
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


async def _shows_presence(broker: Broker, probe: Probe) -> Finding:
    try:
        async with connect(broker, ConnectOptions(client_id=probe.client), ignore) as connection:
            await connection.subscribe(Subscription(_PRESENCE_OF_ALL))
    except BrokerError as error:
        return Finding.bad(
            "presence",
            error.message,
            why="Without it, clients cannot list the robots, and need a robot's name to call it.",
            remedy=f"Allow clients to subscribe to {_PRESENCE_OF_ALL} in the broker's access rules.",
        )
    return Finding.good("presence", "Anyone on the broker can see which robots are online.")


def console_broker(broker: Broker, console: ConsoleSettings) -> Broker:
    """Return the broker as the web page connects to it, with the credentials of ``broker``.

    Raises:
        SettingsError: console.broker_url is invalid.
    """
    host = host_in_url(broker.host)
    return replace(broker, url=console.broker_url or f"{'wss' if broker.tls else 'ws'}://{host}")


async def _web_pages(broker: Broker, probe: Probe, console: ConsoleSettings) -> Finding | None:
    """Find out whether web pages can connect; None where nothing speaks MQTT over WebSocket."""
    check = "web pages"
    page = broker
    try:
        page = broker if broker.transport == "websockets" else console_broker(broker, console)
        stranger = replace(page, username=None, password=None, cert_file=None, key_file=None)
        async with connect(stranger, ConnectOptions(client_id=probe.client), ignore):
            pass
    except (BrokerError, SettingsError) as error:
        code = getattr(getattr(error.__cause__, "rc", None), "value", None)
        return Finding.good(check, f"{page} refuses web pages without a password.") if code in _NOT_AUTHORIZED else None
    return Finding.note(
        check,
        f"{page} accepts MQTT over WebSocket without a password.",
        why="Every web page in a browser that reaches this address can use the robots: switch cameras on, take photos. "
        "Browsers allow such connections to any address, and mosquitto does not check where the page is from.",
        remedy="Require a password on this listener, as docs/console.md shows, or remove the listener.",
    )


async def _websocket(broker: Broker, probe: Probe, console: ConsoleSettings, *, delivers: bool) -> Finding:
    check = "WebSocket"
    why = "With console.broker_url the page connects to the broker by MQTT over WebSocket."
    try:
        page = console_broker(broker, console)
        # Where the broker does not deliver messages, only the connection can be checked.
        if await delivery.is_same_broker(broker, page, probe) or not delivers:
            return Finding.good(check, f"MQTT over WebSocket works at {page}{page.path}.")
        detail = f"Another broker responds at {page}{page.path}: messages from {broker} are not delivered there."
    except (BrokerError, SettingsError) as error:
        detail = error.message
    remedy = (
        "Leave broker_url in [console] empty: the page then needs no WebSocket listener. Or add one to the broker as "
        "docs/console.md shows (mosquitto's default listener on port 1883 must then be configured too)."
    )
    if console.enabled:
        return Finding.bad(check, detail, why=why, remedy=remedy)
    return Finding.note(check, detail, why=why, remedy=remedy)
