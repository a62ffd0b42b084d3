"""The camera's controls over a restart: kept where the settings wish it, and bounded by what a file may hold."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.robot.robot import Robot
from robot_node.robot.saved_state import SavedState, dump, parse
from robot_node.settings.camera_controls import CameraControls
from robot_node.settings.root import Settings


async def robot(folder: Path, devices: AsyncExitStack, **sections: Any) -> Robot:
    """A robot with its state file, not running."""
    tables = {"display": {"driver": "none"}, "robot": {"state_file": folder / "state.json"}, **sections}
    platform = simulated_platform(scene="clock", cameras=2).platform
    return await daemon.build_robot(Settings.model_validate(tables), platform, devices)


@pytest.mark.parametrize("keep", [True, False])
async def test_what_was_set_stays_over_a_restart_if_wished(keep: bool, tmp_path: Path) -> None:
    camera = {"keep_controls": keep, "rotate": 180, "controls": {"contrast": 2}}
    async with AsyncExitStack() as devices:
        it = await robot(tmp_path, devices, camera=camera)
        await it.camera.controls.set({"rotate": 0, "zoom": 2.0, "contrast": None})
    async with AsyncExitStack() as devices:
        it = await robot(tmp_path, devices, camera=camera)
        expected = CameraControls(zoom=2) if keep else CameraControls(rotate=180, contrast=2)
        assert it.camera.controls.now == expected


async def test_each_of_several_cameras_has_its_own(tmp_path: Path) -> None:
    cameras = {"front": {"keep_controls": True}, "rear": {"number": 1, "keep_controls": True}}
    async with AsyncExitStack() as devices:
        it = await robot(tmp_path, devices, cameras=cameras)
        await it.cameras["rear"].controls.set({"zoom": 3.0})
        await it.cameras["front"].controls.set({"zoom": 2.0})
    async with AsyncExitStack() as devices:
        it = await robot(tmp_path, devices, cameras=cameras)
        assert [camera.controls.now.zoom for camera in it.cameras.values()] == [2, 3]


async def test_controls_that_cannot_be_used_any_more_are_logged_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state.json").write_bytes(dump(SavedState(controls={"": {"zoom": 2, "warp": 9}})))
    async with AsyncExitStack() as devices:
        it = await robot(tmp_path, devices, camera={"keep_controls": True})
        assert it.camera.controls.now == CameraControls()
    assert "There is no control 'warp'" in caplog.text


def test_a_file_holds_all_controls_of_several_cameras() -> None:
    everything = dict.fromkeys(CameraControls.model_fields, 0.123456789)
    saved = SavedState(controls={f"camera {number}": everything for number in range(8)})
    assert parse(dump(saved)) == saved
