"""The health message: the figures as JSON, retained at ``robot-node/{server_id}/health``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.mqtt import Connection
from robot_node.robot.monitoring.figures import Figures
from robot_node.robot.monitoring.retained import Pace, keep_retained
from robot_node.settings.root import HealthSettings

_SHORTEST_S = 5.0
_EXPIRY_INTERVALS = 3


def health_topic(server_id: str) -> str:
    """Where a robot's health is told."""
    return f"robot-node/{server_id}/health"


async def publish_health(
    connection: Connection,
    server_id: str,
    settings: HealthSettings,
    state: RobotState,
    figures: Callable[[], Awaitable[Figures]],
    *,
    shortest_s: float = _SHORTEST_S,
) -> None:
    """Publish it until cancelled: every interval, and soon after something happened that a person would ask about.

    Args:
        connection: While it lasts.
        server_id: The robot's id.
        settings: How often.
        state: Whose changes are worth telling.
        figures: Those of now.
        shortest_s: No two messages are closer, in seconds, whatever happens.

    Raises:
        BrokerError: the connection is lost.
    """
    changed = asyncio.Event()
    told = worth_telling(state.snapshot)

    def see(now: RobotSnapshot) -> None:
        nonlocal told
        before, told = told, worth_telling(now)
        if told != before:
            changed.set()

    async def content() -> bytes:
        return (await figures()).model_dump_json().encode()

    pace = Pace(
        shortest_s=min(shortest_s, settings.interval_s),
        longest_s=settings.interval_s,
        expiry_s=max(1, round(_EXPIRY_INTERVALS * settings.interval_s)),
    )
    stop = state.listen(see)
    try:
        await keep_retained(connection, health_topic(server_id), content, changed, pace)
    finally:
        stop()


def worth_telling(now: RobotSnapshot) -> RobotSnapshot:
    """What a message comes early for: what changes all the time, or is soon over, is left to the next one."""
    return replace(now, inputs={}, speaking=False, emotion="", sessions=0)
