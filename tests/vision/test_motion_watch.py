"""The watch: from the camera's pictures to the robot's state, its events, and the picture of the last motion."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import sys
import threading
from contextlib import AsyncExitStack

import numpy as np
import pytest
from PIL import Image

from benchmarks._motion_scenes import RATE, SHOTS, Picture, frames_of, played
from hw_mocks.platform import simulated_platform
from robot_node.core.state import CameraState, RobotState
from robot_node.devices.board import BoardReadings
from robot_node.robot.monitoring.figures import figures_of
from robot_node.robot.monitoring.metrics import RobotCollector
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.root import Settings
from robot_node.settings.vision import MotionSettings
from robot_node.vision.factory import build_vision
from robot_node.vision.motion import MotionDetector
from robot_node.vision.pictures import NewestPicture, PictureFeed, jpeg_of
from tests.vision.footage_camera import FootageCamera, raw, watched_robot
from tests.waiting import eventually

STILL_S = 8


def _walk() -> list[Picture]:
    """Still for 8 s, somebody passes, still again."""
    return played(SHOTS["walker"], rounds=1).pictures


async def test_motion_is_in_the_state_in_the_events_and_in_a_picture() -> None:
    async with watched_robot() as robot:
        assert robot.state.snapshot.motion == {"picture": False}
        assert robot.camera.rate == 5
        await robot.show(_walk()[: STILL_S * RATE + 8])
        await eventually(lambda: robot.state.snapshot.motion == {"picture": True})
        await robot.show(_walk()[STILL_S * RATE + 8 :])
        await eventually(lambda: robot.state.snapshot.motion == {"picture": False})
        assert robot.motions() == ["Motion began in picture.", "Motion ended in picture."]
        assert [event.device for event in robot.events.after() if event.kind == "motion"] == ["picture"] * 2
        picture = robot.watch.picture
        assert picture is not None
        assert picture.zones == ("picture",)
        jpeg = await picture.jpeg()
    seen = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"), np.int16)
    differences = [np.abs(seen - picture).mean() for picture in _walk()]
    most = int(np.argmin(differences))
    assert differences[most] < 4
    assert STILL_S * RATE <= most < STILL_S * RATE + 12, "the picture shows the passer-by"
    assert robot.announced == [True, True], "when it begins, and the best one when it has ended"


async def test_privacy_empties_the_picture_at_once_and_ends_motion() -> None:
    async with watched_robot() as robot:
        await robot.show(_walk()[: STILL_S * RATE + 8])
        await eventually(lambda: robot.watch.picture)
        robot.state.update(privacy=True, camera=CameraState.STOPPING)
        assert robot.watch.picture is None, "in the same step"
        assert robot.announced[-1] is False
        await eventually(lambda: robot.state.snapshot.motion == {"picture": False})
        for picture in _walk()[STILL_S * RATE :]:  # what was under way
            robot.camera.show(picture)
            await asyncio.sleep(0)
        assert robot.watch.picture is None
        assert robot.motions()[-1] == "Motion ended in picture."


async def test_a_camera_that_comes_back_with_another_view_is_no_motion() -> None:
    async with watched_robot() as robot:
        await robot.show(_walk()[:30])
        robot.state.update(camera=CameraState.OFF)
        for _ in range(3):
            await asyncio.sleep(0)
        robot.state.update(camera=CameraState.ON)
        await robot.show([frames_of("bikes.mp4")[137]] * 30)
        assert robot.motions() == []


async def test_what_the_camera_sees_while_the_robot_moves_is_no_motion() -> None:
    wall = frames_of("bikes.mp4")[230]
    async with watched_robot() as robot:
        await robot.show([wall] * 30)
        robot.moves = True
        await robot.show([np.roll(wall, 9 * index, axis=1) for index in range(10)])
        robot.moves = False
        await robot.show([np.roll(wall, 90, axis=1)] * 20)
        assert robot.motions() == []
        await robot.show([np.roll(wall, 9 * index, axis=1) for index in range(10, 20)])
        await eventually(lambda: robot.motions() == ["Motion began in picture."])


async def test_the_watch_gives_the_camera_back_at_its_end_and_no_thread_is_left() -> None:
    async with watched_robot(keeps_camera_on=True) as robot:
        assert robot.camera.keeps_on
        await robot.show(_walk()[:3])
        assert "motion" in {thread.name for thread in threading.enumerate()}
    assert (robot.camera.sink, robot.camera.rate) == (None, None)
    await eventually(lambda: "motion" not in {thread.name for thread in threading.enumerate()})


async def test_without_numpy_there_is_a_fault_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = frames_of("bikes.mp4")[230]
    for name in ("motion", "background", "zones"):
        monkeypatch.delitem(sys.modules, f"robot_node.vision.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    async with watched_robot() as robot:
        robot.camera.show(wall)
        await eventually(lambda: "install numpy" in robot.state.snapshot.fault("motion"))
        await eventually(lambda: robot.camera.rate is None)


async def test_a_picture_that_was_not_taken_is_replaced_by_a_newer_one() -> None:
    pictures, woken = NewestPicture(rate=5), list[object]()
    pictures.listen(woken.append)
    wall = frames_of("bikes.mp4")[230]
    for index in range(3):
        pictures.put(raw(wall, index))
    await asyncio.sleep(0)
    newest = pictures.take()
    assert newest is not None
    assert newest.timestamp_us == 400_000
    assert pictures.take() is None
    assert len(woken) == 1


async def test_pictures_that_come_faster_than_needed_are_left_out() -> None:
    pictures, wall = NewestPicture(rate=1), frames_of("bikes.mp4")[230]
    taken = []
    for index in range(11):
        pictures.put(raw(wall, index))
        if (picture := pictures.take()) is not None:
            taken.append(picture.timestamp_us / 1e6)
    assert taken == pytest.approx([0.0, 0.8, 1.6])


def test_a_picture_as_jpeg_has_the_colours_of_the_camera() -> None:
    frame = raw(np.full((20, 40), 255, np.uint8), 0)
    planes = bytearray(frame.planes)
    planes[frame.stride * 20 + frame.stride // 2 * 10 :] = bytes([240]) * (frame.stride // 2 * 10)  # V: red
    red = type(frame)(bytes(planes), frame.width, frame.height, frame.stride, 0)
    with Image.open(io.BytesIO(jpeg_of(red))) as image:
        assert image.size == (40, 20)
        r, g, b = image.convert("RGB").getpixel((20, 10))  # type: ignore[misc]  # an RGB image has three
    assert r > 250
    assert g < 200
    assert b > 230
    with Image.open(io.BytesIO(jpeg_of(frame))) as image:
        assert image.convert("RGB").getpixel((20, 10)) == (255, 255, 255)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_camera_has_its_zones_and_its_pictures_as_people_see_them(rotation: int) -> None:
    right = MotionSettings.model_validate({"zones": {"right": {"rectangle": [0.5, 0.0, 1.0, 1.0]}}})
    detector, areas = MotionDetector(right), []
    for index in range(30):
        upright = np.full((180, 320), 60, np.uint8)
        if index >= 20:
            upright[40:100, 220 + index : 260 + index] = 220
        seen = np.ascontiguousarray(np.rot90(upright, rotation // 90))  # how the camera is mounted
        frame = dataclasses.replace(raw(seen, index), rotation=rotation)
        areas.append(detector.look(frame).area["right"])
    assert max(areas[:20]) == 0
    assert max(areas) == pytest.approx(60 * 40 / (180 * 320), abs=0.02)
    with Image.open(io.BytesIO(jpeg_of(frame))) as image:
        shown = np.asarray(image.convert("L"), np.int16)
    assert np.abs(shown - upright).mean() < 3


def test_each_zone_is_in_the_metrics_of_a_robot_that_looks_for_motion() -> None:
    def metrics(telemetry: Telemetry) -> dict[str, float]:
        figures = figures_of(telemetry, BoardReadings(), "robot-1")
        samples = [sample for metric in RobotCollector(lambda: figures).collect() for sample in metric.samples]
        return {sample.labels["zone"]: sample.value for sample in samples if sample.name == "robot_node_motion"}

    telemetry = Telemetry()
    assert metrics(telemetry) == {}
    telemetry.state.update(motion={"door": True, "path": False})
    assert metrics(telemetry) == {"door": 1, "path": 0}


async def test_a_robot_that_looks_for_nothing_gets_nothing() -> None:
    camera, state = FootageCamera(), RobotState()
    async with AsyncExitStack() as devices:
        platform = simulated_platform().platform
        vision = await build_vision(Settings(), PictureFeed(camera), state, platform, devices, moving=lambda: False)
    assert vision.services() == {}
    assert (camera.sink, camera.rate, dict(state.snapshot.motion)) == (None, None, {})
