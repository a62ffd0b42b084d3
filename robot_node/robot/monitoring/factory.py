"""Monitoring of one robot, as its settings ask for it. What it needs is loaded when the robot is reachable."""

from __future__ import annotations

import asyncio
import importlib
import logging
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from robot_node.core.backoff import Backoff, RestartPolicy
from robot_node.core.counters import Counters
from robot_node.devices.board import Board
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Connection
from robot_node.robot.home_assistant.factory import HomeAssistantServices
from robot_node.robot.supervisor import Service, Supervisor
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.root import Settings

if TYPE_CHECKING:  # what makes the figures and shows them is loaded when it is asked for, and after presence
    from starlette.routing import BaseRoute

    from robot_node.robot.monitoring.figures import Figures

logger = logging.getLogger(__name__)

_LOOP_LAG_INTERVAL_S = 1.0

_FOR_EVER = RestartPolicy(maximum_s=300.0, window_s=0.0)
"""No agent loses its session because monitoring keeps crashing."""


class Monitoring:
    """Publishes a robot's figures: metrics, health, Home Assistant.

    Args:
        settings: What is published.
        telemetry: What the figures are made of.
        board: The Raspberry Pi itself, whose temperature is a figure too.
        home_assistant: What is to run for Home Assistant.
    """

    def __init__(
        self, settings: Settings, telemetry: Telemetry, board: Board, home_assistant: HomeAssistantServices
    ) -> None:
        self._settings = settings
        self._home_assistant = home_assistant
        self._telemetry = telemetry
        self._board = board

    def services(self, online: asyncio.Event) -> dict[str, Service]:
        """Return what is to run as long as the robot does, by name.

        Args:
            online: Set when the robot is reachable: nothing is loaded before.
        """
        services: dict[str, Service] = {}
        if self._settings.metrics.enabled or self._settings.health.enabled or self._settings.http.enabled:
            services["event loop lateness"] = partial(self._watch_loop_lag, online)
        if self._settings.metrics.enabled:
            services["metrics"] = partial(self._serve_metrics, online)
        return services

    async def publish(self, connection: Connection, topics: ServerTopics) -> None:
        """Publish on the robot's own connection until cancelled; returns when nothing is to be published.

        Args:
            connection: While it lasts.
            topics: Those of the robot, as its broker names it.

        Raises:
            BrokerError: the connection is lost.
        """
        settings, state = self._settings, self._telemetry.state
        publishers = await self._home_assistant(connection, topics)
        if settings.health.enabled:
            health = await _module("health")
            publishers["health"] = partial(
                health.publish_health, connection, settings.robot.server_id, settings.health, state, self._figures
            )
        if not publishers:
            return
        async with Supervisor(state, policy=_FOR_EVER) as services:
            for name, publisher in publishers.items():
                services.run(name, partial(_publish_again_and_again, name, publisher))

    async def metrics_route(self) -> BaseRoute:
        """Return the route of the metrics, for the robot's own HTTP server."""
        route: BaseRoute = (await _module("metrics")).route(self._figures)
        return route

    async def _figures(self) -> Figures:
        figures = await _module("figures")
        now: Figures = figures.figures_of(self._telemetry, await self._board.read(), self._settings.robot.server_id)
        return now

    async def _watch_loop_lag(self, online: asyncio.Event) -> None:
        await online.wait()  # until then modules are loaded, which is no fault
        await watch_loop_lag(self._telemetry.counters)

    async def _serve_metrics(self, online: asyncio.Event) -> None:
        await online.wait()
        metrics = await _module("metrics")
        await metrics.serve_metrics(
            self._settings.metrics, self._figures, on_listening=lambda url: logger.info("Metrics at %s", url)
        )


async def _publish_again_and_again(name: str, publish: Service) -> None:
    """Publish until cancelled, as a lost connection does; retry when the broker refuses something."""
    backoff = Backoff(maximum_s=300.0)
    while True:
        try:
            await publish()
        except BrokerError as error:
            logger.info("The service %s is interrupted: %s", name, error)
        await asyncio.sleep(backoff.next_delay())


async def _module(name: str) -> ModuleType:
    return await asyncio.to_thread(importlib.import_module, f"robot_node.robot.monitoring.{name}")


async def watch_loop_lag(counters: Counters, *, interval_s: float = _LOOP_LAG_INTERVAL_S) -> None:
    """Measure the lag of the event loop until cancelled.

    Args:
        counters: Where it is recorded.
        interval_s: How often, in seconds.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        counters.record_loop_lag(max(0.0, loop.time() - due))
