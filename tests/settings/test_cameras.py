"""Several cameras in the settings: each has from [camera] what it does not set itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from robot_node.errors import SettingsError
from robot_node.settings.loading import load_settings
from robot_node.settings.root import Settings

SEVERAL = """\
[camera]
width = 640
frame_rate = 15

[cameras.rear]
number = 1
frame_rate = 5

[cameras.front]
"""


def load(folder: Path, text: str) -> Settings:
    """The settings of a file with that text."""
    file = folder / "robot.toml"
    file.write_text(text)
    return load_settings(file)


def test_without_a_table_there_is_one_camera_as_ever(tmp_path: Path) -> None:
    settings = load(tmp_path, "[camera]\nwidth = 640\n")
    assert settings.all_cameras() == {"camera": settings.camera}
    assert settings.camera.width == 640


def test_each_has_from_camera_what_it_does_not_set_and_the_first_in_the_file_comes_first(tmp_path: Path) -> None:
    cameras = load(tmp_path, SEVERAL).all_cameras()
    assert list(cameras) == ["rear", "front"]
    found = [(each.number, each.width, each.frame_rate, each.height) for each in cameras.values()]
    assert found == [(1, 640, 5, 720), (0, 640, 15, 720)]


def test_a_control_of_a_camera_replaces_the_inherited_ones_that_it_excludes(tmp_path: Path) -> None:
    text = '[camera.controls]\nfocus = "once"\ngain = 2\n[cameras.a]\n[cameras.b]\nnumber = 1\n'
    cameras = load(tmp_path, text + "controls.focus_dioptres = 0.5\n").all_cameras()
    found = [(each.controls.focus, each.controls.focus_dioptres, each.controls.gain) for each in cameras.values()]
    assert found == [("once", None, 2), (None, 0.5, 2)]


def test_the_environment_sets_one_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_NODE_CAMERAS__FRONT__WIDTH", "320")
    monkeypatch.setenv("ROBOT_NODE_CAMERAS__REAR__NUMBER", "2")
    monkeypatch.setenv("ROBOT_NODE_CAMERA__HEIGHT", "240")
    cameras = load(tmp_path, SEVERAL).all_cameras()
    found = {name: (each.number, each.width, each.height) for name, each in cameras.items()}
    assert found == {"rear": (2, 640, 240), "front": (0, 320, 240)}


def test_cameras_of_several_kinds_are_told_apart_by_what_names_them(tmp_path: Path) -> None:
    text = '[cameras.a]\n[cameras.b]\ndriver = "v4l2"\n[cameras.c]\ndriver = "v4l2"\ndevice = "/dev/video4"\n'
    assert [each.device for each in load(tmp_path, text).all_cameras().values()] == ["auto", "auto", "/dev/video4"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[cameras.a]\n[cameras.b]\n", "cameras.b.number: is 0, which is the camera 'a': each camera has its own."),
        (
            '[camera]\ndriver = "v4l2"\ndevice = "/dev/video0"\n[cameras.a]\n[cameras.b]\nnumber = 1\n',
            "cameras.b.device: is /dev/video0, which is the camera 'a': each camera has its own.",
        ),
        ("[cameras.a]\nwidht = 64\n", "cameras.a.widht: there is no such setting; did you mean width?"),
        ("[camera]\nwidth = 2\n[cameras.a]\n", "camera.width: Input should be greater than or equal to 64."),
        ("[cameras.a]\nwidth = 2\n", "cameras.a.width: Input should be greater than or equal to 64."),
        ("[cameras.A]\n", "cameras.A: its name: String should match pattern"),
        ("[cameras.a__b]\n", "cameras.a__b: its name: String should match pattern"),
        ("[cameras]\na = 1\n", "cameras.a: Input should be a valid dictionary or instance of CameraSettings."),
    ],
)
def test_what_is_wrong_is_named_once_as_it_stands_in_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert f"Wrong settings: settings file {tmp_path}/robot.toml: {complaint}" in str(caught.value)
