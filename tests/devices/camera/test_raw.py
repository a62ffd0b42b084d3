"""The camera's pictures as they are, over the simulated and the real picamera2."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw_mocks.scenes import planes
from robot_node.core.media import RawFrame
from robot_node.core.state import CameraState
from tests.devices.camera.rig import (
    ON_EVERY_CAMERA,
    ON_EVERY_PI,
    Pi,
    Pictures,
    grey,
    make_pi,
    open_files,
    rig,
    stamp_at,
    stamp_of,
    threads,
)
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line


@ON_EVERY_CAMERA
async def test_pictures_show_the_scene_at_their_capture_time_beside_the_video(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        received = await pictures.more(15)
        await robot.frames.reach(15)
    for frame in received:
        assert (frame.width, frame.height) == (640, 360)
        assert len(frame.planes) == frame.stride * 360 * 3 // 2
        assert abs(stamp_of(grey(frame)) - stamp_at(frame.timestamp_us)) <= 20
    times = [frame.timestamp_us for frame in received]
    assert times == sorted(set(times))
    assert {frame.timestamp_us for frame in robot.frames.received} & set(times), "one picture, encoded and as it is"


@pytest.mark.parametrize("name", ["real picamera2"])
async def test_rows_may_be_longer_than_the_picture_is_wide(name: str) -> None:
    async with rig(make_pi(name), width=630) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        (frame,) = await pictures.more(1)
    assert frame.stride > frame.width == 630
    assert abs(stamp_of(grey(frame)) - stamp_at(frame.timestamp_us)) <= 20
    whole = np.frombuffer(frame.planes, np.uint8).reshape(-1, frame.stride)
    assert [plane.shape for plane in planes(whole)] == [(360, frame.stride), *[(180, frame.stride // 2)] * 2]


@ON_EVERY_PI
async def test_no_picture_is_copied_unless_somebody_needs_it(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        await robot.camera.start()
        await robot.frames.more(5)
        assert not pictures.received
        robot.camera.set_raw_watched(True)
        await pictures.more(3)
        robot.camera.set_raw_watched(False)
        await eventually(lambda: pi.running_encoders() == ["h264"])
        seen = len(pictures.received)
        await robot.frames.more(5)
        assert len(pictures.received) == seen
        assert robot.frames.keyframes == [0], "the video was not disturbed"


async def test_pictures_come_again_when_the_camera_was_off(pi: Pi) -> None:
    async with rig(pi) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        before = await pictures.more(2)
        await robot.camera.stop()
        seen = len(pictures.received)
        await robot.camera.start()
        assert len(await pictures.more(2)) == 2
        assert pictures.received[seen].timestamp_us > before[-1].timestamp_us


@ON_EVERY_CAMERA
async def test_pictures_are_at_most_30_a_second(pi: Pi) -> None:
    async with rig(pi, watched=True, frame_rate=60, width=160, height=120) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        await pictures.more(1)
        seen = len(pictures.received)
        encoded = len(await robot.frames.more(30))
        assert len(pictures.received) - seen <= encoded / 2 + 2


async def test_a_sink_that_raises_holds_up_nothing(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    called: list[RawFrame] = []

    def sink(frame: RawFrame) -> None:
        called.append(frame)
        raise RuntimeError("no room")

    async with rig(pi, watched=True) as robot:
        robot.camera.set_raw_sink(sink)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        await eventually(lambda: len(called) > 3)
        await robot.frames.more(5)
    assert caplog.text.count("Unencoded pictures cannot be handed on") == 1


async def test_a_library_that_refuses_leaves_camera_and_video_as_they_are(
    pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_encoder: object, **_: object) -> None:
        raise RuntimeError("out of buffers")

    broken = type("BrokenEncoder", (pi.library.Encoder,), {"start": refuse})
    platform = replace(pi.platform, camera_library=lambda: replace(pi.library, Encoder=broken))
    async with rig(pi, platform=platform, watched=True) as robot:
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        await robot.frames.more(5)
        assert robot.camera_state() is CameraState.ON
    assert caplog.text.count("delivers no unencoded pictures: out of buffers") == 1, "once, not in a loop"


async def test_no_picture_is_delivered_once_the_camera_goes_off(pi: Pi) -> None:
    """One is held up inside the encoder while the camera is switched off."""
    held, inside, go_on = threading.Event(), threading.Event(), threading.Event()
    base = pi.library.Encoder

    def outputframe(encoder: Any, *arguments: Any, **details: Any) -> None:
        if held.is_set():
            inside.set()
            go_on.wait(DEADLINE_S)
        base.outputframe(encoder, *arguments, **details)

    encoder = type("HeldEncoder", (base,), {"outputframe": outputframe})
    platform = replace(pi.platform, camera_library=lambda: replace(pi.library, Encoder=encoder))
    async with rig(pi, platform=platform) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        await pictures.more(1)
        held.set()
        await eventually(inside.is_set)
        stopping = asyncio.create_task(robot.camera.stop())
        await eventually(lambda: robot.camera_state() is CameraState.STOPPING)
        seen = len(pictures.received)
        go_on.set()
        await stopping
        assert len(pictures.received) == seen


async def test_coming_and_going_leaves_no_thread_and_no_file_behind(pi: Pi) -> None:
    async with rig(pi) as robot:
        robot.camera.set_raw_sink(Pictures())
        await robot.camera.start()
        robot.camera.set_raw_watched(True)
        before = open_files(), threads()
        for number in range(30):
            robot.camera.set_raw_watched(number % 2 == 0)
            await asyncio.sleep(0.002)
        robot.camera.set_raw_watched(True)
        await eventually(lambda: pi.running_encoders() == ["raw"])
        assert (open_files(), threads()) == before


async def test_who_needs_pictures_keeps_the_camera_on() -> None:
    async with rig(make_pi("simulated Pi 5"), off_when_unwatched_s=0.3) as robot:
        pictures = Pictures()
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        await pictures.more(30)
        assert robot.camera_state() is CameraState.ON
        robot.camera.set_raw_watched(False)
        await eventually(lambda: robot.camera_state() is CameraState.OFF)
