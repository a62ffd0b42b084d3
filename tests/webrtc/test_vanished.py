"""Viewers that go without a word. aiortc alone needs 28 s and more to notice; the robot frees them within 5 s."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.peer import peer
from tests.webrtc.scene import difference, grey_of, read_number

# 5 s are promised; the rest is for a machine that does other things as well. aiortc alone takes about 30 s.
_FREED_WITHIN_S = 20.0


class ViewerProcess:
    """A viewer in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self, word: str) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while (line := await self._process.stdout.readline()).strip() != word.encode():
                assert line, "the viewer has ended"

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)


@contextlib.asynccontextmanager
async def viewer_process(broker: PrivateBroker, will: str) -> AsyncIterator[ViewerProcess]:
    """Start it, and kill it in the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.webrtc.viewer_process", broker.url, "doomed", will),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield ViewerProcess(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        assert process.stdout is not None
        await process.stdout.read()  # closes the pipe
        await process.wait()


@pytest.mark.parametrize(
    ("number", "camera_on"),
    [
        pytest.param(signal.SIGKILL, True, id="killed, camera on"),
        pytest.param(signal.SIGSTOP, False, id="silent, camera off"),
        # Each waits for five seconds.
        pytest.param(signal.SIGSTOP, True, id="silent, camera on", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, False, id="killed, camera off", marks=pytest.mark.slow),
    ],
)
async def test_a_viewer_without_a_will_is_missed_and_another_is_not(
    broker: PrivateBroker, number: signal.Signals, *, camera_on: bool
) -> None:
    async with (
        running_robot(broker, camera_on=camera_on) as robot,
        viewer_process(broker, "without-will") as viewer,
        peer(robot.broker, "healthy") as healthy,
    ):
        await healthy.offer()
        await viewer.says("frame" if camera_on else "connected")
        await robot.has_viewers(2)
        viewer.signal(number)
        await robot.has_viewers(1, within_s=_FREED_WITHIN_S)
        robot.scene.switch(on=True)
        assert difference(await healthy.frame()) < 8
        await healthy.rtc.close()
        await robot.has_viewers(0)
        assert not robot.scene.encoding


@pytest.mark.slow
async def test_the_will_of_a_killed_viewer_frees_it_at_once(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="robot_node.webrtc")
    async with running_robot(broker) as robot, viewer_process(broker, "with-will") as viewer:
        await viewer.says("frame")
        viewer.signal(signal.SIGKILL)
        await robot.has_viewers(0, within_s=_FREED_WITHIN_S)
    assert "'The viewer has lost its connection.'" in caplog.text


@pytest.mark.slow
async def test_the_others_go_on_when_one_vanishes(robot: Robot, broker: PrivateBroker) -> None:
    async with peer(robot.broker) as healthy, viewer_process(broker, "without-will") as viewer:
        await healthy.offer()
        await viewer.says("frame")
        await robot.has_viewers(2)
        viewer.signal(signal.SIGKILL)
        numbers = []
        while robot.viewers > 1:
            numbers.append(read_number(grey_of(await healthy.frame())))
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.slow
async def test_a_short_outage_ends_no_session(robot: Robot, broker: PrivateBroker) -> None:
    async with viewer_process(broker, "without-will") as viewer:
        await viewer.says("frame")
        await robot.has_viewers(1)
        viewer.signal(signal.SIGSTOP)
        await asyncio.sleep(1.5)  # the length of the outage: there is nothing to wait for
        viewer.signal(signal.SIGCONT)
        encoded = robot.scene.encoded
        await eventually(lambda: robot.scene.encoded > encoded + 150)
        assert robot.viewers == 1
