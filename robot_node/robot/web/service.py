"""The robot's HTTP server as a service; loaded only where it is enabled, and when the robot is reachable."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from robot_node.robot.monitoring.factory import Monitoring
from robot_node.robot.robot import Robot
from robot_node.settings.root import Settings

if TYPE_CHECKING:  # starlette takes its time to load
    from starlette.routing import BaseRoute

Page = Callable[[], "Sequence[BaseRoute]"]
"""Makes the console's routes; called in a thread."""


async def serve_http(
    robot: Robot, settings: Settings, monitoring: Monitoring, page: Page, *, online: asyncio.Event
) -> None:
    """Serve pictures, video, figures and the console until cancelled.

    Args:
        robot: Whose.
        settings: Its settings.
        monitoring: Its figures.
        page: Makes the console's routes.
        online: Set once the robot is reachable.

    Raises:
        NotReadyError: The address cannot be listened on; the robot goes on without.
    """
    await online.wait()
    server = await asyncio.to_thread(importlib.import_module, "robot_node.robot.web.server")
    mqtt = await asyncio.to_thread(importlib.import_module, "robot_node.robot.web.mqtt")
    routes = [mqtt.MqttProxy(settings.broker).route(), await monitoring.metrics_route()]
    routes += [*await _clips(robot), *await asyncio.to_thread(page)]
    photos = {name: camera.photo for name, camera in robot.cameras.items()}
    await server.serve(settings, robot.telemetry.state, photos, robot.direct, routes)


async def _clips(robot: Robot) -> Sequence[BaseRoute]:
    if robot.recorder is None:
        return ()
    clips = await asyncio.to_thread(importlib.import_module, "robot_node.robot.web.clips")
    routes: Sequence[BaseRoute] = clips.clip_routes(robot.recorder.library, is_unfinished=robot.recorder.is_unfinished)
    return routes
