"""The one table of a robot's entities in Home Assistant: what each shows, and what it does when it may act. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from robot_node.core.state import RobotSnapshot

STOP = "stop"
"""Key of the emergency stop."""


@dataclass(frozen=True, slots=True)
class Component:
    """How Home Assistant shows an entity.

    Attributes:
        platform: Kind of entity, e.g. ``"sensor"``.
        options: Its further options.
    """

    platform: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """What an entity does when somebody operates it: a call of a tool.

    Attributes:
        component: How Home Assistant shows it.
        tool: The tool.
        arguments: Returns the tool's arguments for a payload; raises ValueError for one that it does not know.
    """

    component: Component
    tool: str
    arguments: Callable[[str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Entity:
    """A row of the table.

    Attributes:
        key: Its name in topics and in the discovery.
        name: Its name for people, after that of the device.
        value: What it shows, as a Jinja expression of the state ``value_json``; empty: nothing.
        shows: How it shows it; None: it only acts.
        command: What it does where Home Assistant may control the robot; None: it only shows.
        camera: The camera whose picture it has, as a name in the robot's state; None: no picture.
    """

    key: str
    name: str
    value: str = ""
    shows: Component | None = None
    command: Command | None = None
    camera: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What the robot has, as far as its entities depend on it.

    Attributes:
        cameras: Names of the cameras but the first.
        zones: Zones of the camera's picture in which motion is looked for.
        emotions: The emotions that it can show.
        loudspeaker: It has one.
    """

    cameras: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    emotions: tuple[str, ...] = field(default=(), repr=False)
    loudspeaker: bool = False

    @classmethod
    def of(cls, now: RobotSnapshot, emotions: Iterable[str]) -> Equipment:
        """Return a robot's equipment, from its state and the emotions of its face."""
        loudspeaker = now.volume is not None
        return cls(
            cameras=tuple(now.cameras), zones=tuple(now.motion), emotions=tuple(emotions), loudspeaker=loudspeaker
        )


def entities(robot: Equipment) -> tuple[Entity, ...]:
    """Return all entities of a robot but its presence, whether or not its settings allow them."""
    return (
        _camera(None),
        Entity(
            "emotion",
            "Emotion",
            "value_json.emotion",
            Component("sensor", {"icon": "mdi:emoticon-outline"}),
            Command(
                Component("select", {"options": list(robot.emotions), "icon": "mdi:emoticon-outline"}),
                "change_emotion",
                lambda payload: {"emotion": _one_of(robot.emotions, payload)},
            ),
        ),
        Entity(
            "viewers",
            "Viewers",
            "value_json.viewers",
            Component("sensor", {"icon": "mdi:eye", "state_class": "measurement"}),
        ),
        Entity(
            "problem",
            "Problem",
            _on("value_json.faults"),
            Component("binary_sensor", {"device_class": "problem", "entity_category": "diagnostic"}),
        ),
        *map(_camera, robot.cameras),
        *(
            Entity(
                f"motion_{zone}",
                f"Motion {zone}",
                _on(f"'{zone}' in value_json.motion"),
                Component("binary_sensor", {"device_class": "motion"}),
            )
            for zone in robot.zones
        ),
        *(_SOUND if robot.loudspeaker else ()),
        Entity(
            STOP,
            "Stop",
            command=Command(Component("button", {"icon": "mdi:stop-circle"}), "stop_all", _pressed),
        ),
    )


def _camera(name: str | None) -> Entity:
    """The entity of a camera; without a name, of the first."""
    state = "value_json.camera" if name is None else f"value_json.cameras['{name}']"
    chosen = {} if name is None else {"camera": name}
    return Entity(
        "camera" if name is None else f"camera_{name}",
        "Camera" if name is None else f"Camera {name}",
        _on(f"{state} == 'on'"),
        Component("binary_sensor", {"icon": "mdi:camera"}),
        Command(
            Component("switch", {"icon": "mdi:camera"}),
            "control_camera",
            lambda payload: {"enabled": _on_or_off(payload), **chosen},
        ),
        camera=name or "",
    )


def _on(condition: str) -> str:
    return f"('ON' if {condition} else 'OFF')"


def _on_or_off(payload: str) -> bool:
    return {"ON": True, "OFF": False}[_one_of(("ON", "OFF"), payload)]


def _one_of(options: Iterable[str], payload: str) -> str:
    if payload not in options:
        raise ValueError("it is none of the options")
    return payload


def _percent(payload: str) -> int:
    # Home Assistant sends a whole number of a slider without a point, but a template may send "40.0".
    digits = payload.removesuffix(".0")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and int(digits) <= 100):
        raise ValueError("it is no number from 0 to 100")
    return int(digits)


def _pressed(payload: str) -> dict[str, Any]:
    _one_of(("PRESS",), payload)
    return {}


_SOUND = (
    Entity(
        "volume",
        "Volume",
        "value_json.volume",
        Component("sensor", {"icon": "mdi:volume-high", "unit_of_measurement": "%"}),
        Command(
            Component("number", {"icon": "mdi:volume-high", "unit_of_measurement": "%", "min": 0, "max": 100}),
            "control_volume",
            lambda payload: {"volume": _percent(payload)},
        ),
    ),
    Entity(
        "muted",
        "Muted",
        _on("value_json.muted"),
        Component("binary_sensor", {"icon": "mdi:volume-off"}),
        Command(
            Component("switch", {"icon": "mdi:volume-off"}),
            "control_volume",
            lambda payload: {"muted": _on_or_off(payload)},
        ),
    ),
)


def state_of(now: RobotSnapshot) -> dict[str, object]:
    """Return the state that the expressions of the table read."""
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
    if now.volume is not None:
        shown |= {"volume": now.volume, "muted": bool(now.muted)}
    return shown
