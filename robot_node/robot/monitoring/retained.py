"""A retained message that is kept true: published when something changed and now and then, taken back at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from robot_node.errors import BrokerError
from robot_node.mqtt import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a message is published.

    Attributes:
        shortest_s: No two are closer, in seconds, whatever happens.
        longest_s: After so long it is published even if nothing has changed, in seconds.
        expiry_s: The broker forgets one that was not renewed for so long.
    """

    shortest_s: float
    longest_s: float
    expiry_s: int


async def keep_retained(
    connection: Connection,
    topic: str,
    content: Callable[[], Awaitable[bytes]],
    changed: asyncio.Event,
    pace: Pace,
) -> None:
    """Publish until cancelled; then nothing is left of it. If we die instead, the broker forgets it in time.

    Args:
        connection: While it lasts.
        topic: Where.
        content: What to say now.
        changed: Set whenever it is worth saying something new.
        pace: How often.

    Raises:
        BrokerError: the connection is lost.
    """
    try:
        while True:
            changed.clear()
            await connection.publish(topic, await content(), retain=True, expiry_s=pace.expiry_s)
            await asyncio.sleep(pace.shortest_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pace.longest_s - pace.shortest_s)):
                    await changed.wait()
    finally:
        with contextlib.suppress(BrokerError):
            await connection.publish(topic, b"", qos=1, retain=True)
