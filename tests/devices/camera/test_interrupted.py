"""Every await of start, stop, restart and photo: privacy is engaged there, the robot shuts down, or something fails.

Afterwards the camera is what it says: its sensor off when it is off, the indicator dark, no encoder left, and
nothing in the way of the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import pytest

from robot_node.core.state import CameraState
from robot_node.devices.platform import Platform
from robot_node.devices.worker import HangingError
from robot_node.errors import DeviceError, NotReadyError, RobotNodeError
from tests.devices.camera.rig import Hand, IndicatorLog, Pi, Pictures, Rig, make_pi, rig
from tests.devices.stepping import Stepper
from tests.waiting import eventually

P = ParamSpec("P")
T = TypeVar("T")

OFF, _, ON, _, FAILED = CameraState

TASKS = {"start": "camera on", "stop": "camera off", "restart": "camera restart", "photo": "photo"}
FEWEST_AWAITS = {"start": 11, "stop": 2, "restart": 13, "photo": 1}
"""An await for each blocking call, each look at the pin and each change of the LED; twice that for a restart."""

FEWEST_CALLS = {"start": 6, "stop": 3, "restart": 9, "photo": 1}
"""Of the library: each of them fails in turn."""

SMALL: dict[str, Any] = {"width": 160, "height": 120, "frame_rate": 60}


class SlowHand(Hand):
    """A privacy switch whose pin takes a moment to be read."""

    async def check(self) -> None:
        await asyncio.sleep(0)
        await super().check()


class SlowIndicator(IndicatorLog):
    """An indicator that takes a moment, and that can go dark by itself."""

    fail: Callable[[DeviceError], None]

    async def light(self, *, lit: bool) -> None:
        await super().light(lit=lit)
        await asyncio.sleep(0)

    def on_failure(self, callback: Callable[[DeviceError], None]) -> None:
        self.fail = callback


class FaultyLibrary:
    """The camera library and the indicator, of which one call fails: the next one each time.

    Args:
        at: Which call, the first being 1.
        done: The call has done what it should, before it fails.
    """

    def __init__(self, at: int, *, done: bool) -> None:
        self.calls = 0
        self.armed = False
        self._at = at
        self._done = done

    def wrap(self, function: Callable[P, T]) -> Callable[P, T]:
        """Let a call fail when its turn has come."""

        def call(*arguments: P.args, **options: P.kwargs) -> T:
            self.calls += self.armed
            fails = self.armed and self.calls == self._at
            if fails and not self._done:
                raise RuntimeError("It failed.")
            result = function(*arguments, **options)
            if fails:
                raise RuntimeError("It failed.")
            return result

        return call

    def platform(self, pi: Pi) -> Platform:
        """The Pi with this library."""
        names = ("configure", "start", "start_encoder", "capture_request", "stop_encoder", "close")
        base = pi.library.Picamera2
        attributes = {name: self.wrap(getattr(base, name)) for name in ("__init__", *names)}
        return pi.with_camera(**attributes)


@dataclass
class Stage:
    """A camera with viewers, and the hands that interrupt it."""

    pi: Pi
    robot: Rig
    hand: SlowHand
    indicator: SlowIndicator
    pictures: Pictures
    closing: asyncio.Task[None] | None = None

    def interrupt(self, how: str) -> Exception | None:
        match how:
            case "privacy":
                self.hand.engage()
            case "privacy for a moment":
                self.hand.engage()
                self.hand.release()
            case "shutdown":
                self.closing = asyncio.create_task(self.robot.camera.close())
            case "indicator":
                if self.indicator.told[-1:] == [True]:
                    self.indicator.fail(DeviceError("The indicator is dark."))
            case "a hang":
                return HangingError("It does not answer.")
        return None

    async def settle(self) -> None:
        """Let all operations end."""
        if self.closing is not None:
            await self.closing
        with contextlib.suppress(RobotNodeError):
            await self.robot.camera.is_delivering_frames()  # it comes after them

    async def is_consistent(self) -> None:
        """What the camera says is true of its hardware."""
        state, fault = self.robot.camera_state(), self.robot.state.snapshot.fault("camera")
        assert state in {OFF, ON, FAILED}
        assert bool(fault) == (state is FAILED) or (state is ON and "video encoder" in fault)
        # What a hanging call left behind is closed when the call returns.
        await eventually(lambda: self.pi.capturing() == (state is ON), f"the sensor is {state}")
        lit = [[True]] if state is ON else [[], [False]]
        await eventually(lambda: self.indicator.told[-1:] in lit, f"the indicator is {state}")
        needed = ["h264", "raw"] if state is ON else []
        await eventually(lambda: self.pi.running_encoders() in (needed, needed[:1], needed[1:]) if fault else [needed])

    async def works_again(self) -> None:
        """It can be switched on, and serves everybody."""
        self.hand.release()
        for watched in (False, True):  # an encoder that failed is tried again for a viewer that comes
            self.robot.camera.set_watched(watched)
            self.robot.camera.set_raw_watched(watched)
        await self.robot.camera.start()
        await self.robot.frames.more(2)
        await self.pictures.more(1)
        assert (await self.robot.camera.photo()).jpeg
        assert self.robot.camera_state() is ON
        assert self.pi.running_encoders() == ["h264", "raw"]


def workers() -> list[threading.Thread]:
    """The cameras' own threads."""
    return [thread for thread in threading.enumerate() if thread.name == "camera"]


@asynccontextmanager
async def stage(operation: str, faulty: FaultyLibrary | None = None) -> AsyncIterator[Stage]:
    """A camera before that operation: off before a start, on before the others."""
    pi, hand, indicator, pictures = make_pi("simulated Pi 5"), SlowHand(), SlowIndicator(), Pictures()
    platform = None if faulty is None else faulty.platform(pi)
    before = workers()
    async with rig(pi, platform=platform, privacy=hand, indicator=indicator, watched=True, **SMALL) as robot:
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        if operation != "start":
            await robot.camera.start()
        yield Stage(pi, robot, hand, indicator, pictures)
    await eventually(lambda: not [thread for thread in workers() if thread not in before])


async def outcome(robot: Rig, operation: str) -> Exception | None:
    """Call a method of the camera, and return its error."""
    try:
        await getattr(robot.camera, operation)()
    except RobotNodeError as error:
        return error
    return None


async def step_through(operation: str, how: str, check: Callable[[Stage, Exception | None], None]) -> None:
    """Interrupt each await of an operation in turn, each time of another camera.

    Args:
        operation: A method of the camera's.
        how: As :meth:`Stage.interrupt` knows it.
        check: Looks at what came of it; given the error that the caller got.
    """
    for at in itertools.count(1):
        async with stage(operation) as it:
            stepper = Stepper(TASKS[operation], at, functools.partial(it.interrupt, how))
            with stepper.in_all_tasks():
                error = await outcome(it.robot, operation)
            await it.settle()
            await it.is_consistent()
            if not stepper.interrupted:
                assert at > FEWEST_AWAITS[operation]
                return
            check(it, error)
            if it.closing is None:
                await it.works_again()


@pytest.mark.parametrize("how", ["privacy", "privacy for a moment"])
@pytest.mark.parametrize("operation", TASKS)
async def test_privacy_always_wins(operation: str, how: str) -> None:
    def check(it: Stage, error: Exception | None) -> None:
        assert it.robot.camera_state() is OFF
        assert it.robot.state.snapshot.camera_wanted is False, "it does not come on by itself after a restart"
        if operation in {"start", "photo"}:
            assert isinstance(error, NotReadyError)
            assert "privacy switch" in str(error)

    await step_through(operation, how, check)


@pytest.mark.parametrize("operation", TASKS)
async def test_a_shutdown_ends_whatever_is_under_way(operation: str) -> None:
    def check(it: Stage, error: Exception | None) -> None:
        assert it.robot.camera_state() is OFF
        wanted = {"start": None, "stop": False}.get(operation, True)
        assert it.robot.state.snapshot.camera_wanted is wanted, "nobody has switched it off"
        if operation in {"start", "photo"}:
            assert isinstance(error, NotReadyError)
            assert "shutting down" in str(error)

    await step_through(operation, "shutdown", check)


@pytest.mark.parametrize("operation", TASKS)
async def test_without_its_indicator_the_camera_goes_off(operation: str) -> None:
    def check(it: Stage, error: Exception | None) -> None:
        was_lit = it.indicator.told != [] and error is not None
        if operation == "stop":
            assert it.robot.camera_state() is OFF
        elif was_lit:
            assert it.robot.camera_state() is FAILED
            assert str(error) == it.robot.state.snapshot.fault("camera") == "The indicator is dark."

    await step_through(operation, "indicator", check)


@pytest.mark.parametrize("operation", TASKS)
async def test_a_call_that_hangs_leaves_nothing_behind_once_it_returns(operation: str) -> None:
    def check(it: Stage, error: Exception | None) -> None:
        if error is not None:  # what was to go off has gone off by now
            assert it.robot.camera_state() is (OFF if operation == "stop" else FAILED)
        wanted = {"start": None, "stop": False}.get(operation, True)
        assert it.robot.state.snapshot.camera_wanted is wanted

    await step_through(operation, "a hang", check)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("operation", TASKS)
async def test_a_library_that_fails_leaves_nothing_behind(operation: str, done: bool) -> None:
    for at in itertools.count(1):
        faulty = FaultyLibrary(at, done=done)
        async with stage(operation, faulty) as it:
            faulty.armed = True
            await outcome(it.robot, operation)
            faulty.armed = False
            await it.settle()
            await it.is_consistent()
            if faulty.calls < at:
                assert at > FEWEST_CALLS[operation]
                return
            await it.works_again()
