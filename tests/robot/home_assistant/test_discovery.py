"""What Home Assistant is told, held against what its documentation says that it reads."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

import jinja2
import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from robot_node.core.state import CameraState, CameraView, RobotState
from robot_node.errors import SettingsError
from robot_node.robot.home_assistant.discovery import discovery, discovery_id, discovery_topic, state_message
from robot_node.robot.home_assistant.entities import Equipment
from robot_node.settings.home_assistant import HomeAssistantSettings
from robot_node.settings.loading import load_settings
from robot_node.settings.root import RobotSettings

PRESENCE = "$mcp-server/presence/robot-1/home/kitchen"
EVERYTHING = Equipment(cameras=("rear", "left-side"), zones=("door",), emotions=("happy", "sad"), loudspeaker=True)
NOTHING = Equipment()
READ_ONLY = HomeAssistantSettings(enabled=True)
ALL = HomeAssistantSettings(enabled=True, pictures=True, control=True)


class _Documented(BaseModel):
    """Home Assistant passes over, or refuses, what it does not know: nothing but what is listed here may be said."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Availability(_Documented):
    topic: str
    value_template: str


class _Entity(_Documented):
    unique_id: str
    name: str
    availability: _Availability | list[_Availability] | None = None
    availability_mode: Literal["all", "any", "latest"] = "latest"
    entity_category: Literal["config", "diagnostic"] | None = None
    icon: Annotated[str, Field(pattern=r"^mdi:[a-z-]+$")] | None = None


class _WithState(_Entity):
    state_topic: str | None = None
    value_template: str


class _Acting(_WithState):
    command_topic: str


class _BinarySensor(_WithState):
    platform: Literal["binary_sensor"]
    device_class: Literal["connectivity", "problem", "running", "presence", "motion"] | None = None


class _Sensor(_WithState):
    platform: Literal["sensor"]
    state_class: Literal["measurement", "total", "total_increasing"] | None = None
    unit_of_measurement: str | None = None


class _Camera(_Entity):
    platform: Literal["camera"]
    topic: str


class _Switch(_Acting):
    platform: Literal["switch"]


class _Select(_Acting):
    platform: Literal["select"]
    options: Annotated[list[str], Field(min_length=1)]


class _Number(_Acting):
    platform: Literal["number"]
    unit_of_measurement: str
    min: int
    max: int


class _Button(_Entity):
    platform: Literal["button"]
    command_topic: str


class _Removed(_Documented):
    """A component with nothing but its platform: Home Assistant removes the entity."""

    platform: Literal["camera", "switch", "select", "number", "button"]


_Component = Annotated[
    Annotated[_BinarySensor, Tag("binary_sensor")]
    | Annotated[_Sensor, Tag("sensor")]
    | Annotated[_Camera, Tag("camera")]
    | Annotated[_Switch, Tag("switch")]
    | Annotated[_Select, Tag("select")]
    | Annotated[_Number, Tag("number")]
    | Annotated[_Button, Tag("button")]
    | Annotated[_Removed, Tag("removed")],
    Discriminator(lambda said: said["platform"] if len(said) > 1 else "removed"),
]


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
    components: dict[str, _Component]

    def of(self, kind: type[_Entity | _WithState]) -> dict[str, Any]:
        return {key: each for key, each in self.components.items() if isinstance(each, kind)}


def told(equipment: Equipment = NOTHING, settings: HomeAssistantSettings = READ_ONLY) -> _DeviceDiscovery:
    robot = RobotSettings(server_id="robot-1", server_name="home/kitchen")
    said = json.loads(json.dumps(discovery(robot, settings, PRESENCE, equipment)))
    return TypeAdapter(_DeviceDiscovery).validate_python(said)


def rendered(template: str, payload: str) -> str:
    """What Home Assistant makes of a payload: it gives a template ``value`` and, when that is JSON, ``value_json``."""
    given = {"value": payload, **({"value_json": json.loads(payload)} if payload else {})}
    return str(jinja2.Template(template, undefined=jinja2.StrictUndefined).render(given))


def everything_on() -> RobotState:
    state = RobotState()
    cameras = {"rear": CameraView(CameraState.ON), "left-side": CameraView()}
    state.update(first_camera="front", cameras=cameras, motion={"door": True}, volume=40, muted=False)
    return state


def test_nothing_is_said_that_home_assistant_does_not_document() -> None:
    device = told()
    assert device.device.identifiers == ["robot-1"]
    assert device.state_topic == "robot-node/robot-1/state"
    assert set(device.of(_Entity)) == {"online", "camera", "emotion", "viewers", "problem"}
    entities = told(EVERYTHING, ALL).of(_Entity)
    assert len({entity.unique_id for entity in entities.values()}) == len(entities) == 20


def test_by_default_no_entity_acts_or_has_a_picture_and_those_of_before_are_removed() -> None:
    said = told(EVERYTHING)
    assert not any(said.of(kind) for kind in (_Acting, _Button, _Camera))
    removed = {key: each.platform for key, each in said.components.items() if isinstance(each, _Removed)}
    allowed = told(EVERYTHING, ALL)
    assert removed == {key: each.platform for key, each in allowed.components.items() if key not in said.of(_Entity)}
    assert set(removed.values()) == {"camera", "switch", "select", "number", "button"}
    assert not [each for each in allowed.components.values() if isinstance(each, _Removed)]


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        (HomeAssistantSettings(enabled=True, pictures=True), {_Camera}),
        (HomeAssistantSettings(enabled=True, control=True), {_Switch, _Select, _Number, _Button}),
    ],
)
def test_pictures_and_control_are_allowed_apart(settings: HomeAssistantSettings, kinds: set[type]) -> None:
    said = told(EVERYTHING, settings)
    assert {type(each) for each in said.components.values()} == {_BinarySensor, _Sensor, _Removed, *kinds}


def test_each_zone_of_motion_has_an_entity_that_shows_whether_something_moves_in_it() -> None:
    components = told(Equipment(zones=("door", "back-yard"))).of(_BinarySensor)
    assert {components["motion_door"].name, components["motion_back-yard"].name} == {"Motion door", "Motion back-yard"}
    state = RobotState()
    state.update(motion={"door": False, "back-yard": True})
    payload = state_message(state).decode()
    assert [rendered(components[f"motion_{zone}"].value_template, payload) for zone in ("door", "back-yard")] == [
        "OFF",
        "ON",
    ]


def test_each_camera_after_the_first_has_entities_of_its_own() -> None:
    said, payload = told(EVERYTHING, ALL), state_message(everything_on()).decode()
    for kind, prefix in ((_BinarySensor, ""), (_Switch, "set_")):
        shown = {
            key: rendered(each.value_template, payload)
            for key, each in said.of(kind).items()
            if key.startswith(f"{prefix}camera")
        }
        cameras = ("camera", "camera_rear", "camera_left-side")
        assert shown == dict(zip((prefix + each for each in cameras), ("OFF", "ON", "OFF"), strict=True))
    assert {key: each.topic for key, each in said.of(_Camera).items()} == {
        "picture_camera": "robot-node/robot-1/picture/camera",
        "picture_camera_rear": "robot-node/robot-1/picture/camera_rear",
        "picture_camera_left-side": "robot-node/robot-1/picture/camera_left-side",
    }


def test_a_picture_is_available_only_while_the_robot_is_there_and_its_camera_is_on() -> None:
    cameras = told(EVERYTHING, ALL).of(_Camera)
    here, captures = cameras["picture_camera_rear"].availability
    assert cameras["picture_camera_rear"].availability_mode == "all"
    assert (here.topic, captures.topic) == (PRESENCE, "robot-node/robot-1/state")
    state = everything_on()
    assert rendered(captures.value_template, state_message(state).decode()) == "online"
    assert rendered(captures.value_template, "") == "offline"
    state.update(cameras={"rear": CameraView(CameraState.STOPPING), "left-side": CameraView()})
    assert rendered(captures.value_template, state_message(state).decode()) == "offline"


def test_what_acts_shows_the_same_as_what_shows() -> None:
    said, payload = told(EVERYTHING, ALL), state_message(everything_on()).decode()
    acting = said.of(_Acting)
    assert {key: rendered(each.value_template, payload) for key, each in acting.items()} == {
        "set_camera": "OFF",
        "set_camera_rear": "ON",
        "set_camera_left-side": "OFF",
        "set_emotion": "neutral",
        "set_volume": "40",
        "set_muted": "OFF",
    }
    for key, each in {**acting, **said.of(_Button)}.items():
        assert each.command_topic == f"robot-node/robot-1/set/{key.removeprefix('set_')}"
    assert said.components["set_emotion"].options == ["happy", "sad"]  # type: ignore[union-attr]  # a select


def test_whether_it_is_online_is_told_by_its_presence_and_the_rest_is_unavailable_without_it() -> None:
    components = told(EVERYTHING, ALL).of(_Entity)
    online = components.pop("online")
    assert (online.state_topic, online.availability) == (PRESENCE, None)
    for entity in components.values():
        assert getattr(entity, "state_topic", None) is None  # that of the device
        available = entity.availability if isinstance(entity.availability, list) else [entity.availability]
        assert available[0].topic == PRESENCE


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
        for entity in told().of(_WithState).values()
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
    values = []
    for name, entity in told().of(_WithState).items():
        values.append(rendered(entity.value_template, {"online": presence}.get(name, state)))
        if entity.availability is not None:
            available = rendered(entity.availability.value_template, presence)
            assert available == ("online" if presence else "offline")
    assert " ".join(values) == shown


@pytest.mark.parametrize("prefix", ["", "/homeassistant", "home+", "home/#", "$home"])
def test_a_prefix_that_is_no_topic_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match=r"home_assistant\.prefix"):
        load_settings(None, {"home_assistant": {"prefix": prefix}})


@pytest.mark.parametrize("client_id", ["", "home/assistant", "home+", "#"])
def test_a_client_id_that_no_client_can_have_is_refused(client_id: str) -> None:
    with pytest.raises(SettingsError, match=r"home_assistant\.client_id"):
        load_settings(None, {"home_assistant": {"client_id": client_id}})


def test_a_robot_is_not_shown_and_removed_at_once() -> None:
    with pytest.raises(SettingsError, match="set enabled to false"):
        load_settings(None, {"home_assistant": {"enabled": True, "remove": True}})
    assert HomeAssistantSettings() == HomeAssistantSettings(enabled=False, remove=False)
