"""The folder for photos never grows beyond its limits."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from robot_node.devices.camera.capture import Photo
from robot_node.devices.camera.photo_folder import PhotoFolder
from robot_node.errors import DeviceError

PHOTO = Photo(b"x" * 1_000, 64, 48)
PLENTY = 10**12


class Picture:
    """A picture whose DNG file has 3000 bytes, or cannot be written."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def photo(self, quality: float) -> Photo:
        raise NotImplementedError

    def save_dng(self, path: Path) -> None:
        path.write_bytes(b"y" * 3_000)
        if self._error is not None:
            raise self._error

    def release(self) -> None:
        raise NotImplementedError


def folder_at(path: Path, max_bytes: int, *, free: int = PLENTY) -> PhotoFolder:
    """A folder for which it is a second later with each photo."""
    times = (datetime(2026, 11, 28, tzinfo=UTC) + timedelta(seconds=number) for number in range(100))
    return PhotoFolder(path, max_bytes, now=lambda: next(times), free_bytes=lambda _folder: free)


def test_the_oldest_photos_make_room_and_other_files_stay(tmp_path: Path) -> None:
    folder = folder_at(tmp_path, 10_000)
    own = tmp_path / "holiday.jpg"
    own.write_bytes(b"z" * 50_000)
    unfinished = tmp_path / "photo-20200101-000000-000000.dng.part"
    unfinished.write_bytes(b"z" * 2_000)
    stored = [folder.store(Picture(), PHOTO) for _ in range(4)]
    left = sorted(tmp_path.iterdir())
    assert sum(path.stat().st_size for path in left if path != own) <= 10_000
    assert own in left
    assert unfinished not in left, "of a power cut"
    assert set(stored[-1]) <= set(left)
    assert stored[0][0] not in left


@pytest.mark.parametrize(("max_bytes", "free"), [(3_999, PLENTY), (10_000, 1_000_000)])
def test_without_room_nothing_is_left_of_the_photo(tmp_path: Path, max_bytes: int, free: int) -> None:
    with pytest.raises(DeviceError, match="no room for the photo") as refused:
        folder_at(tmp_path, max_bytes, free=free).store(Picture(), PHOTO)
    assert "camera.photo_folder_mb" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), DeviceError("No raw data.")])
def test_a_photo_that_cannot_be_written_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(DeviceError, match=r"No space left on device|No raw data"):
        folder_at(tmp_path, 10_000).store(Picture(error), PHOTO)
    assert list(tmp_path.iterdir()) == []


def test_two_photos_at_once_do_not_delete_each_other(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "photos", 4_500)
    overlap = threading.Event()

    class Second(Picture):
        def save_dng(self, path: Path) -> None:
            super().save_dng(path)
            overlap.set()

    class First(Picture):
        def save_dng(self, path: Path) -> None:
            super().save_dng(path)
            others.append(pool.submit(folder.store, Second(), PHOTO))
            assert not overlap.wait(0.1), "the second one waits"

    others: list[Future[tuple[Path, ...]]] = []
    with ThreadPoolExecutor(1) as pool:
        first = folder.store(First(), PHOTO)
    second = others[0].result()
    assert set((tmp_path / "photos").iterdir()) == {*second}, "there is room for one"
    assert not {*first} & {*second}
    assert (tmp_path / "photos").stat().st_mode & 0o077 == 0, "for the robot's user alone"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match=f"cannot be stored in {tmp_path}/file/photos: Not a directory"):
        folder_at(tmp_path / "file" / "photos", 10_000).store(Picture(), PHOTO)
