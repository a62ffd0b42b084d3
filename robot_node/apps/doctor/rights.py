"""The broker's access rules: may this account do what it must not, and may a robot's do what it must."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.probe import NAME, Probe, ignore
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt import topics
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect

_GUIDE = "docs/access.md and docs/security.md"


async def forbidden(broker: Broker, probe: Probe) -> Finding:
    """Try what must be refused: speaking as another, and hearing what is for another.

    All names are of nobody: where it is not refused, nobody hears it.
    """
    another = f"{probe.client}-another"
    server = topics.ServerTopics(another, NAME)
    tries = {
        "answer as any robot, and call as any client": server.rpc(another),
        "announce and remove robots": server.presence,
        "end other clients' sessions": f"$mcp-client/presence/{another}",
        "watch, and steer video, as another client": f"$webrtc/{another}/{another}",
        "tell of any robot's health": f"robot-node/{another}/health",
    }
    try:
        with _quiet():
            async with connect(broker, ConnectOptions(client_id=probe.client), ignore) as connection:
                may = [what for what, topic in tries.items() if not await connection.publish(topic, b"", qos=1)]
        if await _hears_others(broker, probe, server):
            may.append("hear what is said to any robot")
    except BrokerError as error:
        return Finding.left_out("access rules", f"They cannot be tried: {error.message}")
    if not may:
        return Finding.good("access rules", f"{probe.user or 'Nobody'} can neither speak nor hear as somebody else.")
    detail = f"{probe.user or 'Everybody, without a password,'} can {'; '.join(may)}."
    if probe.user:
        why = "Passwords and roles protect nothing when everybody who has one can act as everybody else."
        remedy = f"Give each account its own topics only: {_GUIDE}."
        return Finding.bad("access rules", detail, why=why, remedy=remedy)
    return Finding.note(
        "access rules",
        detail,
        why="Whoever reaches this broker sees what the robot's camera sees, and commands it.",
        remedy=f"On a broker that others reach: passwords and access rules, {_GUIDE}.",
    )


async def _hears_others(broker: Broker, probe: Probe, server: topics.ServerTopics) -> bool:
    """Whether we hear a message on a control topic, where everybody may speak and only one robot may listen."""
    own = asyncio.Event()
    overheard = asyncio.Event()

    def hear(message: Incoming) -> None:
        if message.topic == server.control:
            overheard.set()
        elif message.topic == probe.topic:
            own.set()

    with _quiet():
        async with connect(broker, ConnectOptions(client_id=probe.client), hear) as connection:
            await connection.subscribe(Subscription(server.control), Subscription(probe.topic))
            await connection.publish(server.control, b"", qos=1)
            await connection.publish(probe.topic, b"", qos=1)
            # A broker delivers in order: when our own message is here, the other one is, or never will be.
            try:
                async with asyncio.timeout(broker.connect_timeout_s):
                    await own.wait()
            except TimeoutError:
                pass
    return overheard.is_set()


async def own_topics(broker: Broker, probe: Probe, robot: topics.ServerTopics) -> Finding:
    """Whether the robot's account can speak and hear as this robot, to a client that does not exist."""
    check = "the robot's topics"
    topic = robot.rpc(probe.client)
    heard = asyncio.Event()
    detail = f"What {probe.user} publishes on {topic} is not delivered."
    try:
        with _quiet():
            async with connect(broker, ConnectOptions(client_id=probe.client), lambda _: heard.set()) as connection:
                await connection.subscribe(Subscription(topic))
                if refusal := await connection.publish(topic, b"", qos=1):
                    detail = f"The broker refused what {probe.user} published on {topic}: {refusal}."
                else:
                    async with asyncio.timeout(broker.connect_timeout_s):
                        await heard.wait()
                    return Finding.good(check, f"{probe.user} may speak and hear as {robot.server_id}.")
    except BrokerError as error:
        detail = error.message
    except TimeoutError:
        pass
    return Finding.bad(
        check,
        detail,
        why="The robot is online, it says, but nobody can see or call it.",
        remedy=f"Give {probe.user} the block of rules for server_id {robot.server_id} and its server_name: {_GUIDE}.",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """What is refused here is meant to be: nobody needs a warning."""
    log = logging.getLogger("robot_node.mqtt")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
