"""The camera switches itself off when nobody looks, if its owner wants that."""

from __future__ import annotations

from robot_node.core.state import CameraState, RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.devices.idle import IdleTimer
from tests.devices.camera.rig import SETTINGS, Frames, make_pi
from tests.waiting import eventually


class Clock:
    """Time that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[Call] = []

    def call_later(self, delay: float, callback: object) -> Call:
        assert callable(callback)
        call = Call(self.now + delay, callback)
        self.calls.append(call)
        return call

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [call for call in self.calls if call.at <= self.now and not call.cancelled]
        self.calls = [call for call in self.calls if call not in due and not call.cancelled]
        for call in due:
            assert callable(call.callback)
            call.callback()


class Call:
    """A call at a later time."""

    def __init__(self, at: float, callback: object) -> None:
        self.at, self.callback, self.cancelled = at, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class Timer:
    """An idle timer on such a clock, and how often it called."""

    def __init__(self, limit_s: float = 60.0) -> None:
        self.clock = Clock()
        self.fired = 0
        self.timer = IdleTimer(limit_s, self._fire, self.clock.call_later)

    def _fire(self) -> None:
        self.fired += 1


def test_it_calls_once_after_the_time() -> None:
    it = Timer()
    it.timer.start()
    it.clock.advance(59)
    assert it.fired == 0
    it.clock.advance(1)
    assert it.fired == 1
    assert it.timer.idle
    it.clock.advance(1000)
    assert it.fired == 1


def test_a_look_begins_the_time_anew() -> None:
    it = Timer()
    it.timer.start()
    for _ in range(5):
        it.clock.advance(59)
        it.timer.touch()
    assert it.fired == 0
    it.clock.advance(60)
    assert it.fired == 1


def test_who_watches_holds_it_and_the_time_begins_when_the_last_one_leaves() -> None:
    it = Timer()
    it.timer.set_watched(True)
    it.timer.start()
    it.clock.advance(1000)
    it.timer.touch()
    it.clock.advance(1000)
    assert it.fired == 0
    it.timer.set_watched(False)
    it.clock.advance(59)
    it.timer.set_watched(False)
    assert it.fired == 0
    it.clock.advance(1)
    assert it.fired == 1


def test_neither_before_the_start_nor_after_the_stop_nor_with_0() -> None:
    it = Timer()
    it.timer.touch()
    it.timer.set_watched(True)
    it.timer.set_watched(False)
    it.clock.advance(1000)
    it.timer.start()
    it.timer.stop()
    it.clock.advance(1000)
    never = Timer(0.0)
    never.timer.start()
    never.clock.advance(1e6)
    assert (it.fired, never.fired) == (0, 0)
    assert not it.timer.idle
    assert not never.timer.idle


async def test_the_camera_goes_off_when_it_is_idle_and_not_while_it_is_used() -> None:
    pi, state, clock = make_pi("simulated Pi 5"), RobotState(), Clock()
    settings = SETTINGS.model_copy(update={"off_when_unwatched_s": 600})
    camera = Camera(pi.platform, settings, state, call_later=clock.call_later)
    try:
        camera.set_watched(True)
        await camera.start()
        clock.advance(10_000)
        assert await camera.is_delivering_frames(), "it comes after whatever has been asked of the camera"
        camera.set_watched(False)
        for _ in range(5):
            clock.advance(599)
            assert (await camera.photo()).jpeg
        assert state.snapshot.camera is CameraState.ON
        clock.advance(600)
        await eventually(lambda: state.snapshot.camera is CameraState.OFF)
        assert not pi.capturing()
        assert state.snapshot.camera_wanted is None, "nobody switched it off: the robot did"
    finally:
        await camera.close()


async def test_a_ring_buffer_gets_frames_and_does_not_keep_the_camera_on() -> None:
    pi, state, clock = make_pi("simulated Pi 5"), RobotState(), Clock()
    settings = SETTINGS.model_copy(update={"off_when_unwatched_s": 600})
    camera, frames = Camera(pi.platform, settings, state, call_later=clock.call_later), Frames()
    camera.set_sink(frames)
    try:
        camera.set_watched(True, in_use=False)
        await camera.start()
        await frames.reach(3)
        camera.set_watched(True, in_use=True)  # it is being recorded
        clock.advance(10_000)
        assert await camera.is_delivering_frames()
        camera.set_watched(True, in_use=False)
        clock.advance(600)
        await eventually(lambda: state.snapshot.camera is CameraState.OFF)
    finally:
        await camera.close()


async def test_who_comes_while_the_camera_is_about_to_go_off_keeps_it_on() -> None:
    pi, state, clock = make_pi("simulated Pi 5"), RobotState(), Clock()
    settings = SETTINGS.model_copy(update={"off_when_unwatched_s": 600})
    camera = Camera(pi.platform, settings, state, call_later=clock.call_later)
    try:
        await camera.start()
        clock.advance(600)
        assert (await camera.photo()).jpeg
        await camera.is_delivering_frames()
        assert state.snapshot.camera is CameraState.ON
    finally:
        await camera.close()
