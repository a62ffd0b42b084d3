"""Home Assistant: shows a robot as a device with a few read-only entities.

Source: Home Assistant, MQTT integration, "MQTT discovery", device discovery; "MQTT binary sensor"; "MQTT sensor".
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from robot_node.core.changes import Changes
from robot_node.core.state import RobotState
from robot_node.mqtt import Connection
from robot_node.robot.monitoring.retained import Pace, keep_retained
from robot_node.settings.root import HomeAssistantSettings, RobotSettings

_ORIGIN = "robot-node"
_PACE = Pace(shortest_s=0.5, longest_s=200.0, expiry_s=600)

# Presence is empty once the robot is gone, cleared by the robot or by its will; so is a state that was cleared.
_ONLINE = "{{ 'ON' if value else 'OFF' }}"
_AVAILABILITY = "{{ 'online' if value else 'offline' }}"


def _value(expression: str) -> str:
    """Return a template that leaves an entity unchanged when the state was cleared."""
    return f"{{{{ {expression} if value_json is defined else '' }}}}"


def state_topic(server_id: str) -> str:
    """Return the topic of the state that Home Assistant shows."""
    return f"robot-node/{server_id}/state"


def discovery_id(server_id: str) -> str:
    """Return the robot's id in the characters that Home Assistant allows, still different from other ids."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", server_id)
    return plain if plain == server_id else f"{plain}_{zlib.crc32(server_id.encode()):08x}"


def discovery_topic(prefix: str, server_id: str) -> str:
    """Return the topic on which Home Assistant discovers the device."""
    return f"{prefix}/device/{discovery_id(server_id)}/config"


def discovery(
    robot: RobotSettings, presence_topic: str, zones: Iterable[str] = (), cameras: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the discovery message of the device.

    Args:
        robot: Its identity.
        presence_topic: Topic of its retained presence.
        zones: Zones of the camera's picture in which motion is looked for.
        cameras: Names of the cameras but the first.
    """
    device_id = discovery_id(robot.server_id)
    availability = {"topic": presence_topic, "value_template": _AVAILABILITY}

    def entity(name: str, platform: str, **more: object) -> dict[str, object]:
        return {
            "platform": platform,
            "unique_id": f"{device_id}_{name.lower().replace(' ', '_')}",
            "name": name,
            **more,
        }

    def from_state(name: str, platform: str, expression: str, **more: object) -> dict[str, object]:
        return entity(name, platform, value_template=_value(expression), availability=availability, **more)

    return {
        "device": {
            "identifiers": [device_id],
            "name": robot.server_name,
            "manufacturer": _ORIGIN,
            "model": "Robot",
            "sw_version": metadata.version("robot-node"),
        },
        "origin": {"name": _ORIGIN, "sw_version": metadata.version("robot-node")},
        "state_topic": state_topic(robot.server_id),
        "components": {
            "online": entity(
                "Online",
                "binary_sensor",
                device_class="connectivity",
                entity_category="diagnostic",
                state_topic=presence_topic,
                value_template=_ONLINE,
            ),
            "camera": from_state(
                "Camera", "binary_sensor", "('ON' if value_json.camera == 'on' else 'OFF')", icon="mdi:camera"
            ),
            "emotion": from_state("Emotion", "sensor", "value_json.emotion", icon="mdi:emoticon-outline"),
            "viewers": from_state("Viewers", "sensor", "value_json.viewers", icon="mdi:eye", state_class="measurement"),
            "problem": from_state(
                "Problem",
                "binary_sensor",
                "('ON' if value_json.faults else 'OFF')",
                device_class="problem",
                entity_category="diagnostic",
            ),
            **{
                f"camera_{name}": from_state(
                    f"Camera {name}",
                    "binary_sensor",
                    f"('ON' if value_json.cameras['{name}'] == 'on' else 'OFF')",
                    icon="mdi:camera",
                )
                for name in cameras
            },
            **{
                f"motion_{zone}": from_state(
                    f"Motion {zone}",
                    "binary_sensor",
                    f"('ON' if '{zone}' in value_json.motion else 'OFF')",
                    device_class="motion",
                )
                for zone in zones
            },
        },
    }


def state_message(state: RobotState) -> bytes:
    """Return the state that Home Assistant shows, as JSON."""
    now = state.snapshot
    shown: dict[str, object] = {
        "camera": now.camera,
        "emotion": now.emotion,
        "viewers": now.viewers,
        "faults": sorted(now.faults),
    }
    if now.motion:
        shown["motion"] = [zone for zone, moves in now.motion.items() if moves]
    if now.cameras:
        shown["cameras"] = {name: each.state for name, each in now.every_camera.items()}
    return json.dumps(shown).encode()


async def show_in_home_assistant(
    connection: Connection,
    robot: RobotSettings,
    settings: HomeAssistantSettings,
    state: RobotState,
    presence_topic: str,
) -> None:
    """Publish the robot for Home Assistant, and each change, until cancelled.

    The discovery stays when the robot leaves, because Home Assistant would forget the names and rooms that its owner
    has given to the device: it is shown as offline meanwhile.

    Raises:
        BrokerError: the connection is lost.
    """
    message = json.dumps(discovery(robot, presence_topic, state.snapshot.motion, state.snapshot.cameras)).encode()
    await connection.publish(discovery_topic(settings.prefix, robot.server_id), message, qos=1, retain=True)

    async def content() -> bytes:
        return state_message(state)

    changes = Changes(state.listen, value=lambda: state_message(state))
    await keep_retained(connection, state_topic(robot.server_id), content, changes, _PACE)


async def remove_from_home_assistant(
    connection: Connection, robot: RobotSettings, settings: HomeAssistantSettings
) -> None:
    """Clear the discovery message: Home Assistant forgets the device.

    Raises:
        BrokerError: the connection is lost.
    """
    await connection.publish(discovery_topic(settings.prefix, robot.server_id), b"", qos=1, retain=True)
