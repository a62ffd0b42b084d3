"""What the tests of the MQTT connection share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from robot_node.mqtt import ConnectOptions, Incoming

ONE = ConnectOptions(client_id="one")
PATIENCE_S = 45.0


def ignore(_: Incoming) -> None:
    """Receive nothing."""


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)
