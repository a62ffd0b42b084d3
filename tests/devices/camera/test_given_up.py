"""Calls of the camera library that take longer than their limit: what they hold is released, and the error is true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from robot_node.core.backoff import RestartPolicy
from robot_node.core.state import CameraState
from robot_node.devices.camera.unclosed import HeldError
from robot_node.devices.camera.watchdog import restart_when_stalled, switch_on_at_start
from robot_node.devices.worker import HangingError
from robot_node.errors import DeviceError, RobotNodeError
from tests.devices.camera.rig import ON_EVERY_CAMERA, ON_EVERY_PI, Hand, Limits, Pi, rig
from tests.devices.camera.stuck import Stuck
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line

OFF, _, ON, STOPPING, FAILED = CameraState

_OWN_CALL = (
    "The camera is not free yet: the robot itself holds it, because a call to the camera's library has been given up "
    "and has not returned. Try again in a few seconds. If that lasts, restart the robot: the kernel then closes the "
    "camera."
)


class Hang:
    """Lets calls of one kind hang from :meth:`begin` to :meth:`end`."""

    def __init__(self, pi: Pi, file: Path) -> None:
        self._sensor = pi.sensor
        self._file = self._sensor.hangs_while = file

    def begin(self, at: str) -> None:
        self._sensor.hangs_at = at
        self._file.touch()

    def end(self) -> None:
        self._file.unlink()


@pytest.fixture
def hang(pi: Pi, tmp_path: Path) -> Hang:
    return Hang(pi, tmp_path / "hang")


async def waits(work: Awaitable[Any]) -> asyncio.Future[Any]:
    """Begin something that does not end yet."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=0.2)
    assert not done
    return task


@ON_EVERY_CAMERA
@pytest.mark.parametrize("at", ["open", "start"])
async def test_the_next_attempt_waits_for_a_slow_call_and_blames_no_other_program(pi: Pi, hang: Hang, at: str) -> None:
    hang.begin(at)
    async with rig(pi) as robot:
        with pytest.raises(HangingError, match=r"a call took longer than 0\.3 seconds"):
            await robot.camera.start()
        assert robot.camera_state() is FAILED
        again = await waits(robot.camera.start())
        hang.end()
        await again
        assert robot.camera_state() is ON
        assert not robot.state.snapshot.fault("camera")
        assert (await robot.camera.photo()).jpeg


@ON_EVERY_CAMERA
async def test_as_long_as_the_call_lasts_the_error_says_that_the_robot_itself_holds_the_camera(
    pi: Pi, hang: Hang
) -> None:
    hang.begin("start")
    async with rig(pi, limits=Limits(pi.sensor, release=0.1)) as robot:
        with pytest.raises(HangingError):
            await robot.camera.start()
        for _ in range(2):
            with pytest.raises(HeldError) as refused:
                await robot.camera.start()
            assert str(refused.value) == _OWN_CALL
            assert robot.camera_state() is FAILED
        assert robot.indicator == [True]
        hang.end()
        await eventually(lambda: robot.indicator == [True, False])
        assert robot.camera_state() is FAILED
        await robot.camera.start()


@ON_EVERY_CAMERA
async def test_a_camera_that_closes_slowly_is_off_as_soon_as_it_is_closed(pi: Pi, hang: Hang) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        hang.begin("stop")
        with pytest.raises(HangingError):
            await robot.camera.stop()
        assert robot.camera_state() is FAILED
        assert robot.indicator == [True]
        hang.end()
        await eventually(lambda: robot.camera_state() is OFF)
        assert not pi.capturing()
        assert not robot.state.snapshot.fault("camera")
        assert robot.indicator == [True, False]
        await robot.camera.start()
        assert (await robot.camera.photo()).jpeg


@ON_EVERY_CAMERA
async def test_switching_off_waits_for_a_slow_call_too(pi: Pi, hang: Hang) -> None:
    hang.begin("start")
    async with rig(pi) as robot:
        with pytest.raises(HangingError):
            await robot.camera.start()
        off = await waits(robot.camera.stop())
        assert robot.state.snapshot.camera_wanted is False, "at once"
        hang.end()
        await off
        assert robot.camera_state() is OFF
        assert not pi.capturing()


@ON_EVERY_PI
async def test_a_call_that_was_given_up_does_not_start_the_sensor_any_more(pi: Pi, hang: Hang) -> None:
    hang.begin("open")
    hand = Hand()
    async with rig(pi, privacy=hand) as robot:
        with pytest.raises(HangingError):
            await robot.camera.start()
        hand.engage()
        hang.end()
        await eventually(lambda: robot.indicator == [True, False])
        assert pi.sensor.starts == 0


@ON_EVERY_CAMERA
async def test_other_video_is_refused_by_a_camera_that_closes_slowly_and_the_old_one_comes_back(
    pi: Pi, hang: Hang
) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        hang.begin("stop")
        other = await waits(robot.camera.video.set(width=320, height=240))
        await eventually(lambda: robot.camera_state() is FAILED)
        hang.end()
        with pytest.raises(HangingError):
            await other
        assert robot.camera_state() is ON
        assert robot.camera.video.now.width == 640
        await robot.frames.more(2)


async def test_a_photo_that_switches_the_camera_on_waits_for_a_slow_call(pi: Pi, hang: Hang) -> None:
    async with rig(pi, photo_switches_on=True) as robot:
        hang.begin("stop")
        assert (await robot.camera.photo()).jpeg
        await eventually(lambda: robot.camera_state() is FAILED)  # it does not go off after the photo
        second = await waits(robot.camera.photo())
        hang.end()
        assert (await second).jpeg


@pytest.mark.parametrize("how", ["privacy", "shutdown", "shutdown before it waits"])
async def test_privacy_and_shutdown_do_not_wait_for_it(pi: Pi, hang: Hang, how: str) -> None:
    hang.begin("start")
    hand = Hand()
    async with rig(pi, privacy=hand) as robot:
        with pytest.raises(HangingError):
            await robot.camera.start()
        again: asyncio.Future[None] = asyncio.ensure_future(robot.camera.start())
        closing = None
        if how != "shutdown before it waits":
            await waits(again)
        if how == "privacy":
            hand.engage()
        else:
            closing = asyncio.create_task(robot.camera.close())
        async with asyncio.timeout(DEADLINE_S / 2):  # it would wait for the whole of it
            with pytest.raises(RobotNodeError):
                await again
            if closing is not None:
                await closing
        hang.end()
        await eventually(lambda: not pi.capturing())


async def test_a_camera_that_refused_to_be_closed_is_closed_when_it_is_switched_off_again(pi: Pi) -> None:
    closing = Stuck(pi)
    async with rig(pi, platform=closing.platform) as robot:
        await robot.camera.start()
        with pytest.raises(DeviceError, match="could not be closed"):
            await robot.camera.stop()
        with pytest.raises(DeviceError, match="may still be capturing"):
            await robot.camera.start()
        closing.stuck = False
        await robot.camera.stop()
        assert robot.camera_state() is OFF
        assert not pi.capturing()
        assert robot.indicator == [True, False]


class Sleeps:
    """Sleeps in place of :func:`asyncio.sleep`, but not longer than a moment."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.01)


async def test_at_start_the_camera_is_on_as_soon_as_the_slow_call_returns(
    pi: Pi, hang: Hang, caplog: pytest.LogCaptureFixture
) -> None:
    hang.begin("start")
    sleep = Sleeps()
    async with rig(pi, limits=Limits(pi.sensor, release=0.05)) as robot, asyncio.timeout(DEADLINE_S):
        on = asyncio.create_task(switch_on_at_start(robot.camera, robot.state, sleep=sleep))
        await eventually(lambda: _OWN_CALL in caplog.text)
        await waits(on)
        hang.end()
        await on
        assert robot.camera_state() is ON
    assert len(sleep.slept) == 1  # after the call that was given up; then it waits for the camera, not for a time
    assert "another program" not in caplog.text
    assert caplog.text.count(_OWN_CALL) == 1


async def test_a_restart_waits_for_the_slow_call_and_not_for_its_own_delays(pi: Pi, hang: Hang) -> None:
    sleep = Sleeps()
    policy = RestartPolicy(initial_s=3600.0, maximum_s=3600.0)
    async with rig(pi, limits=Limits(pi.sensor, release=0.05), watched=True) as robot, asyncio.timeout(DEADLINE_S):
        await robot.camera.start()
        hang.begin("stop")
        pi.sensor.stalled = True
        watchdog = asyncio.create_task(
            restart_when_stalled(robot.camera, 0.1, attempts=10_000, policy=policy, sleep=sleep)
        )
        await eventually(lambda: robot.camera_state() is FAILED)
        await waits(watchdog)
        pi.sensor.stalled = False
        hang.end()
        await eventually(lambda: robot.camera_state() is ON)
        watchdog.cancel()
        await asyncio.wait({watchdog})
    assert max(sleep.slept) < 1
