"""Time-lapse photos: when they are taken, and when they are not."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from hw_mocks.platform import simulated_platform
from robot_node.core.state import CameraState, RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.robot.recording.library import Library, Limits
from robot_node.robot.recording.timelapse import FAULT, Timelapse
from robot_node.settings.devices import CameraSettings
from robot_node.settings.recording import TimelapseSettings
from tests.waiting import eventually


@dataclass
class Lapse:
    """A time-lapse under test, whose clock stands still."""

    timelapse: Timelapse
    camera: Camera
    state: RobotState
    now: list[dt.datetime]


@asynccontextmanager
async def lapse(
    folder: Path, *, max_bytes: int = 10**9, switches_on: bool = False, **settings: Any
) -> AsyncIterator[Lapse]:
    state, now = RobotState(), [dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)]
    camera = Camera(
        simulated_platform(scene="clock").platform,
        CameraSettings(width=160, height=120, photo_switches_on=switches_on),
        state,
    )
    library = Library(folder, Limits(max_bytes, None, 0), prefix="timelapse", suffix=".jpg")
    timelapse = Timelapse(TimelapseSettings(**settings), camera, library, state, now=lambda: now[0])
    try:
        yield Lapse(timelapse, camera, state, now)
    finally:
        await camera.close()


async def test_photos_are_taken_while_the_camera_is_on_and_between_its_times(tmp_path: Path) -> None:
    async with lapse(tmp_path, every_s=60, between="07:00-19:00") as it:
        assert await it.timelapse.take() == "", "the camera is off, and stays off"
        assert it.state.snapshot.camera is CameraState.OFF
        await it.camera.start()
        assert await it.timelapse.take() == "timelapse-20261128-120000-000.jpg"
        with Image.open(tmp_path / "timelapse-20261128-120000-000.jpg") as photo:
            assert photo.size == (160, 120)
        it.now[0] += dt.timedelta(hours=7)
        assert await it.timelapse.take() == ""


async def test_a_camera_that_may_switch_itself_on_does_so_for_a_photo(tmp_path: Path) -> None:
    async with lapse(tmp_path, switches_on=True, every_s=60) as it:
        assert await it.timelapse.take()
        await eventually(lambda: it.state.snapshot.camera is CameraState.OFF)


async def test_the_oldest_photos_go_and_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    async with lapse(tmp_path / "photos", max_bytes=1, every_s=60) as it:
        await it.camera.start()
        names = []
        for _ in range(3):
            names.append(await it.timelapse.take())
            it.now[0] += dt.timedelta(minutes=1)
        assert [path.name for path in (tmp_path / "photos").glob("*")] == names[-1:], "the last one, until the next"
        (tmp_path / "photos" / names[-1]).unlink()
        (tmp_path / "photos").rmdir()
        (tmp_path / "photos").write_text("")
        assert await it.timelapse.take() == ""
        assert "No time-lapse photo" in it.state.snapshot.fault(FAULT)
        (tmp_path / "photos").unlink()
        assert await it.timelapse.take()
        assert not it.state.snapshot.fault(FAULT)


async def test_it_runs_on_its_schedule(tmp_path: Path) -> None:
    async with lapse(tmp_path, every_s=0.05) as it:
        await it.camera.start()
        running = asyncio.create_task(it.timelapse.run(), name="time-lapse")

        def another() -> bool:
            it.now[0] += dt.timedelta(seconds=1)
            return len(list(tmp_path.glob("timelapse-*.jpg"))) >= 3

        await eventually(another)
        running.cancel()
        await asyncio.wait([running])
