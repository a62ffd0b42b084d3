"""The camera is never on with the LED dark, nor while privacy is engaged: whatever happens, in whatever order.

The LED is looked at whenever the sensor starts or stops and whenever its pin changes, not only between the steps.
An LED that fails by itself is another matter: the camera then goes off as soon as it is noticed.
"""

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
from robot_node.core.media import EncodedFrame
from robot_node.core.state import CameraState
from robot_node.errors import RobotNodeError
from tests.devices.pins.rig import LED, PRIVACY, SWITCH, Rig, robot
from tests.waiting import eventually

T = TypeVar("T")


class PrivateRobot(RuleBasedStateMachine):
    """A robot among agents, viewers, hands and faults."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.pi = simulated_platform(scene="clock")
        self.violations: list[str] = []
        self.devices = AsyncExitStack()
        self.closed = False  # the switch: closed, the camera may be on
        self.watched = False
        self.at_once = False  # a hand may engage privacy after the camera has looked at the switch
        self.robot: Rig
        self._watch_hardware()

    def _watch_hardware(self) -> None:
        sensor, led = self.pi.sensor, self.pi.gpio.pin(LED)
        start, stop = sensor.start, sensor.stop

        def starts(width: int, height: int) -> Any:
            if not self.lit:
                self.violations.append("the sensor starts in the dark")
            if self.robot.state.snapshot.privacy and not self.at_once:
                self.violations.append("the sensor starts while privacy is engaged")
            return start(width, height)

        def goes(level: float) -> None:
            if level == 0 and sensor.capturing:
                self.violations.append("the LED goes dark while the sensor captures")

        def stops(scene: Any) -> None:
            if not self.lit and led.held is None:
                self.violations.append("the sensor still captured in the dark")
            stop(scene)

        sensor.start, sensor.stop, led.on_level = starts, stops, goes  # type: ignore[method-assign]  # we watch it

    @property
    def lit(self) -> bool:
        return self.pi.gpio.level(LED) == 1

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(photo_switches_on=st.booleans())
    def begin(self, photo_switches_on: bool) -> None:
        self.camera = {"width": 320, "height": 240, "photo_switches_on": photo_switches_on}
        self.run(self._begin())

    async def _begin(self) -> None:
        self.robot = await self.devices.enter_async_context(
            robot(self.pi, camera=self.camera, privacy={**PRIVACY, "led_check_s": 0.01})
        )
        self.robot.parts.camera.set_sink(self._frame)
        self.robot.parts.camera.set_watched(self.watched)
        self.closed = False  # the pull-up of a pin that is taken anew

    def _frame(self, frame: EncodedFrame) -> None:
        del frame
        if self.robot.state.snapshot.privacy:
            self.violations.append("a viewer got a picture while privacy was engaged")

    @rule(enabled=st.booleans())
    def agent_switches_the_camera(self, enabled: bool) -> None:
        self.run(self._tools(lambda: self._tool("control_camera", {"enabled": enabled})))
        if enabled and not self.closed:
            assert self.robot.state.snapshot.camera is not CameraState.ON

    @rule()
    def agent_takes_a_photo(self) -> None:
        self.run(self._tools(lambda: self._tool("take_photo", {})))

    @rule()
    def agents_and_a_hand_at_once(self) -> None:
        async def hand() -> None:
            await asyncio.sleep(0.002)
            self._move()

        self.at_once = True
        self.run(
            self._tools(
                lambda: self._tool("control_camera", {"enabled": True}),
                lambda: self._tool("control_camera", {"enabled": False}),
                lambda: self._tool("take_photo", {}),
                hand,
                lambda: self._tool("take_photo", {}),
                self._restart_camera,
                lambda: self._tool("control_camera", {"enabled": True}),
            )
        )
        self.at_once = False

    @rule()
    def hand_moves_the_switch(self) -> None:
        async def move() -> None:
            self._move()

        self.run(self._tools(move))

    def _move(self) -> None:
        self.closed = not self.closed
        self.pi.gpio.drive(SWITCH, high=not self.closed)

    @rule(watched=st.booleans())
    def viewers_come_and_go(self, watched: bool) -> None:
        async def watch() -> None:
            self.watched = watched
            self.robot.parts.camera.set_watched(watched)
            await asyncio.sleep(0.05)

        self.run(self._tools(watch))

    @rule(fault=st.sampled_from(["busy", "absent", "start_error"]), now=st.booleans())
    def camera_fails(self, fault: str, now: bool) -> None:
        setattr(
            self.pi.sensor,
            fault,
            ("No." if fault == "start_error" else True) if now else type(getattr(self.pi.sensor, fault))(),
        )

    @rule(fault=st.sampled_from(["broken", "stuck"]), pin=st.sampled_from([LED, SWITCH]), now=st.booleans())
    def pin_fails(self, fault: str, pin: int, now: bool) -> None:
        self._break(pin, fault, now)

    @rule(dark=st.booleans())
    def led_goes_dark(self, dark: bool) -> None:
        self._break(LED, "held", 0.0 if dark else None)

    def _break(self, pin: int, fault: str, value: object) -> None:
        was_on = self.pi.sensor.capturing
        setattr(self.pi.gpio.pin(pin), fault, value)

        async def nothing() -> None: ...

        self.run(self._tools(nothing))
        if was_on and not self.led_can_be_seen:
            assert self.robot.state.snapshot.camera is CameraState.FAILED
            assert f"GPIO{LED}" in self.robot.state.snapshot.fault("camera")

    @property
    def led_can_be_switched(self) -> bool:
        return self.led_can_be_seen and not self.pi.gpio.pin(LED).stuck

    @property
    def led_can_be_seen(self) -> bool:
        led = self.pi.gpio.pin(LED)
        return led.held is None and not led.broken

    @rule()
    def camera_is_restarted_as_if_it_had_stalled(self) -> None:
        self.run(self._tools(self._restart_camera))

    async def _restart_camera(self) -> None:
        with contextlib.suppress(RobotNodeError):
            await self.robot.parts.camera.restart()

    @rule()
    def robot_restarts(self) -> None:
        async def restart() -> None:
            for pin in (LED, SWITCH):
                self._mend(pin)
            await self.devices.aclose()
            assert not self.pi.sensor.capturing
            assert not self.lit
            await self._begin()

        self.run(restart())

    def _mend(self, gpio: int) -> None:
        pin = self.pi.gpio.pin(gpio)
        pin.broken, pin.stuck, pin.held = False, False, None

    async def _tool(self, name: str, arguments: dict[str, Any]) -> None:
        with contextlib.suppress(ToolError, RobotNodeError):
            await self.robot.server.call_tool(name, arguments)

    async def _tools(self, *works: Callable[[], Awaitable[None]]) -> None:
        """Do some things at once; then let everything that they caused come to rest."""
        await asyncio.gather(*(work() for work in works))
        await self._rest()

    async def _rest(self) -> None:
        with contextlib.suppress(RobotNodeError):
            await self.robot.parts.camera.is_delivering_frames()  # after all that was queued
        if not self.closed:
            await eventually(lambda: self.robot.state.snapshot.privacy)
        await eventually(lambda: self._at_rest)

    @property
    def _at_rest(self) -> bool:
        snapshot = self.robot.state.snapshot
        passing = snapshot.camera in {CameraState.STARTING, CameraState.STOPPING}
        must_be_off = snapshot.privacy or not self.led_can_be_seen
        must_be_dark = not self.pi.sensor.capturing and self.led_can_be_switched
        return not passing and not (must_be_off and self.pi.sensor.capturing) and not (must_be_dark and self.lit)

    @invariant()
    def promise(self) -> None:
        assert not self.violations
        if not hasattr(self, "robot"):
            return
        status = self.run(self._status())
        assert self.pi.sensor.capturing is (status["camera"] == "on")
        if self.pi.sensor.capturing:
            assert self.lit
            assert self.led_can_be_seen
            assert not status["privacy"]
        elif self.led_can_be_switched:
            assert not self.lit
        if not self.closed:
            assert status["privacy"]
            assert not self.pi.sensor.capturing

    async def _status(self) -> dict[str, Any]:
        await self._rest()
        result = await self.robot.server.call_tool("get_status", {})
        content = result.structured_content  # type: ignore[union-attr]  # get_status never asks back
        assert isinstance(content, dict)
        return content

    def teardown(self) -> None:
        for pin in (LED, SWITCH):
            self._mend(pin)
        self.run(self.devices.aclose())
        self.runner.close()
        assert not self.pi.sensor.capturing


TestPrivacy = pytest.mark.slow(PrivateRobot.TestCase)
TestPrivacy.settings = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
