"""Everything that watches one robot, as its settings ask for it. Loaded when the robot is already reachable."""

from __future__ import annotations

import asyncio
import importlib
import logging
from types import ModuleType
from typing import TYPE_CHECKING

from robot_node.body import Body
from robot_node.config import Settings
from robot_node.devices.board import Board
from robot_node.devices.platform import Platform
from robot_node.errors import RobotNodeError
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.measurements import Measurements
from robot_node.mqtt import Connection

if TYPE_CHECKING:  # what makes the figures and shows them is loaded when it is asked for, and after presence
    from robot_node.monitoring.figures import Figures

logger = logging.getLogger(__name__)

_LATENESS_INTERVAL_S = 1.0


class Monitoring:
    """Gathers the figures, and shows them where they are wanted.

    Args:
        settings: What is wanted.
        body: Whose figures.
        platform: Where the figures of the board come from.
    """

    def __init__(self, settings: Settings, body: Body, platform: Platform) -> None:
        self._settings = settings
        self._body = body
        self._board = Board(platform)

    @property
    def wanted(self) -> bool:
        """There is anything to do."""
        return self._settings.metrics.enabled or self._settings.health.enabled

    async def run(self, online: asyncio.Event) -> None:
        """Serve the metrics, and watch the event loop, until cancelled. Does nothing when nothing is wanted.

        Args:
            online: Set when the robot is reachable: nothing is loaded before.
        """
        if not self.wanted:
            return
        await online.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(watch_lateness(self._body.measurements), name="event loop lateness")
            if self._settings.metrics.enabled:
                group.create_task(self._serve_metrics(), name="metrics")

    def close(self) -> None:
        """Ask the board no more."""
        self._board.close()

    async def publish(self, connection: Connection, topics: ServerTopics) -> None:
        """Publish what is wanted on the robot's own connection until cancelled.

        Args:
            connection: While it lasts.
            topics: Those of the robot, as its broker names it.

        Raises:
            BrokerError: the connection is lost.
        """
        settings, robot = self._settings, self._settings.robot
        home = settings.home_assistant
        if not (settings.health.enabled or home.enabled or home.remove):
            return
        health = await _module("health") if settings.health.enabled else None
        home_assistant = await _module("home_assistant") if home.enabled or home.remove else None
        async with asyncio.TaskGroup() as group:
            if health is not None:
                told = health.publish_health(
                    connection, robot.server_id, settings.health, self._body.state, self._figures
                )
                group.create_task(told, name="health")
            if home_assistant is not None and home.enabled:
                shown = home_assistant.show_in_home_assistant(
                    connection, robot, home, self._body.state, topics.presence
                )
                group.create_task(shown, name="Home Assistant")
            elif home_assistant is not None:
                await home_assistant.remove_from_home_assistant(connection, robot, home)

    async def _figures(self) -> Figures:
        figures = await _module("figures")
        now: Figures = figures.figures_of(self._body, await self._board.read(), self._settings.robot.server_id)
        return now

    async def _serve_metrics(self) -> None:
        metrics = await _module("metrics")
        try:
            await metrics.serve_metrics(
                self._settings.metrics, self._figures, on_listening=lambda url: logger.info("Metrics at %s", url)
            )
        except RobotNodeError as error:  # no reason for the robot to end
            logger.error("There are no metrics: %s", error)  # noqa: TRY400  # the text says it all


async def _module(name: str) -> ModuleType:
    return await asyncio.to_thread(importlib.import_module, f"robot_node.monitoring.{name}")


async def watch_lateness(measurements: Measurements, *, interval_s: float = _LATENESS_INTERVAL_S) -> None:
    """Report how late the event loop is, until cancelled.

    Args:
        measurements: Where to.
        interval_s: How often, in seconds.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        measurements.loop_was_late(max(0.0, loop.time() - due))
