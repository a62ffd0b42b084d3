"""What Home Assistant is told, held against what its documentation says that it reads."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

import jinja2
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from robot_node.core.state import CameraState, CameraView, RobotState
from robot_node.errors import SettingsError
from robot_node.robot.monitoring.home_assistant import discovery, discovery_id, discovery_topic, state_message
from robot_node.settings.loading import load_settings
from robot_node.settings.root import HomeAssistantSettings, RobotSettings

PRESENCE = "$mcp-server/presence/robot-1/home/kitchen"


class _Documented(BaseModel):
    """Home Assistant passes over, or refuses, what it does not know: nothing but what is listed here may be said."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Availability(_Documented):
    topic: str
    value_template: str


class _Entity(_Documented):
    unique_id: str
    name: str
    state_topic: str | None = None
    value_template: str
    availability: _Availability | None = None
    entity_category: Literal["config", "diagnostic"] | None = None
    icon: Annotated[str, Field(pattern=r"^mdi:[a-z-]+$")] | None = None


class _BinarySensor(_Entity):
    platform: Literal["binary_sensor"]
    device_class: Literal["connectivity", "problem", "running", "presence", "motion"] | None = None


class _Sensor(_Entity):
    platform: Literal["sensor"]
    state_class: Literal["measurement", "total", "total_increasing"] | None = None


class _Device(_Documented):
    identifiers: list[str]
    name: str
    manufacturer: str
    model: str
    sw_version: str


class _Origin(_Documented):
    name: str
    sw_version: str


class _DeviceDiscovery(_Documented):
    device: _Device
    origin: _Origin
    state_topic: str
    components: dict[str, Annotated[_BinarySensor | _Sensor, Field(discriminator="platform")]]


def told(server_id: str = "robot-1") -> _DeviceDiscovery:
    robot = RobotSettings(server_id=server_id, server_name="home/kitchen")
    return TypeAdapter(_DeviceDiscovery).validate_python(discovery(robot, PRESENCE))


def test_nothing_is_said_that_home_assistant_does_not_document() -> None:
    device = told()
    assert device.device.identifiers == ["robot-1"]
    assert device.state_topic == "robot-node/robot-1/state"
    assert set(device.components) == {"online", "camera", "emotion", "viewers", "problem"}
    assert len({entity.unique_id for entity in device.components.values()}) == len(device.components)


def test_each_zone_of_motion_has_an_entity_that_shows_whether_something_moves_in_it() -> None:
    described = discovery(RobotSettings(server_id="robot-1"), PRESENCE, ["door", "back-yard"])
    components = TypeAdapter(_DeviceDiscovery).validate_python(described).components
    assert {components["motion_door"].name, components["motion_back-yard"].name} == {"Motion door", "Motion back-yard"}
    state = RobotState()
    state.update(motion={"door": False, "back-yard": True})
    given = {"value_json": json.loads(state_message(state))}
    shown = [
        jinja2.Template(components[f"motion_{zone}"].value_template, undefined=jinja2.StrictUndefined).render(given)
        for zone in ("door", "back-yard")
    ]
    assert shown == ["OFF", "ON"]


def test_each_camera_after_the_first_has_an_entity_of_its_own() -> None:
    described = discovery(RobotSettings(server_id="robot-1"), PRESENCE, cameras=["rear", "left-side"])
    components = TypeAdapter(_DeviceDiscovery).validate_python(described).components
    state = RobotState()
    cameras = {"rear": CameraView(CameraState.ON), "left-side": CameraView()}
    state.update(first_camera="front", cameras=cameras)
    given = {"value_json": json.loads(state_message(state))}
    shown = {
        name: jinja2.Template(entity.value_template, undefined=jinja2.StrictUndefined).render(given)
        for name, entity in components.items()
        if name.startswith("camera")
    }
    assert shown == {"camera": "OFF", "camera_rear": "ON", "camera_left-side": "OFF"}


def test_nothing_can_be_operated() -> None:
    assert "command_topic" not in str(discovery(RobotSettings(), PRESENCE))


def test_whether_it_is_online_is_told_by_its_presence_and_the_rest_is_unavailable_without_it() -> None:
    components = told().components
    online = components.pop("online")
    assert (online.state_topic, online.availability) == (PRESENCE, None)
    for entity in components.values():
        assert entity.state_topic is None  # that of the device
        assert entity.availability is not None
        assert entity.availability.topic == PRESENCE


@pytest.mark.parametrize("server_id", ["robot-1", "robot.1", "robot 1", "Küche", "a" * 128])
def test_the_topic_is_one_that_home_assistant_reads(server_id: str) -> None:
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", discovery_topic("homeassistant", server_id))


def test_ids_that_look_alike_stay_different() -> None:
    assert len({discovery_id(server_id) for server_id in ("robot_1", "robot.1", "robot 1")}) == 3


def test_the_state_is_what_the_templates_read() -> None:
    state = RobotState()
    state.set_fault("display", "It is unplugged.", camera=CameraState.ON, emotion="shy", viewers=2)
    assert state_message(state) == b'{"camera": "on", "emotion": "shy", "viewers": 2, "faults": ["display"]}'
    read = {
        name
        for entity in told().components.values()
        for name in re.findall(r"value_json\.(\w+)", entity.value_template)
    }
    assert read == {"camera", "emotion", "viewers", "faults"}


@pytest.mark.parametrize(
    ("presence", "state", "shown"),
    [
        (
            '{"jsonrpc": "2.0"}',
            '{"camera": "on", "emotion": "shy", "viewers": 2, "faults": ["display"]}',
            "ON ON shy 2 ON",
        ),
        ('{"jsonrpc": "2.0"}', '{"camera": "off", "emotion": "sad", "viewers": 0, "faults": []}', "ON OFF sad 0 OFF"),
        ("", "", "OFF    "),  # an entity whose template is empty stays as it was
    ],
)
def test_the_templates_make_of_it_what_home_assistant_shows(presence: str, state: str, shown: str) -> None:
    """Home Assistant gives a template ``value`` and, when that is JSON, ``value_json``."""
    payloads = {"online": presence}
    values = []
    for name, entity in told().components.items():
        value = payloads.get(name, state)
        given = {"value": value, **({"value_json": json.loads(value)} if value else {})}
        values.append(jinja2.Template(entity.value_template, undefined=jinja2.StrictUndefined).render(given))
        if entity.availability is not None:
            available = jinja2.Template(entity.availability.value_template).render(value=presence)
            assert available == ("online" if presence else "offline")
    assert " ".join(values) == shown


@pytest.mark.parametrize("prefix", ["", "/homeassistant", "home+", "home/#", "$home"])
def test_a_prefix_that_is_no_topic_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match=r"home_assistant\.prefix"):
        load_settings(None, {"home_assistant": {"prefix": prefix}})


def test_a_robot_is_not_shown_and_removed_at_once() -> None:
    with pytest.raises(SettingsError, match="set enabled to false"):
        load_settings(None, {"home_assistant": {"enabled": True, "remove": True}})
    assert HomeAssistantSettings() == HomeAssistantSettings(enabled=False, remove=False)
