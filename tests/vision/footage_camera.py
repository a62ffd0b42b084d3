"""A camera that shows known pictures, one by one: the next when the watcher has seen the one before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks._motion_scenes import RATE, SHOTS, Picture, frames_of
from robot_node.core.events import EventLog, record
from robot_node.core.media import RawFrame, RawFrameSink
from robot_node.core.state import CameraState, RobotState
from robot_node.settings.vision import MotionSettings
from robot_node.vision.motion_watch import MotionWatch
from robot_node.vision.pictures import PictureFeed

_FRAME_RATE = 25
_STILL_S = 3


def raw(picture: Picture, index: int) -> RawFrame:
    """A grey picture as the camera delivers it: with a stride, limited range, and no colour."""
    height, width = picture.shape
    rows = np.zeros((height, width + 32), np.uint8)
    rows[:, :width] = 16 + picture.astype(np.float32) * 219 / 255
    colours = np.full(rows.size // 2, 128, np.uint8)
    return RawFrame(rows.tobytes() + colours.tobytes(), width, height, width + 32, round(index * 1e6 / RATE))


@dataclass
class FootageCamera:
    """Delivers pictures while they are asked for."""

    sink: RawFrameSink | None = None
    rate: float | None = None
    keeps_on: bool = False
    shown: int = 0

    def set_small_sink(self, sink: RawFrameSink | None) -> None:
        self.sink = sink

    def set_small_watched(self, rate: float | None, *, keeps_on: bool = False) -> None:
        self.rate, self.keeps_on = rate, keeps_on

    def show(self, picture: Picture) -> None:
        """Show the next picture."""
        assert self.sink is not None
        self.sink(raw(picture, self.shown))
        self.shown += 1


@dataclass
class WatchedRobot:
    """A robot that watches known pictures for motion."""

    camera: FootageCamera
    state: RobotState
    events: EventLog
    watch: MotionWatch
    moves: bool = False
    announced: list[bool] = field(default_factory=list)

    async def show(self, pictures: Iterable[Picture]) -> None:
        """Show pictures at the time that each has, as fast as they are compared."""
        for picture in pictures:
            compared = self.watch.compared
            self.camera.show(picture)
            while self.watch.compared == compared:
                await asyncio.sleep(0.0005)

    def motions(self) -> list[str]:
        """The events of motion."""
        return [event.text for event in self.events.after() if event.kind == "motion"]


@contextlib.asynccontextmanager
async def watched_robot(**settings: object) -> AsyncIterator[WatchedRobot]:
    """Run a watch on a camera that is on."""
    camera, state, events = FootageCamera(), RobotState(), EventLog()
    record(state, events)
    state.update(camera=CameraState.ON)
    watch = MotionWatch(MotionSettings.model_validate(settings), PictureFeed(camera), state, moving=lambda: robot.moves)
    robot = WatchedRobot(camera, state, events, watch)
    watch.on_picture(lambda: robot.announced.append(watch.picture is not None))
    task = asyncio.create_task(watch.run())
    while camera.sink is None:
        await asyncio.sleep(0)
    try:
        yield robot
    finally:
        task.cancel()
        await asyncio.wait({task})


def walker_clip(folder: Path) -> Path:
    """Write a clip: still for 3 s; then somebody passes."""
    shot = SHOTS["walker"]
    frames = frames_of(shot.clip)
    pictures: list[Picture] = [frames[shot.frames[0]]] * (_STILL_S * _FRAME_RATE)
    pictures += [frames[index] for index in shot.frames]
    path = folder / "walker.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=_FRAME_RATE)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "ultrafast", "crf": "18"}
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            frame.pts, frame.time_base = index, Fraction(1, _FRAME_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
