"""Viewers of a robot: what they see, as they come, stay and go."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from robot_node.errors import RemoteError
from robot_node.webrtc.viewer import view, watch
from tests.webrtc.conftest import Robot
from tests.webrtc.scene import HEIGHT, SERVER_ID, WIDTH, difference, grey_of, read_number


async def test_a_viewer_sees_the_frames_of_the_source(robot: Robot) -> None:
    numbers = []
    async with view(robot.broker, SERVER_ID) as viewing:
        for _ in range(30):
            frame = (await viewing.frame()).image
            assert difference(frame) < 8
            numbers.append(read_number(grey_of(frame)))
    assert numbers == list(range(numbers[0], numbers[0] + 30))


async def test_a_viewer_is_told_that_the_privacy_switch_is_engaged_before_it_and_while_it_watches(robot: Robot) -> None:
    async def watch_on() -> None:
        while True:
            await viewing.frame()

    async with view(robot.broker, SERVER_ID) as viewing:
        await viewing.frame()
        robot.scene.switch(on=False)
        robot.state.update(privacy=True)
        with pytest.raises(RemoteError, match=r"no picture after \d+ frames: the privacy switch .* is engaged"):
            await watch_on()
    with pytest.raises(RemoteError, match=r"no picture: the privacy switch .* Only a person at the robot"):
        await watch(robot.broker, SERVER_ID, frames=1)
    robot.scene.switch(on=True)
    robot.state.update(privacy=False)
    assert (await watch(robot.broker, SERVER_ID, frames=1)).frames == 1


async def test_watch_reports_what_came_and_writes_it_to_a_file(robot: Robot, tmp_path: Path) -> None:
    output = tmp_path / "seen.mp4"
    report = await watch(robot.broker, SERVER_ID, frames=30, output=output)
    assert (report.frames, report.width, report.height) == (30, WIDTH, HEIGHT)
    assert report.first_frame_ms > 0
    assert report.fps > 5
    with av.open(str(output)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 30
    assert all(difference(frame) < 10 for frame in frames)
