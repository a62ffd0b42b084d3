"""What a robot does for Home Assistant, as its settings ask for it; loaded when the robot is reachable."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Connection
from robot_node.robot.robot import Robot
from robot_node.robot.supervisor import Service
from robot_node.settings.root import Settings

if TYPE_CHECKING:  # not loaded without Home Assistant
    from robot_node.robot.home_assistant.commands import CallTool

HomeAssistantServices = Callable[[Connection, ServerTopics], Awaitable[dict[str, Service]]]
"""Returns what is to run for Home Assistant on a connection, by name."""


async def home_assistant_services(
    robot: Robot, settings: Settings, call_tool: CallTool, connection: Connection, topics: ServerTopics
) -> dict[str, Service]:
    """Return what is to run for Home Assistant on a connection, by name; remove the robot there if that is asked for.

    Args:
        robot: Its parts.
        settings: Its settings.
        call_tool: Calls a tool as the client of the settings.
        connection: The robot's own.
        topics: Those of the robot, as its broker names it.

    Raises:
        BrokerError: the connection is lost.
    """
    home = settings.home_assistant
    if not (home.enabled or home.remove):
        return {}
    service = await asyncio.to_thread(importlib.import_module, "robot_node.robot.home_assistant.service")
    if home.remove:
        await service.remove_from_home_assistant(connection, settings.robot, home)
        return {}
    state = robot.telemetry.state
    shown = service.HomeAssistant(
        robot=settings.robot,
        settings=home,
        state=state,
        emotions=robot.face.names,
        take_photo={
            name: camera.background_photo
            for name, camera in zip(("", *state.snapshot.cameras), robot.cameras.values(), strict=True)
        },
        call_tool=call_tool,
    )
    services: dict[str, Service] = shown.services(connection, topics.presence)
    return services
