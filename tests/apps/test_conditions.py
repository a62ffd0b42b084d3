"""Conditions on robots: what ``--where`` and ``--name`` match."""

from __future__ import annotations

from typing import Any

import pytest

from robot_node.apps.conditions import missing_names, name_matches, parse_condition, value_of
from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.presence import OnlineServer

ROBOT = OnlineServer("robot-1", "lab/one", "A robot.", {"version": "0.10.2"})
STATUS: dict[str, Any] = {
    "camera": "on",
    "camera_error": "",
    "privacy": False,
    "recording": None,
    "viewers": 2,
    "outputs": {"lamp": True, "left.arm": 20.0},
    "faults": {"display": "Nobody answers.", "voice": "No model."},
    "detected": ["person", "cat"],
    "motion": {},
    "versions": {"robot-node": "0.3.0rc1", "luma.oled": "3.13"},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("camera=on", True),
        ("camera = ON", True),
        ("camera=o*", True),
        ("camera=off", False),
        ("camera!=off", True),
        ("camera_error=none", True),
        ("camera_error=", True),
        ("camera_error!=none", False),
        ("privacy=false", True),
        ("privacy=off", True),
        ("privacy=yes", False),
        ("recording=none", True),
        ("recording=false", False),
        ("recording=*", True),
        ("viewers=2", True),
        ("viewers=2.0", True),
        ("viewers>1", True),
        ("viewers<2", False),
        ("viewers<=2", True),
        ("viewers>=3", False),
        ("privacy>=0", False),
        ("camera>0", False),
        ("outputs.lamp=on", True),
        ("outputs.left.arm>=20", True),
        ("outputs.nothing=none", True),
        ("faults=display", True),
        ("faults=dis*", True),
        ("faults=camera", False),
        ("faults!=display", False),
        ("faults!=none", True),
        ("faults>1", True),
        ("detected=CAT", True),
        ("detected!=dog", True),
        ("motion=none", True),
        ("motion=", True),
        ("motion!=none", False),
        ("versions.luma.oled>3.9", True),
        ("version=0.10.*", True),
        ("version>0.9", True),
        ("version<0.10.2", False),
        ("version<=0.10.2.0", True),
        ("server_name=lab/*", True),
        ("server_id=robot-2", False),
        ("description=*robot*", True),
    ],
)
def test_a_condition_holds_or_not(text: str, *, holds: bool) -> None:
    condition = parse_condition(text)
    assert condition.holds(value_of(condition.field, ROBOT, STATUS)) is holds


def test_a_robot_without_a_version_in_its_presence_has_that_of_its_status() -> None:
    silent = OnlineServer("robot-1", "lab/one")
    assert value_of("version", silent, None) is None
    assert value_of("version", silent, STATUS) == "0.3.0rc1"
    assert parse_condition("version<0.4").holds("0.3.0rc1")
    assert not parse_condition("version<0.4").holds("9" * 10_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("camra=on", "Robots have no field camra. Fields: server_id, server_name, description, version, "),
        ("camra=on", ", faults, "),
        ("camera", "'camera' is no condition. Write FIELD=PATTERN"),
        ("=on", "'=on' is no condition."),
        ("viewers>many", "'many' in 'viewers>many' is no number. Compare texts with viewers=PATTERN."),
    ],
)
def test_what_is_no_condition_is_refused_with_what_would_be_one(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_condition(text)
    assert says in str(refused.value)


def test_names_are_patterns_for_ids_and_names() -> None:
    assert name_matches([], ROBOT)
    assert name_matches(["lab/*"], ROBOT)
    assert name_matches(["hall/*", "robot-?"], ROBOT)
    assert not name_matches(["lab"], ROBOT)
    assert missing_names(["lab/one", "robot-1", "robot-2", "hall/*", "robot-2"], [ROBOT]) == ("robot-2",)
