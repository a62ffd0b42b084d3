"""The health message: the figures as JSON, retained at ``robot-node/{server_id}/health``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from robot_node.core.changes import Changes
from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.mqtt import Connection
from robot_node.robot.monitoring.figures import Figures
from robot_node.robot.monitoring.retained import Pace, keep_retained
from robot_node.settings.root import HealthSettings

_SHORTEST_S = 5.0
_EXPIRY_INTERVALS = 3


def health_topic(server_id: str) -> str:
    """Return the topic of a robot's health message."""
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
    """Publish until cancelled: every interval, and soon after a change that a person would ask about.

    Args:
        connection: While it lasts.
        server_id: The robot's id.
        settings: How often.
        state: A change of :func:`health_relevant` fields is published early.
        figures: Returns the present figures.
        shortest_s: Shortest time between two messages, in seconds.

    Raises:
        BrokerError: the connection is lost.
    """

    async def content() -> bytes:
        return (await figures()).model_dump_json().encode()

    pace = Pace(
        shortest_s=min(shortest_s, settings.interval_s),
        longest_s=settings.interval_s,
        expiry_s=max(1, round(_EXPIRY_INTERVALS * settings.interval_s)),
    )
    changes = Changes(state.listen, value=lambda: health_relevant(state.snapshot))
    await keep_retained(connection, health_topic(server_id), content, changes, pace)


def health_relevant(now: RobotSnapshot) -> RobotSnapshot:
    """Return the state without what changes all the time or is soon over: that is left to the next message."""
    return replace(now, inputs={}, speaking=False, emotion="", sessions=0)
