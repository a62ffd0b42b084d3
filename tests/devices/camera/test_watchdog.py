"""A camera that delivers no pictures while it is on: it is restarted, and if that does not help, the robot is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from robot_node.core.backoff import RestartPolicy
from robot_node.core.state import CameraState
from robot_node.devices.camera.camera import CameraLimits
from robot_node.devices.camera.capture import StalledError
from robot_node.devices.camera.watchdog import StallDetector, restart_when_stalled, switch_on_at_start
from robot_node.errors import DeviceError, ServiceError
from tests.devices.camera.rig import ON_EVERY_CAMERA, ON_PIS_WITH_LIBX264, Pi, Rig, rig
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line

LIMIT_S = 0.6
OFTEN = RestartPolicy(initial_s=0.05, maximum_s=0.05, most_crashes=100)


@asynccontextmanager
async def looked_after(
    robot: Rig, *, attempts: int = 100, policy: RestartPolicy = OFTEN
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(restart_when_stalled(robot.camera, LIMIT_S, attempts=attempts, policy=policy))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def judged(*checks: tuple[float, bool | None]) -> list[bool]:
    detector = StallDetector(5.0)
    return [detector.update(now, frame_arrived=arrived) for now, arrived in checks]


def test_a_stall_is_no_picture_for_the_whole_time() -> None:
    assert judged((0, True), (2, False), (4, False), (4.9, False), (5, False)) == [False] * 4 + [True]
    assert judged((0, True), (2, False), (4, True), (6, False), (8, False)) == [False] * 5


def test_one_look_after_a_long_sleep_is_no_stall() -> None:
    assert judged((0, True), (3600, False), (3602, True)) == [False] * 3
    assert judged((0, True), (3600, False), (3602, False)) == [False, False, True]


def test_nothing_is_expected_of_a_camera_that_is_off() -> None:
    assert judged((0, None), (100, None), (101, False), (103, False)) == [False] * 4


@ON_EVERY_CAMERA
async def test_a_stalled_camera_is_restarted_and_its_viewers_get_pictures_again(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot, looked_after(robot):
        await robot.camera.start()
        await robot.frames.more(3)
        pi.sensor.stalled = True
        await eventually(lambda: CameraState.FAILED in robot.states)
        before = len(robot.frames.received)
        pi.sensor.stalled = False
        await robot.frames.more(3)
        assert robot.frames.received[before].keyframe
        stamps = [frame.timestamp_us for frame in robot.frames.received]
        assert stamps == sorted(set(stamps))
        await eventually(lambda: robot.camera_state() is CameraState.ON)
        assert not robot.state.snapshot.fault("camera")
        assert (await robot.camera.photo()).jpeg


async def test_a_stall_that_nobody_watches_is_noticed_too(pi: Pi) -> None:
    async with rig(pi) as robot, looked_after(robot):
        await robot.camera.start()
        pi.sensor.stalled = True
        await eventually(lambda: CameraState.FAILED in robot.states)
        pi.sensor.stalled = False
        await eventually(lambda: robot.camera_state() is CameraState.ON)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@ON_PIS_WITH_LIBX264
async def test_a_camera_whose_event_thread_died_is_restarted(pi: Pi) -> None:
    broken = threading.Event()
    base = pi.library.H264Encoder

    def encode(encoder: Any, stream: Any, request: Any) -> None:
        if broken.is_set():
            broken.clear()
            raise OSError("the encoder's driver failed")
        base._encode(encoder, stream, request)

    async with (
        rig(pi, platform=pi.with_encoder(_encode=encode), watched=True) as robot,
        looked_after(robot),
    ):
        await robot.camera.start()
        await robot.frames.more(2)
        broken.set()
        await eventually(lambda: CameraState.FAILED in robot.states)
        await robot.frames.more(10)
        assert robot.camera_state() is CameraState.ON


async def test_an_encoder_that_gives_nothing_while_the_camera_works_is_a_stall_too(pi: Pi) -> None:
    stuck = threading.Event()
    base = pi.library.H264Encoder

    def encode(encoder: Any, stream: Any, request: Any) -> None:
        if not stuck.is_set():
            base._encode(encoder, stream, request)

    async with (
        rig(pi, platform=pi.with_encoder(_encode=encode), watched=True) as robot,
        looked_after(robot),
    ):
        await robot.camera.start()
        await robot.frames.more(2)
        stuck.set()
        await eventually(lambda: CameraState.FAILED in robot.states)
        stuck.clear()
        await robot.frames.more(10)


async def test_a_camera_that_works_is_known_to_and_nothing_is_expected_while_it_is_off(pi: Pi) -> None:
    async with rig(pi, limits=CameraLimits(picture=DEADLINE_S), watched=True) as robot:
        assert await robot.camera.is_delivering_frames() is None
        await robot.camera.start()
        for _ in range(3):
            await robot.frames.more(1)
            assert await robot.camera.is_delivering_frames() is True
        robot.camera.set_watched(False)
        await robot.camera.photo()  # it comes after the end of the encoder
        assert await robot.camera.is_delivering_frames() is True
        await robot.camera.stop()
        assert await robot.camera.is_delivering_frames() is None
        await robot.camera.restart()
        assert robot.camera_state() is CameraState.OFF


async def test_a_photo_that_finds_the_stall_out_first_does_not_keep_the_camera_from_coming_back(pi: Pi) -> None:
    async with rig(pi) as robot, looked_after(robot):
        await robot.camera.start()
        pi.sensor.stalled = True
        with pytest.raises(DeviceError):
            await robot.camera.photo()
        pi.sensor.stalled = False
        await eventually(lambda: robot.camera_state() is CameraState.ON)
        assert (await robot.camera.photo()).jpeg


async def test_whoever_switches_a_failed_camera_off_keeps_it_off(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        pi.sensor.stalled = True
        with pytest.raises(StalledError):
            await robot.camera.photo()
        assert await robot.camera.is_delivering_frames() is False
        pi.sensor.stalled = False
        await robot.camera.stop()
        assert await robot.camera.is_delivering_frames() is None
        await robot.camera.restart()
        assert robot.camera_state() is CameraState.OFF
        assert not pi.capturing()


async def test_a_camera_that_could_never_be_switched_on_is_not_tried_by_itself(pi: Pi) -> None:
    pi.sensor.absent = True
    async with rig(pi) as robot:
        with pytest.raises(DeviceError):
            await robot.camera.start()
        pi.sensor.absent = False
        assert await robot.camera.is_delivering_frames() is None
        await robot.camera.restart()
        assert robot.camera_state() is CameraState.FAILED


class Impatient:
    """Sleeps in place of :func:`asyncio.sleep`: tells how long it should be, and lets something happen meanwhile."""

    def __init__(self, *meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.slept: list[float] = []
        self._meanwhile = list(meanwhile)

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._meanwhile:
            await self._meanwhile.pop(0)()


async def test_a_camera_that_comes_late_at_start_is_waited_for(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    async def nothing() -> None:
        pass

    async def plug_in() -> None:
        pi.sensor.absent = False

    pi.sensor.absent = True
    sleep = Impatient(nothing, plug_in)
    async with rig(pi) as robot, asyncio.timeout(DEADLINE_S):
        await switch_on_at_start(robot.camera, robot.state, sleep=sleep)
        assert robot.camera_state() is CameraState.ON
        assert robot.state.snapshot.camera_wanted is True
    first, second = sleep.slept
    assert first < second
    assert caplog.text.count("cannot be switched on at start") == 1


async def test_whoever_switches_it_off_meanwhile_ends_the_waiting(pi: Pi) -> None:
    pi.sensor.absent = True
    async with rig(pi) as robot, asyncio.timeout(DEADLINE_S):

        async def switch_off() -> None:
            pi.sensor.absent = False
            await robot.camera.stop()

        await switch_on_at_start(robot.camera, robot.state, sleep=Impatient(switch_off))
        assert robot.camera_state() is CameraState.OFF
        assert not pi.capturing()


async def test_a_photo_between_two_attempts_does_not_end_them(pi: Pi) -> None:
    pi.sensor.absent = True
    async with rig(pi, photo_switches_on=True) as robot, asyncio.timeout(DEADLINE_S):

        async def take_photo() -> None:
            pi.sensor.absent = False
            await robot.camera.photo()
            await eventually(lambda: robot.camera_state() is CameraState.OFF)

        await switch_on_at_start(robot.camera, robot.state, sleep=Impatient(take_photo))
        assert robot.camera_state() is CameraState.ON
        assert robot.state.snapshot.camera_wanted is True


async def test_who_switches_it_on_meanwhile_has_decided_also_when_it_went_off_unwatched(pi: Pi) -> None:
    pi.sensor.absent = True
    async with rig(pi, off_when_unwatched_s=0.05) as robot, asyncio.timeout(DEADLINE_S):

        async def switch_on() -> None:
            pi.sensor.absent = False
            await robot.camera.start()
            await eventually(lambda: robot.camera_state() is CameraState.OFF)

        await switch_on_at_start(robot.camera, robot.state, sleep=Impatient(switch_on))
        assert robot.camera_state() is CameraState.OFF


@pytest.mark.parametrize("fault", ["stalled", "absent"])
async def test_a_camera_that_stays_broken_is_given_up_after_some_restarts(pi: Pi, fault: str) -> None:
    async with rig(pi, watched=True) as robot, looked_after(robot, attempts=3) as task:
        await robot.camera.start()
        await robot.frames.more(1)
        pi.sensor.stalled = True
        setattr(pi.sensor, fault, True)
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ServiceError, match=r"3 attempts to restart it failed\."):
                await task
        assert robot.camera_state() is CameraState.FAILED
        assert not pi.capturing()
        assert robot.indicator[-1] is False


async def test_a_camera_that_stalls_again_and_again_is_given_up_even_if_each_restart_works(pi: Pi) -> None:
    policy = replace(OFTEN, most_crashes=3)
    async with rig(pi, watched=True) as robot, looked_after(robot, policy=policy) as task:
        await robot.camera.start()

        def stall_whenever_it_is_on(_: object) -> None:
            pi.sensor.stalled = robot.camera_state() is CameraState.ON

        robot.state.listen(stall_whenever_it_is_on)
        pi.sensor.stalled = True
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ServiceError, match=r"It stalled 3 times within 600 s\."):
                await task


async def test_a_library_that_hangs_is_given_up_with_the_led_lit_as_long_as_the_sensor_may_capture(
    pi: Pi,
) -> None:
    hang, release = threading.Event(), threading.Event()
    base = pi.library.Picamera2

    def capture_request(picam2: Any, *arguments: Any, **options: Any) -> Any:
        if hang.is_set():
            release.wait()
        return base.capture_request(picam2, *arguments, **options)

    platform = pi.with_camera(capture_request=capture_request)
    limits = CameraLimits(picture=1.0, encoder=0.5, close=1.0, release=0.5)
    async with rig(pi, platform=platform, limits=limits) as robot, looked_after(robot, attempts=2) as task:
        await robot.camera.start()
        hang.set()
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ServiceError):
                await task
        assert robot.camera_state() is CameraState.FAILED
        assert robot.indicator == [True]
        assert pi.capturing()
        release.set()
        await eventually(lambda: robot.indicator == [True, False])
        assert not pi.capturing()
