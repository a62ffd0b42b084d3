"""A retained message that follows what it is about: published at changes and now and then, cleared at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from robot_node.core.changes import Changes
from robot_node.errors import BrokerError
from robot_node.mqtt import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a message is published.

    Attributes:
        shortest_s: Shortest time between two messages, in seconds.
        longest_s: Longest time between two messages, in seconds, even if nothing has changed.
        expiry_s: The broker drops a message that was not renewed for so many seconds.
    """

    shortest_s: float
    longest_s: float
    expiry_s: int


async def keep_retained(
    connection: Connection,
    topic: str,
    content: Callable[[], Awaitable[bytes]],
    changes: Changes,
    pace: Pace,
) -> None:
    """Publish until cancelled, then clear the message. If the process dies instead, the broker drops it in time.

    Args:
        connection: While it lasts.
        topic: Where to publish.
        content: Returns the present message.
        changes: Of what makes a new message worth sending.
        pace: How often to publish.

    Raises:
        BrokerError: the connection is lost.
    """
    with changes:
        try:
            while True:
                await connection.publish(topic, await content(), retain=True, expiry_s=pace.expiry_s)
                await changes.wait(shortest_s=pace.shortest_s, longest_s=pace.longest_s)
        finally:
            with contextlib.suppress(BrokerError):
                await connection.publish(topic, b"", qos=1, retain=True)
