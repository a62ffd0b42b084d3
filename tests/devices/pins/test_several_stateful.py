"""Two cameras, one LED, one switch: none captures in the dark or in private, whatever happens, in whatever order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from mcp.server.mcpserver.exceptions import ToolError

from hw_mocks.platform import simulated_platform
from hw_mocks.sensor import SimulatedSensor
from robot_node.core.state import CameraState
from robot_node.errors import RobotNodeError
from tests.devices.pins.rig import LED, PRIVACY, SWITCH, Rig, robot
from tests.waiting import eventually

T = TypeVar("T")

NAMES = ("front", "rear")
A_NAME = st.sampled_from(NAMES)
PASSING = frozenset({CameraState.STARTING, CameraState.STOPPING})


class TwoCameras(RuleBasedStateMachine):
    """A robot with two cameras among agents, hands and faults."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.pi = simulated_platform(scene="clock", cameras=2)
        self.sensors = dict(zip(NAMES, self.pi.sensors, strict=True))
        self.violations: list[str] = []
        self.devices = AsyncExitStack()
        self.robot: Rig
        for name, sensor in self.sensors.items():
            self._watch(name, sensor)
        self.pi.gpio.pin(LED).on_level = self._led_goes

    def _watch(self, name: str, sensor: SimulatedSensor) -> None:
        start = sensor.start

        def starts(width: int, height: int) -> Any:
            if not self.lit and self.led_works:  # one that fails by itself is noticed a moment later
                self.violations.append(f"{name} starts in the dark")
            return start(width, height)

        sensor.start = starts  # type: ignore[method-assign]  # we watch it

    def _led_goes(self, level: float) -> None:
        if level == 0 and self.capturing:
            self.violations.append(f"the LED goes dark while {self.capturing} capture")

    @property
    def lit(self) -> bool:
        return self.pi.gpio.level(LED) == 1

    @property
    def led_works(self) -> bool:
        led = self.pi.gpio.pin(LED)
        return led.held is None and not led.broken

    @property
    def capturing(self) -> set[str]:
        return {name for name, sensor in self.sensors.items() if sensor.capturing}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(photo_switches_on=st.booleans())
    def begin(self, photo_switches_on: bool) -> None:
        async def begin() -> None:
            self.robot = await self.devices.enter_async_context(
                robot(
                    self.pi,
                    camera={"width": 160, "height": 120, "photo_switches_on": photo_switches_on},
                    cameras={"front": {}, "rear": {"number": 1}},
                    privacy={**PRIVACY, "led_check_s": 0.01},
                )
            )

        self.run(begin())
        self.private = True  # nobody has closed the switch yet
        self.hand_moves_the_switch()
        for name in NAMES:
            self.agent_switches_one(name, enabled=True)

    @rule(name=A_NAME, enabled=st.booleans())
    def agent_switches_one(self, name: str, enabled: bool) -> None:
        self.run(self._all(self._switching(name, enabled=enabled)))

    @rule(name=A_NAME)
    def agent_takes_a_photo(self, name: str) -> None:
        self.run(self._all(lambda: self._tool("take_photo", camera=name)))

    @rule(enabled=st.booleans(), hand=st.booleans(), led=st.sampled_from([None, "broken", "held"]))
    def everything_at_once(self, enabled: bool, hand: bool, led: str | None) -> None:
        async def others() -> None:
            await asyncio.sleep(0.002)
            if hand:
                self._move()
            if led is not None:
                setattr(self.pi.gpio.pin(LED), led, True if led == "broken" else 0.0)

        self.run(
            self._all(
                self._switching("front", enabled=True),
                self._switching("rear", enabled=enabled),
                others,
                lambda: self._tool("take_photo", camera="rear"),
                self._switching("front", enabled=not enabled),
            )
        )

    @rule()
    def hand_moves_the_switch(self) -> None:
        async def move() -> None:
            self._move()

        self.run(self._all(move))

    def _move(self) -> None:
        self.private = not self.private
        self.pi.gpio.drive(SWITCH, high=self.private)

    @rule(broken=st.booleans(), dark=st.booleans())
    def led_changes(self, broken: bool, dark: bool) -> None:
        async def change() -> None:
            self.pi.gpio.pin(LED).broken = broken
            self.pi.gpio.pin(LED).held = 0.0 if dark else None

        self.run(self._all(change))

    @rule(name=A_NAME, error=st.sampled_from(["", "No."]))
    def a_sensor_fails_to_start(self, name: str, error: str) -> None:
        self.sensors[name].start_error = error

    @rule(name=A_NAME)
    def one_is_restarted(self, name: str) -> None:
        async def restart() -> None:
            with contextlib.suppress(RobotNodeError):
                await self.robot.parts.cameras[name].restart()

        self.run(self._all(restart))

    def _switching(self, name: str, *, enabled: bool) -> Callable[[], Awaitable[None]]:
        return lambda: self._tool("control_camera", camera=name, enabled=enabled)

    async def _tool(self, tool: str, **arguments: object) -> None:
        with contextlib.suppress(ToolError, RobotNodeError):
            await self.robot.server.call_tool(tool, arguments)

    async def _all(self, *works: Callable[[], Awaitable[None]]) -> None:
        """Do some things at once; then let everything that they caused come to rest."""
        await asyncio.gather(*(work() for work in works))
        for camera in self.robot.parts.cameras.values():
            with contextlib.suppress(RobotNodeError):
                await camera.is_delivering_frames()  # after all that was queued
        await eventually(lambda: self.robot.state.snapshot.privacy is self.private, "the switch is read")
        await eventually(lambda: self.violations or self._at_rest, "everything has come to rest")

    @property
    def _at_rest(self) -> bool:
        if any(camera.state in PASSING for camera in self.robot.parts.cameras.values()):
            return False
        if self.private or not self.led_works:
            return not self.capturing and not (self.led_works and self.lit)
        return self.lit is bool(self.capturing)

    @invariant()
    def promise(self) -> None:
        assert self.violations == []
        if hasattr(self, "robot"):
            on = {name for name, camera in self.robot.parts.cameras.items() if camera.state is CameraState.ON}
            assert on == self.capturing
            assert self._at_rest

    def teardown(self) -> None:
        pin = self.pi.gpio.pin(LED)
        pin.broken, pin.held = False, None
        self.run(self.devices.aclose())
        self.runner.close()
        assert not self.capturing


TestPrivacyOfSeveral = pytest.mark.slow(TwoCameras.TestCase)
TestPrivacyOfSeveral.settings = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
