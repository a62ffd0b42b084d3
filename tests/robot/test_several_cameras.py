"""What several cameras leave behind: figures for monitoring, and what is saved over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from robot_node.core.state import CameraState, CameraView, RobotState
from robot_node.devices.board import BoardReadings
from robot_node.robot.monitoring.figures import Figures, figures_of
from robot_node.robot.monitoring.metrics import RobotCollector
from robot_node.robot.saved_state import SavedState, camera_comes_on, dump, parse
from robot_node.robot.state_store import StateStore
from robot_node.robot.telemetry import Telemetry


def seen(telemetry: Telemetry) -> Figures:
    """The figures, as a reader of the health message gets them."""
    return Figures.model_validate_json(figures_of(telemetry, BoardReadings(), "robot").model_dump_json())


def metrics(figures: Figures) -> list[str]:
    """The samples of the camera's state that are 1."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RobotCollector(lambda: figures))
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if line.startswith("robot_node_camera_state") and line.endswith(" 1.0")]


def state_of(**wanted: bool | None) -> RobotState:
    """A robot whose cameras somebody has switched on, or off, or neither."""
    (first, its), *others = wanted.items()
    state = RobotState()
    state.update(
        first_camera=first, camera_wanted=its, cameras={name: CameraView(wanted=each) for name, each in others}
    )
    return state


def test_the_figures_tell_the_state_of_each() -> None:
    telemetry = Telemetry()
    telemetry.state.update(first_camera="front", cameras={"rear": CameraView(CameraState.ON)})
    figures = seen(telemetry)
    assert figures.model_dump(mode="json")["state"]["cameras"] == {"front": "off", "rear": "on"}
    assert metrics(figures) == [
        'robot_node_camera_state{camera="front",state="off"} 1.0',
        'robot_node_camera_state{camera="rear",state="on"} 1.0',
    ]


def test_of_an_only_camera_they_are_as_ever() -> None:
    figures = seen(Telemetry())
    assert "cameras" not in figures.model_dump(mode="json")["state"]
    assert metrics(figures) == ['robot_node_camera_state{state="off"} 1.0']


def test_what_is_saved_belongs_to_a_name_wherever_its_table_stands_after_the_restart() -> None:
    now = state_of(front=False, rear=True, side=None).snapshot
    saved = parse(dump(SavedState.of(now, defaults=RobotState().snapshot)))
    wanted = {name: saved.camera_wanted(name, first=name == "side") for name in ("side", "rear", "front")}
    assert wanted == {"side": None, "rear": True, "front": False}


@pytest.mark.parametrize("before", [b'{"version": 1, "camera": true}\n'])
def test_a_robot_that_gets_more_cameras_keeps_what_was_saved_of_its_only_one(before: bytes) -> None:
    saved = parse(before)
    assert (saved.camera_wanted("front", first=True), saved.camera_wanted("rear", first=False)) == (True, None)


async def test_a_file_that_cannot_be_read_keeps_all_of_them_off(tmp_path: Path) -> None:
    (file := tmp_path / "state.json").write_bytes(b"{")
    saved = await StateStore(file, state_of(front=None, rear=None)).load()
    for name in ("front", "rear"):
        wanted = saved.camera_wanted(name, first=name == "front")
        assert not camera_comes_on(wanted, on_at_start=True, on_after_restart=True)
