"""What ``robot-node doctor`` finds out: whether the broker is one on which robots work well. It changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import ssl
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robot_node.errors import BrokerError
from robot_node.identifiers import is_client_id
from robot_node.mcp_mqtt import topics
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect

# MQTT 5.0, 3.2.2.2: unsupported protocol version; bad user name or password, not authorized, bad authentication method.
_UNSUPPORTED = 0x84
_NOT_LET_IN = frozenset({0x86, 0x87, 0x8C})
# "MQTT", version 3.1.1, clean session, no keep-alive, an empty client id.
_CONNECT_3 = bytes.fromhex("100c 0004 4d515454 04 02 0000 0000")
_CONNACK = 0x20
_PRESENCE_OF_ALL = topics.presence_filter("#")
_ROUND_TRIPS = 7
# Delayed acknowledgement takes 40 ms on Linux; a network that is merely slow is as slow at QoS 0.
_NAGLE_MS = 25.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was checked.
        ok: Whether all is well.
        detail: What was found, in one sentence.
        why: Why it matters; empty when all is well.
        remedy: What to do about it, with the command or setting; empty when all is well.
    """

    check: str
    ok: bool
    detail: str
    why: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """One line for people."""
        return " ".join(
            filter(None, (f"{'ok' if self.ok else 'not ok':6}  {self.check}:", self.detail, self.why, self.remedy))
        )

    def as_json(self) -> dict[str, Any]:
        """As ``doctor --json`` prints it."""
        return {"check": self.check, "ok": self.ok, "detail": self.detail, "why": self.why, "remedy": self.remedy}


Tell = Callable[[Finding], None]


async def check_broker(broker: Broker, tell: Tell) -> None:
    """Check a broker, in the order in which things fail; stops where nothing further can be known.

    It publishes on a topic below its own name only, and leaves nothing there.

    Args:
        broker: The broker.
        tell: Given each finding as soon as there is one.
    """
    if not await _is_reachable(broker, tell) or (broker.tls and not await _is_trusted(broker, tell)):
        return
    ids = _Ids.new(broker.username)
    try:
        async with connect(broker, ConnectOptions(client_id=ids.client), _ignore):
            tell(Finding("MQTT 5", ok=True, detail="The broker speaks it."))
            who = f"as {broker.username}" if broker.username else "without a user name"
            tell(Finding("credentials", ok=True, detail=f"The broker lets us in {who}."))
    except BrokerError as error:
        tell(await _refused(broker, error))
        return
    tell(await _retains(broker, ids))
    tell(await _answers_at_once(broker, ids))
    tell(await _shows_presence(broker, ids))


@dataclass(frozen=True, slots=True)
class _Ids:
    """A client and a server that nobody else knows, and the topic between them."""

    client: str
    server: str
    topic: str

    @classmethod
    def new(cls, username: str | None) -> _Ids:
        """Ids for one visit.

        Args:
            username: Whose access rules hold: those that we ship let a user speak below its own name, whatever its id.
        """
        client = f"doctor-{secrets.token_hex(4)}"
        speaker = username if username and is_client_id(username) else client
        server = f"{client}-server"
        return cls(client, server, topics.ServerTopics(server, "robot-node/doctor").rpc(speaker))


def _ignore(_: Incoming) -> None:
    pass


async def _is_reachable(broker: Broker, tell: Tell) -> bool:
    try:
        async with asyncio.timeout(broker.timeout_s):
            _, writer = await asyncio.open_connection(broker.host, broker.port)
    except (OSError, TimeoutError) as error:
        tell(
            Finding(
                "reachable",
                ok=False,
                detail=f"Nothing answers at {broker}: {_reason(error)}.",
                why="Robots and agents meet at the broker.",
                remedy="Check the address, the firewall, and that the broker runs: systemctl status mosquitto",
            )
        )
        return False
    await _close(writer)
    tell(Finding("reachable", ok=True, detail=f"Something listens at {broker}."))
    return True


async def _is_trusted(broker: Broker, tell: Tell) -> bool:
    remedy = "Set broker.ca_file to the authority that signed it, and use the name that stands in it."
    try:
        context = await asyncio.to_thread(ssl.create_default_context, cafile=broker.ca_file)
        async with asyncio.timeout(broker.timeout_s):
            _, writer = await asyncio.open_connection(broker.host, broker.port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        detail = f"The broker's certificate is not to be trusted: {error.verify_message.rstrip('.')}."
    except (ssl.SSLError, ConnectionResetError) as error:
        detail = f"The broker does not speak TLS at this port: {_reason(error)}."
        remedy = "Use the port for TLS, 8883 or 8084 by custom, or the scheme mqtt or ws."
    except OSError as error:
        detail = f"TLS cannot be set up: {_reason(error)}."
    else:
        await _close(writer)
        tell(Finding("certificate", ok=True, detail="The broker's certificate is valid for this name."))
        return True
    why = "Nobody else must be able to pass for the broker: it sees every picture and every command."
    tell(Finding("certificate", ok=False, detail=detail, why=why, remedy=remedy))
    return False


async def _refused(broker: Broker, error: BrokerError) -> Finding:
    code = getattr(getattr(error.__cause__, "rc", None), "value", None)
    if code in _NOT_LET_IN:
        return Finding(
            "credentials",
            ok=False,
            detail=error.message,
            why="A broker that lets nobody in serves nobody.",
            remedy="Set broker.username and broker.password to an account of the broker's (see mosquitto_passwd).",
        )
    if code == _UNSUPPORTED or await _speaks_mqtt_3(broker):
        return Finding(
            "MQTT 5",
            ok=False,
            detail="The broker speaks MQTT 3 only.",
            why="MCP over MQTT tells clients apart by user properties, which only MQTT 5 has.",
            remedy="Use mosquitto 2, EMQX 5 or another broker with MQTT 5, and allow that version in its settings.",
        )
    return Finding(
        "connection",
        ok=False,
        detail=error.message,
        why="Robots and agents need a connection that stays.",
        remedy=error.remedy or "See what the broker's log says: journalctl -u mosquitto",
    )


async def _speaks_mqtt_3(broker: Broker) -> bool:
    if broker.transport != "tcp":
        return False
    context = await asyncio.to_thread(ssl.create_default_context, cafile=broker.ca_file) if broker.tls else None
    try:
        async with asyncio.timeout(broker.timeout_s):
            reader, writer = await asyncio.open_connection(broker.host, broker.port, ssl=context)
            try:
                writer.write(_CONNECT_3)
                return (await reader.readexactly(4))[0] == _CONNACK
            finally:
                await _close(writer)
    except (OSError, asyncio.IncompleteReadError):
        return False


async def _retains(broker: Broker, ids: _Ids) -> Finding:
    came: asyncio.Queue[Incoming] = asyncio.Queue()
    detail = "The broker does not keep them."
    try:
        async with connect(broker, ConnectOptions(client_id=ids.client), came.put_nowait) as connection:
            await connection.publish(ids.topic, b"kept", qos=1, retain=True)
            try:
                await connection.subscribe(Subscription(ids.topic))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(broker.timeout_s):
                        if (await came.get()).retain:
                            return Finding("retained messages", ok=True, detail="The broker keeps them.")
            finally:
                await connection.publish(ids.topic, b"", qos=1, retain=True)
    except BrokerError as error:
        detail = error.message
    return Finding(
        "retained messages",
        ok=False,
        detail=detail,
        why="A robot's presence is one: without it no newcomer finds the robot.",
        remedy="Allow them (retain_available true in mosquitto.conf, retainer.enable = true for EMQX), and let each "
        "client use $mcp-rpc/<its client id>/#.",
    )


async def _answers_at_once(broker: Broker, ids: _Ids) -> Finding:
    try:
        at_0, at_1 = await _round_trips_ms(broker, ids)
    except BrokerError as error:
        return Finding(
            "round trip",
            ok=False,
            detail=error.message,
            why="That is the way of every call.",
            remedy="Let each client use $mcp-rpc/<its client id>/# in the broker's access rules.",
        )
    figures = f"A round trip takes {at_0:.1f} ms at QoS 0 and {at_1:.1f} ms at QoS 1"
    if at_1 - at_0 < _NAGLE_MS:
        return Finding("TCP_NODELAY", ok=True, detail=f"{figures}.")
    return Finding(
        "TCP_NODELAY",
        ok=False,
        detail=f"{figures}: the broker waits for acknowledgements before it sends (Nagle's algorithm).",
        why="Every call at QoS 1 is that much slower, and so is the way to the first picture.",
        remedy="Put set_tcp_nodelay true into mosquitto.conf, or nodelay = true into EMQX's listener, and restart it.",
    )


async def _round_trips_ms(broker: Broker, ids: _Ids) -> tuple[float, float]:
    """Median time from a client to a server and back, at QoS 0 and at QoS 1, in milliseconds.

    Raises:
        BrokerError: nothing comes back.
    """
    requests: asyncio.Queue[Incoming] = asyncio.Queue()
    responses: asyncio.Queue[Incoming] = asyncio.Queue()
    times_ms: dict[int, list[float]] = {0: [], 1: []}
    loop = asyncio.get_running_loop()
    async with (
        connect(broker, ConnectOptions(client_id=ids.server), requests.put_nowait) as server,
        connect(broker, ConnectOptions(client_id=ids.client), responses.put_nowait) as client,
    ):
        for connection in (server, client):
            await connection.subscribe(Subscription(ids.topic, qos=1, no_local=True))
        for _ in range(_ROUND_TRIPS):
            for qos, times in times_ms.items():
                began = loop.time()
                try:
                    async with asyncio.timeout(broker.timeout_s):
                        await client.publish(ids.topic, b"request", qos=qos)
                        await requests.get()
                        await server.publish(ids.topic, b"response", qos=qos)
                        await responses.get()
                except TimeoutError:
                    raise BrokerError(f"What is published on {ids.topic} does not arrive.") from None
                times.append((loop.time() - began) * 1000)
    return statistics.median(times_ms[0]), statistics.median(times_ms[1])


async def _shows_presence(broker: Broker, ids: _Ids) -> Finding:
    try:
        async with connect(broker, ConnectOptions(client_id=ids.client), _ignore) as connection:
            await connection.subscribe(Subscription(_PRESENCE_OF_ALL))
    except BrokerError as error:
        return Finding(
            "presence",
            ok=False,
            detail=error.message,
            why="Without it nobody can list the robots, and only who knows a robot's name can call it.",
            remedy=f"Let clients subscribe {_PRESENCE_OF_ALL} in the broker's access rules.",
        )
    return Finding("presence", ok=True, detail="Whoever asks may see which robots are online.")


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return (error.strerror or str(error)).rstrip(".")
    return os.strerror(error.errno)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
