"""The folder of the clips: its limits, on a disk that fills, and whose files are left alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from robot_node.errors import ArgumentError, SettingsError
from robot_node.robot.recording.factory import folder_of
from robot_node.robot.recording.library import Library, Limits, NoSpaceError

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
CAPACITY = 10_000_000


def library(folder: Path, *, max_bytes: int = 10**9, days: float | None = None, free: int = 0) -> Library:
    """A library on a disk of 10 MB that has nothing else on it but ``other.bin``."""

    def free_bytes(of: Path) -> int:
        return CAPACITY - sum(file.stat().st_size for file in of.glob("*") if file.is_file())

    age = None if days is None else timedelta(days=days)
    return Library(folder, Limits(max_bytes, age, free), free_bytes=free_bytes, now=lambda: NOW)


def put(of: Library, hours_ago: float, size: int = 1_000_000) -> str:
    name = of.name_for(NOW - timedelta(hours=hours_ago))
    descriptor = of.create(name)
    os.write(descriptor, bytes(size))
    os.close(descriptor)
    return name


def test_the_oldest_go_when_all_together_are_too_large(tmp_path: Path) -> None:
    clips = library(tmp_path, max_bytes=3_000_000)
    names = [put(clips, hours) for hours in (5, 4, 3, 2, 1)]
    assert clips.make_room() == tuple(names[:2])
    assert [file.name for file in clips.files()] == names[2:]


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    clips = library(tmp_path, days=1)
    old, _ = put(clips, 25), put(clips, 23)
    assert clips.make_room() == (old,)


def test_a_disk_that_fills_up_loses_the_oldest_and_then_says_so(tmp_path: Path) -> None:
    clips = library(tmp_path, free=2_000_000)
    names = [put(clips, hours) for hours in (3, 2, 1)]
    (tmp_path / "other.bin").write_bytes(bytes(6_000_000))
    assert clips.make_room() == tuple(names[:1])
    (tmp_path / "other.bin").write_bytes(bytes(9_000_000))
    with pytest.raises(NoSpaceError, match="less than 2 MB free"):
        clips.make_room()
    assert clips.files() == ()
    assert (tmp_path / "other.bin").exists()


def test_a_clip_that_is_being_written_stays(tmp_path: Path) -> None:
    clips = library(tmp_path, max_bytes=1_500_000, days=1)
    written, newer = put(clips, 48, 1_200_000), put(clips, 1)
    assert clips.make_room(keep=written) == (newer,)
    with pytest.raises(NoSpaceError, match="larger than the 1 MB"):
        library(tmp_path, max_bytes=1_100_000).make_room(keep=written)


def test_what_is_not_ours_is_neither_listed_nor_read_nor_deleted(tmp_path: Path) -> None:
    clips = library(tmp_path / "clips", max_bytes=0, days=0, free=CAPACITY)
    mine = put(clips, 1)
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"precious")
    others = [
        "holiday.mp4",
        "clip-.mp4",
        "clip-20261128-110000-000.mp4.bak",
        "clip-20269999-110000-000.mp4",
        mine.upper(),
    ]
    for name in others:
        (clips.folder / name).write_bytes(b"precious")
    link = "clip-20261128-110000-001.mp4"
    (clips.folder / link).symlink_to(outside)
    folder = "clip-20261128-110000-002.mp4"
    (clips.folder / folder).mkdir()
    pipe = "clip-20261128-110000-003.mp4"
    os.mkfifo(clips.folder / pipe)
    assert [file.name for file in clips.files()] == [mine]
    with pytest.raises(NoSpaceError):
        clips.make_room()
    left = {file.name for file in clips.folder.iterdir()}
    assert left == {*others, link, folder, pipe}
    for name in (*others, link, folder, pipe, "../outside.mp4", "", mine):
        with pytest.raises(ArgumentError, match="There is no recording"):
            clips.open(name)
    assert outside.read_bytes() == b"precious"


def test_a_folder_that_does_not_exist_is_empty_and_made_for_the_robot_alone(tmp_path: Path) -> None:
    clips = library(tmp_path / "a" / "b")
    assert clips.files() == ()
    assert clips.make_room() == ()
    name = put(clips, 1, 3)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0
    assert (tmp_path / "a" / "b" / name).stat().st_mode & 0o077 == 0
    with clips.open(name) as file:
        file.seek(1)
        assert file.read() == bytes(2)
    with pytest.raises(FileExistsError):
        clips.create(name)


def test_without_a_setting_the_folder_is_in_that_of_the_service() -> None:
    service = {"STATE_DIRECTORY": "/var/lib/robot-node:/other"}
    assert folder_of("recording", None, "clips", service) == Path("/var/lib/robot-node/clips")
    assert folder_of("recording", Path("/media/clips"), "clips", service) == Path("/media/clips")
    with pytest.raises(SettingsError, match=r"recording\.folder: there is no folder"):
        folder_of("recording", None, "clips", {})
