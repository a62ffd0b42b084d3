"""Import paths of the previous release: they still work, and say where to go."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import pytest

import robot_node
from robot_node import deprecated, plugin
from robot_node.speech.recognition_engine import RecognitionOptions

_FOLDER = Path(deprecated.__file__).parent
OLD_PATHS = sorted(
    ".".join(file.relative_to(_FOLDER).with_suffix("").parts)
    for file in _FOLDER.rglob("*.py")
    if file.name != "__init__.py"
)


@pytest.mark.parametrize("old", OLD_PATHS)
def test_a_moved_path_works_and_warns(old: str) -> None:
    sys.modules.pop(f"robot_node.{old}", None)
    with pytest.warns(DeprecationWarning, match=rf"^robot_node\.{old} is (\S+) now") as warned:
        moved = importlib.import_module(f"robot_node.{old}")
    new = importlib.import_module(str(warned[0].message).split()[2])
    public = {name for name in vars(new) if not name.startswith("_")}
    assert {name for name in public if vars(moved).get(name) is not vars(new)[name]} <= {"annotations"}


def test_the_paths_that_the_previous_release_documented_are_there() -> None:
    documented = {"tool_errors", "device_settings", "hearing.engine", "voice.engine", "voice.waveform"}
    assert documented <= set(OLD_PATHS)
    for path in ("mqtt", "errors", "mcp_mqtt.client", "mcp_mqtt.server", "mcp_mqtt.presence", "mcp_mqtt.access"):
        importlib.import_module(f"robot_node.{path}")
    assert str(_FOLDER) in list(robot_node.__path__)


def test_a_recognition_engine_of_the_previous_release_finds_its_options() -> None:
    with warnings.catch_warnings(action="ignore"):
        engine = importlib.import_module("robot_node.hearing.engine")
    assert engine.Wanted is RecognitionOptions


def test_a_plugin_finds_all_names_in_one_place() -> None:
    for name in plugin.__all__:
        assert hasattr(plugin, name), name
    assert {"DevicePlugin", "DeviceContext", "DeviceWorker", "readable_errors", "RobotState"} <= set(plugin.__all__)
