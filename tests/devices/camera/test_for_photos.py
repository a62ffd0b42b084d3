"""camera.photo_switches_on: a photo switches the camera on for itself, and off again."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager

import pytest

from robot_node.core.state import CameraState
from robot_node.errors import DeviceError, NotReadyError
from tests.devices.camera.rig import Hand, Pi, Rig, rig
from tests.waiting import DEADLINE_S, eventually


def robot_of(pi: Pi, privacy: Hand | None = None) -> AbstractAsyncContextManager[Rig]:
    return rig(pi, photo_switches_on=True, privacy=privacy)


async def until_off(robot: Rig, pi: Pi) -> None:
    await eventually(lambda: robot.camera_state() is CameraState.OFF)
    assert not pi.capturing()
    assert robot.indicator[-1:] in ([], [False])  # privacy may come before it is lit


async def test_a_photo_switches_the_camera_on_and_off_again_with_the_indicator(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        for times in (1, 2):
            assert (await robot.camera.photo()).jpeg
            await until_off(robot, pi)
            assert robot.indicator == [True, False] * times
            assert robot.state.snapshot.camera_wanted is None, "a restart does not bring it back"


async def test_photos_at_the_same_time_share_one_start(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        photos = await asyncio.gather(*(robot.camera.photo() for _ in range(3)))
        assert all(photo.jpeg for photo in photos)
        await until_off(robot, pi)
        assert pi.sensor.starts == 1


async def test_in_a_series_the_camera_stays_on_in_between(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        async with robot.camera.photo_series() as take:
            await take(0.9)
            await robot.camera.photo()  # another agent's, which ends first
            assert await robot.camera.is_delivering_frames() is not False
            assert pi.capturing()
            await take(0.9)
        await until_off(robot, pi)
        assert pi.sensor.starts == 1


async def test_a_camera_that_is_on_stays_on(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        await robot.camera.start()
        await robot.camera.photo()
        await robot.camera.is_delivering_frames()  # after all that was queued
        assert robot.camera_state() is CameraState.ON


async def test_who_switches_it_on_meanwhile_has_it_on(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        async with robot.camera.photo_series() as take:
            await take(0.9)
            await robot.camera.start()
        await robot.camera.is_delivering_frames()
        assert robot.camera_state() is CameraState.ON
        assert robot.state.snapshot.camera_wanted is True


async def test_who_switches_it_off_meanwhile_has_it_off(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        async with robot.camera.photo_series() as take:
            await take(0.9)
            await robot.camera.stop()
            with pytest.raises(NotReadyError, match="camera is off"):
                await take(0.9)
        assert robot.camera_state() is CameraState.OFF
        assert pi.sensor.starts == 1


@pytest.mark.parametrize("state", [CameraState.STARTING, CameraState.ON])
async def test_a_cancelled_call_leaves_it_off(pi: Pi, state: CameraState) -> None:
    async with robot_of(pi) as robot:
        photo = asyncio.create_task(robot.camera.photo())
        await eventually(lambda: robot.camera_state() is state)
        photo.cancel()
        with contextlib.suppress(asyncio.CancelledError):  # it may have been the faster one
            await photo
        await until_off(robot, pi)


async def test_a_call_that_is_cancelled_in_the_queue_does_not_switch_it_on(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        switched = asyncio.gather(robot.camera.start(), robot.camera.stop())
        photo = asyncio.create_task(robot.camera.photo())
        await eventually(lambda: robot.camera_state() is CameraState.STARTING)
        photo.cancel()
        await switched
        await robot.camera.is_delivering_frames()  # after all that was queued
        assert robot.camera_state() is CameraState.OFF
        assert pi.sensor.starts == 1


async def test_privacy_ends_a_photo_under_way_and_refuses_the_next(pi: Pi) -> None:
    hand = Hand()
    async with robot_of(pi, hand) as robot:
        photo = asyncio.create_task(robot.camera.photo())
        await eventually(lambda: robot.camera_state() is CameraState.STARTING)
        hand.engage()
        with pytest.raises(NotReadyError, match="privacy switch"):
            await photo
        await until_off(robot, pi)
        starts = pi.sensor.starts
        with pytest.raises(NotReadyError, match="privacy switch"):
            await robot.camera.photo()
        assert pi.sensor.starts == starts
        hand.release()
        assert (await robot.camera.photo()).jpeg


async def test_a_camera_that_cannot_be_switched_on_says_why_and_the_next_photo_tries_again(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        pi.sensor.absent = True
        with pytest.raises(DeviceError, match="no camera number 0"):
            await robot.camera.photo()
        assert robot.camera_state() is CameraState.FAILED
        pi.sensor.absent = False
        assert (await robot.camera.photo()).jpeg
        await until_off(robot, pi)
        assert not robot.state.snapshot.faults


async def test_a_stall_in_a_series_is_not_a_reason_to_switch_it_on_again(pi: Pi) -> None:
    async with robot_of(pi) as robot:
        async with robot.camera.photo_series() as take:
            await take(0.9)
            pi.sensor.stalled = True
            with pytest.raises(DeviceError, match="no pictures"):
                await take(0.9)
        pi.sensor.stalled = False
        await robot.camera.restart()  # the watchdog
        assert robot.camera_state() is CameraState.FAILED
        assert not pi.capturing()


async def test_a_photo_in_the_background_never_switches_the_camera_on_nor_keeps_it_on(pi: Pi) -> None:
    async with rig(pi, photo_switches_on=True, off_when_unwatched_s=0.3) as robot:
        with pytest.raises(NotReadyError, match="camera is off"):
            await robot.camera.background_photo()
        await robot.camera.start()
        with contextlib.suppress(NotReadyError):
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    assert (await robot.camera.background_photo()).jpeg
        await until_off(robot, pi)
        assert pi.sensor.starts == 1
