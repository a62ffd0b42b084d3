"""Checks of the broker's access rules: what an account must not be allowed, and what a robot's account needs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.probe import NAME, Probe, ignore
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt import topics
from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, connect

_GUIDE = "docs/access.md and docs/security.md"


async def forbidden(broker: Broker, probe: Probe) -> Finding:
    """Try to publish and to receive on topics of other clients and robots, which the broker must refuse.

    All names are random: where the broker does not refuse a message, nobody receives it.
    """
    other = f"{probe.client}-other"
    server = topics.ServerTopics(other, NAME)
    publishing = {
        "answer as any robot, and call as any client": server.rpc(other),
        "announce and remove robots": server.presence,
        "end other clients' sessions": topics.client_presence(other),
        "watch, and control video, as another client": f"$webrtc/{other}/{other}",
        "publish any robot's health": f"robot-node/{other}/health",
    }
    receiving = {
        "receive messages to any robot": server.control,
        "receive other clients' calls and results": server.rpc(other),
        "receive other viewers' signalling": f"$webrtc/{other}",
    }
    try:
        with _without_warnings():
            async with connect(broker, ConnectOptions(client_id=probe.client), ignore) as connection:
                allowed = [
                    what for what, topic in publishing.items() if not await connection.publish(topic, b"", qos=1)
                ]
            received, unknown = await _receives(broker, probe, receiving)
    except BrokerError as error:
        return Finding.not_applicable("access rules", f"They cannot be tested: {error.message}")
    return _finding(probe.user, [*allowed, *received], unknown)


def _finding(user: str | None, allowed: list[str], unknown: list[str]) -> Finding:
    if not allowed:
        detail = f"{user or 'A client without a user name'} cannot publish as another client or robot"
        if not unknown:
            return Finding.good("access rules", f"{detail}, nor receive their messages.")
        limits = f"Not tested, since the broker accepts every subscription: whether it can {' or '.join(unknown)}."
        return Finding.good("access rules", f"{detail}, nor receive messages to robots. {limits}")
    detail = f"{user or 'Anyone, without a password,'} can {'; '.join(allowed)}."
    if user:
        why = "Passwords and roles do not protect anything if each user can act as every other user."
        remedy = f"Allow each account its own topics only: {_GUIDE}."
        return Finding.bad("access rules", detail, why=why, remedy=remedy)
    return Finding.note(
        "access rules",
        detail,
        why="Anyone who can reach this broker can see through the robot's camera and control it.",
        remedy=f"On a broker that others can reach, use passwords and access rules: {_GUIDE}.",
    )


async def _receives(broker: Broker, probe: Probe, topics_by_name: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return which messages of others are received; and which cannot be tested.

    A refused subscription (SUBACK) is one answer. Brokers that accept each subscription and filter messages later,
    like mosquitto with an acl_file, show it only for topics on which this client may publish.
    """
    received: set[str] = set()
    own = asyncio.Event()

    def on_message(message: Incoming) -> None:
        received.add(message.topic)
        if message.topic == probe.topic:
            own.set()

    published: list[str] = []
    unknown: list[str] = []
    async with connect(broker, ConnectOptions(client_id=probe.client), on_message) as connection:
        await connection.subscribe(Subscription(probe.topic))
        for what, topic in topics_by_name.items():
            if not await _subscribes(connection, topic):
                continue
            (unknown if await connection.publish(topic, b"", qos=1) else published).append(what)
        await connection.publish(probe.topic, b"", qos=1)
        # Brokers deliver in order: this client's own message comes after the others.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(broker.connect_timeout_s):
                await own.wait()
    return [what for what in published if topics_by_name[what] in received], unknown


async def _subscribes(connection: Connection, topic: str) -> bool:
    try:
        await connection.subscribe(Subscription(topic))
    except BrokerError as error:
        if error.__cause__ is not None:  # the connection was lost
            raise
        return False  # refused in SUBACK
    return True


async def own_topics(broker: Broker, probe: Probe, robot: topics.ServerTopics) -> Finding:
    """Check that the robot's account may publish and receive as this robot, with a client that does not exist."""
    check = "the robot's topics"
    topic = robot.rpc(probe.client)
    delivered = asyncio.Event()
    detail = f"Messages of {probe.user} on {topic} are not delivered."
    try:
        with _without_warnings():
            async with connect(broker, ConnectOptions(client_id=probe.client), lambda _: delivered.set()) as connection:
                await connection.subscribe(Subscription(topic))
                if refusal := await connection.publish(topic, b"", qos=1):
                    detail = f"The broker refused a message of {probe.user} on {topic}: {refusal}."
                else:
                    async with asyncio.timeout(broker.connect_timeout_s):
                        await delivered.wait()
                    return Finding.good(check, f"{probe.user} may publish and receive as {robot.server_id}.")
    except BrokerError as error:
        detail = error.message
    except TimeoutError:
        pass
    return Finding.bad(
        check,
        detail,
        why="The robot connects, but clients can neither find nor call it.",
        remedy=f"Give {probe.user} the block of rules for server_id {robot.server_id} and its server_name: {_GUIDE}.",
    )


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppress the log's warnings of refused messages, which are expected here."""
    log = logging.getLogger("robot_node.mqtt")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
