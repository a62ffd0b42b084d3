"""Messages about a robot for Home Assistant: topics, discovery and state. Pure.

Source: Home Assistant, MQTT integration, "MQTT discovery", device discovery; the pages of the platforms, e.g. "MQTT
camera".
"""

from __future__ import annotations

import json
import re
import zlib
from importlib import metadata
from typing import Any

from robot_node.core.state import RobotState
from robot_node.robot.home_assistant.entities import Command, Component, Entity, Equipment, entities, state_of
from robot_node.settings.home_assistant import HomeAssistantSettings
from robot_node.settings.root import RobotSettings

_ORIGIN = "robot-node"

# Presence is empty once the robot is gone, cleared by the robot or by its will; so is a state that was cleared.
_ONLINE = "{{ 'ON' if value else 'OFF' }}"
_AVAILABILITY = "{{ 'online' if value else 'offline' }}"


def _value(expression: str) -> str:
    """Return a template that leaves an entity unchanged when the state was cleared."""
    return f"{{{{ {expression} if value_json is defined else '' }}}}"


def _available_while(expression: str) -> str:
    """Return a template that makes an entity unavailable unless an expression is ON."""
    return f"{{{{ 'online' if value_json is defined and {expression} == 'ON' else 'offline' }}}}"


def state_topic(server_id: str) -> str:
    """Return the topic of the state that Home Assistant shows."""
    return f"robot-node/{server_id}/state"


def picture_topic(server_id: str, entity: Entity) -> str:
    """Return the topic of a camera's pictures."""
    return f"robot-node/{server_id}/picture/{entity.key}"


def command_prefix(server_id: str) -> str:
    """Return what the topics of commands begin with; an entity's key follows."""
    return f"robot-node/{server_id}/set/"


def discovery_id(server_id: str) -> str:
    """Return the robot's id in the characters that Home Assistant allows, still different from other ids."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", server_id)
    return plain if plain == server_id else f"{plain}_{zlib.crc32(server_id.encode()):08x}"


def discovery_topic(prefix: str, server_id: str) -> str:
    """Return the topic on which Home Assistant discovers the device."""
    return f"{prefix}/device/{discovery_id(server_id)}/config"


def discovery(
    robot: RobotSettings, settings: HomeAssistantSettings, presence_topic: str, equipment: Equipment
) -> dict[str, Any]:
    """Return the discovery message of the device.

    Args:
        robot: Its identity.
        settings: Which entities there are.
        presence_topic: Topic of its retained presence.
        equipment: What it has.
    """
    device_id, server_id = discovery_id(robot.server_id), robot.server_id
    here = {"topic": presence_topic, "value_template": _AVAILABILITY}

    def shows(entity: Entity, component: Component) -> dict[str, Any]:
        return {
            "platform": component.platform,
            "unique_id": f"{device_id}_{entity.name.lower().replace(' ', '_')}",
            "name": entity.name,
            "value_template": _value(entity.value),
            "availability": here,
            **component.options,
        }

    def acts(entity: Entity, command: Command) -> dict[str, Any]:
        if not settings.control:
            return {"platform": command.component.platform}
        return {
            "platform": command.component.platform,
            "unique_id": f"{device_id}_set_{entity.key}",
            "name": entity.name,
            "command_topic": command_prefix(server_id) + entity.key,
            "availability": here,
            **({"value_template": _value(entity.value)} if entity.value else {}),
            **command.component.options,
        }

    def picture(entity: Entity) -> dict[str, Any]:
        if not settings.pictures:
            return {"platform": "camera"}
        captures = {"topic": state_topic(server_id), "value_template": _available_while(entity.value)}
        return {
            "platform": "camera",
            "unique_id": f"{device_id}_picture_{entity.key}",
            "name": entity.name,
            "topic": picture_topic(server_id, entity),
            "availability": [here, captures],
            "availability_mode": "all",
        }

    table = entities(equipment)
    return {
        "device": {
            "identifiers": [device_id],
            "name": robot.server_name,
            "manufacturer": _ORIGIN,
            "model": "Robot",
            "sw_version": metadata.version("robot-node"),
        },
        "origin": {"name": _ORIGIN, "sw_version": metadata.version("robot-node")},
        "state_topic": state_topic(server_id),
        "components": {
            "online": {
                "platform": "binary_sensor",
                "unique_id": f"{device_id}_online",
                "name": "Online",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "state_topic": presence_topic,
                "value_template": _ONLINE,
            },
            **{each.key: shows(each, each.shows) for each in table if each.shows is not None},
            # A component with nothing but its platform removes what an earlier discovery has added.
            **{f"set_{each.key}": acts(each, each.command) for each in table if each.command is not None},
            **{f"picture_{each.key}": picture(each) for each in table if each.camera is not None},
        },
    }


def state_message(state: RobotState) -> bytes:
    """Return the state that Home Assistant shows, as JSON."""
    return json.dumps(state_of(state.snapshot)).encode()
