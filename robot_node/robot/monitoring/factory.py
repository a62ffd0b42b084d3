"""Everything that watches one robot, as its settings ask for it. Loaded when the robot is already reachable."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from robot_node.core.backoff import Backoff, RestartPolicy
from robot_node.core.counters import Counters
from robot_node.devices.board import Board
from robot_node.devices.platform import Platform
from robot_node.errors import BrokerError
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Connection
from robot_node.robot.robot import Body
from robot_node.robot.supervisor import Service, Supervisor
from robot_node.settings.root import Settings

if TYPE_CHECKING:  # what makes the figures and shows them is loaded when it is asked for, and after presence
    from robot_node.robot.monitoring.figures import Figures

logger = logging.getLogger(__name__)

_LOOP_LAG_INTERVAL_S = 1.0

_FOR_EVER = RestartPolicy(maximum_s=300.0, window_s=0.0)
"""Nobody loses an agent's session because the robot's health cannot be told."""


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

    def services(self, online: asyncio.Event) -> dict[str, Service]:
        """What is to run as long as the robot does, by name; nothing when nothing is wanted.

        Args:
            online: Set when the robot is reachable: nothing is loaded before.
        """
        services: dict[str, Service] = {}
        if self._settings.metrics.enabled or self._settings.health.enabled:
            services["event loop lateness"] = partial(self._watch_loop_lag, online)
        if self._settings.metrics.enabled:
            services["metrics"] = partial(self._serve_metrics, online)
        return services

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
        state = self._body.state
        async with Supervisor(state, policy=_FOR_EVER) as services:
            if health is not None:
                told = partial(
                    health.publish_health, connection, robot.server_id, settings.health, state, self._figures
                )
                services.run("health", partial(_publish_again_and_again, told))
            if home_assistant is not None and home.enabled:
                shown = partial(home_assistant.show_in_home_assistant, connection, robot, home, state, topics.presence)
                services.run("Home Assistant", partial(_publish_again_and_again, shown))
            elif home_assistant is not None:
                await home_assistant.remove_from_home_assistant(connection, robot, home)

    async def _figures(self) -> Figures:
        figures = await _module("figures")
        now: Figures = figures.figures_of(self._body, await self._board.read(), self._settings.robot.server_id)
        return now

    async def _watch_loop_lag(self, online: asyncio.Event) -> None:
        await online.wait()  # until then modules are loaded, which is no fault
        await watch_loop_lag(self._body.counters)

    async def _serve_metrics(self, online: asyncio.Event) -> None:
        await online.wait()
        metrics = await _module("metrics")
        await metrics.serve_metrics(
            self._settings.metrics, self._figures, on_listening=lambda url: logger.info("Metrics at %s", url)
        )


async def _publish_again_and_again(publish: Callable[[], Awaitable[None]]) -> None:
    """Publish until cancelled, as a lost connection does; a broker that does not take something is tried again."""
    backoff = Backoff(maximum_s=300.0)
    while True:
        try:
            await publish()
        except BrokerError as error:
            logger.info("What the robot publishes besides is not published: %s", error)
        await asyncio.sleep(backoff.next_delay())


async def _module(name: str) -> ModuleType:
    return await asyncio.to_thread(importlib.import_module, f"robot_node.robot.monitoring.{name}")


async def watch_loop_lag(counters: Counters, *, interval_s: float = _LOOP_LAG_INTERVAL_S) -> None:
    """Report how late the event loop is, until cancelled.

    Args:
        counters: Where to.
        interval_s: How often, in seconds.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        counters.record_loop_lag(max(0.0, loop.time() - due))
