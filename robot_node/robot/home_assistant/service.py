"""Shows a robot in Home Assistant, and lets it control the robot, as the settings allow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from robot_node.core.changes import Changes
from robot_node.core.state import RobotState
from robot_node.mqtt import Connection
from robot_node.robot.home_assistant.commands import CallTool, Commands
from robot_node.robot.home_assistant.discovery import (
    command_prefix,
    discovery,
    discovery_topic,
    picture_topic,
    state_message,
    state_topic,
)
from robot_node.robot.home_assistant.entities import Equipment, entities
from robot_node.robot.home_assistant.pictures import TakePhoto, publish_pictures
from robot_node.robot.monitoring.retained import Pace, keep_retained
from robot_node.robot.supervisor import Service
from robot_node.settings.home_assistant import HomeAssistantSettings
from robot_node.settings.root import RobotSettings

_PACE = Pace(shortest_s=0.5, longest_s=200.0, expiry_s=600)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistant:
    """What Home Assistant sees of a robot, and may do with it.

    Attributes:
        robot: Its identity.
        settings: What is allowed.
        state: Its state.
        emotions: The emotions that it can show.
        take_photo: Takes a photo with each camera that is on; by the cameras' names in the state.
        call_tool: Calls a tool as the client of the settings.
    """

    robot: RobotSettings
    settings: HomeAssistantSettings
    state: RobotState
    emotions: tuple[str, ...]
    take_photo: Mapping[str, TakePhoto]
    call_tool: CallTool

    def services(self, connection: Connection, presence_topic: str) -> dict[str, Service]:
        """Return what is to run on a connection while it lasts, by name.

        Args:
            connection: The robot's own.
            presence_topic: Topic of its retained presence.
        """
        server_id, settings, state = self.robot.server_id, self.settings, self.state
        equipment = Equipment.of(state.snapshot, self.emotions)
        table = entities(equipment)
        services: dict[str, Service] = {"Home Assistant": partial(self._show, connection, presence_topic, equipment)}
        if settings.pictures:
            for entity in table:
                if entity.camera is not None:
                    services[f"pictures of {entity.key} for Home Assistant"] = partial(
                        publish_pictures,
                        connection,
                        picture_topic(server_id, entity),
                        self.take_photo[entity.camera],
                        settings,
                        state=state,
                        camera=entity.camera,
                    )
        if settings.control:
            commands = Commands(command_prefix(server_id), table, self.call_tool, settings.client_id)
            services["commands of Home Assistant"] = partial(commands.obey, connection)
        return services

    async def _show(self, connection: Connection, presence_topic: str, equipment: Equipment) -> None:
        """Publish the robot and each change, until cancelled.

        The discovery stays when the robot leaves, because Home Assistant would forget the names and rooms that its
        owner has given to the device: it is shown as offline meanwhile.
        """
        message = json.dumps(discovery(self.robot, self.settings, presence_topic, equipment)).encode()
        topic = discovery_topic(self.settings.prefix, self.robot.server_id)
        await connection.publish(topic, message, qos=1, retain=True)

        async def content() -> bytes:
            return state_message(self.state)

        changes = Changes(self.state.listen, value=lambda: state_message(self.state))
        await keep_retained(connection, state_topic(self.robot.server_id), content, changes, _PACE)


async def remove_from_home_assistant(
    connection: Connection, robot: RobotSettings, settings: HomeAssistantSettings
) -> None:
    """Clear the discovery message: Home Assistant forgets the device.

    Raises:
        BrokerError: the connection is lost.
    """
    await connection.publish(discovery_topic(settings.prefix, robot.server_id), b"", qos=1, retain=True)
