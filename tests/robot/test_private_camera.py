"""Privacy holds for everything that the camera can do: whatever agents, viewers and hands do, in whatever order.

A robot as the daemon builds it, with two cameras that record, look for motion and can be adjusted. What is looked at is
the hardware, memory and the disk, whenever the switch moves, and not only between the steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from mcp.server.mcpserver.exceptions import ToolError

from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.core.media import EncodedFrame, RawFrame
from robot_node.core.state import CameraState
from robot_node.errors import RobotNodeError
from robot_node.robot.robot import Robot
from robot_node.robot.shutdown import DeviceStack
from robot_node.settings.loading import load_settings
from robot_node.tools.server import build_server
from tests.devices.pins.rig import LED, SWITCH
from tests.waiting import eventually

T = TypeVar("T")

CAMERAS = st.sampled_from(["front", "back"])


class PrivateCameras(RuleBasedStateMachine):
    """A robot whose cameras everybody wants something of."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.pi = simulated_platform(scene="clock", cameras=2)
        self.devices = DeviceStack()
        self.services: list[asyncio.Task[None]] = []
        self.violations: list[str] = []
        self.engaged = True  # an open switch
        self.robot: Robot = self.run(self._begin())
        self.server = build_server(self.robot, name="tests/robot", description="A robot.")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _begin(self) -> Robot:
        chosen = load_settings(
            None,
            {
                "display": {"driver": "none"},
                "camera": {"width": 160, "height": 120, "adjustable": True, "photo_folder": self.folder.name},
                "cameras": {"front": {"number": 0}, "back": {"number": 1, "photo_switches_on": True}},
                "privacy": {"led_pin": LED, "switch_pin": SWITCH, "led_check_s": 0.05},
                "recording": {"enabled": True, "folder": self.folder.name, "sound": False, "min_free_mb": 0},
                "motion": {"enabled": True, "rate": 15, "sensitivity": 100, "min_area": 0.0005},
            },
        )
        robot = await daemon.build_robot(chosen, self.pi.platform, self.devices)
        assert robot.recorder is not None
        assert robot.vision.motion is not None
        for name, camera in robot.cameras.items():
            if name != "front":  # that one's frames go to the recorder
                camera.set_sink(self._frame)
            camera.set_raw_sink(self._raw)
            camera.set_raw_watched(True)
        for service in (robot.recorder.run, robot.vision.motion.run, robot.inputs.watch):
            self.services.append(asyncio.create_task(service(), name="service"))
        return robot

    def _frame(self, _: EncodedFrame) -> None:
        if self.robot.telemetry.state.snapshot.privacy:
            self.violations.append("a viewer got a frame while privacy was engaged")

    def _raw(self, _: RawFrame) -> None:  # in a thread of the camera
        if self.robot.telemetry.state.snapshot.privacy and not any(each.capturing for each in self.pi.sensors):
            self.violations.append("a picture came from a sensor that is off")

    # What agents and people do.

    @initialize()
    def everything_is_on(self) -> None:
        self.hand()
        for camera in self.robot.cameras:
            self.switch(camera, enabled=True)
        self.record("start_recording")
        self.time_passes()
        self.run(
            eventually(lambda: self.robot.vision.motion is not None and self.robot.vision.motion.picture is not None)
        )

    @rule()
    def time_passes(self) -> None:
        """There is something to hide."""

        async def seen() -> None:
            recorder, motion = self.robot.recorder, self.robot.vision.motion
            assert recorder is not None
            assert motion is not None
            if self.robot.telemetry.state.snapshot.camera is CameraState.ON:
                before = motion.compared
                await eventually(lambda: recorder.ring_bytes > 0 and motion.compared > before + 3)

        self.run(seen())

    @rule(camera=CAMERAS, enabled=st.booleans())
    def switch(self, camera: str, enabled: bool) -> None:
        self.call("control_camera", enabled=enabled, camera=camera)

    @rule(camera=CAMERAS, size=st.sampled_from(["video", "full"]))
    def photo(self, camera: str, size: str) -> None:
        self.call("take_photo", camera=camera, size=size)

    @rule(camera=CAMERAS, zoom=st.floats(1, 3), mirror=st.booleans())
    def adjust(self, camera: str, zoom: float, mirror: bool) -> None:
        self.call("set_camera", camera=camera, zoom=round(zoom, 2), mirror=mirror)

    @rule(camera=CAMERAS, width=st.sampled_from([160, 320]))
    def video(self, camera: str, width: int) -> None:
        self.call("set_video", camera=camera, width=width, height=width * 3 // 4)

    @rule(tool=st.sampled_from(["save_clip", "start_recording", "stop_recording", "see_motion"]))
    def record(self, tool: str) -> None:
        self.call(tool, **({"before_s": 1, "after_s": 0.1} if tool == "save_clip" else {}))

    @rule(camera=CAMERAS, watched=st.booleans())
    def watch(self, camera: str, watched: bool) -> None:
        async def work() -> None:
            self.robot.cameras[camera].set_watched(watched)

        self.run(self._and_rest(work()))

    @rule()
    def hand(self) -> None:
        async def work() -> None:
            self._move()

        self.run(self._and_rest(work()))

    @rule(camera=CAMERAS)
    def hand_amid_everything(self, camera: str) -> None:
        async def hand() -> None:
            await asyncio.sleep(0.01)
            self._move()

        calls: list[tuple[str, dict[str, Any]]] = [
            ("control_camera", {"enabled": True, "camera": camera}),
            ("take_photo", {"camera": camera, "size": "full"}),
            ("start_recording", {}),
            ("set_video", {"camera": camera, "width": 320, "height": 240}),
            ("take_photo", {"camera": "back"}),
        ]
        self.run(self._and_rest(hand(), *(self._tool(name, arguments) for name, arguments in calls)))

    def _move(self) -> None:
        self.engaged = not self.engaged
        self.pi.gpio.drive(SWITCH, high=self.engaged)

    def call(self, tool: str, **arguments: Any) -> None:
        self.run(self._and_rest(self._tool(tool, arguments)))

    async def _tool(self, name: str, arguments: dict[str, Any]) -> None:
        with contextlib.suppress(ToolError, RobotNodeError):
            await self.server.call_tool(name, arguments)

    async def _and_rest(self, *works: Awaitable[None]) -> None:
        await asyncio.gather(*works)
        for camera in self.robot.cameras.values():
            with contextlib.suppress(RobotNodeError):
                await camera.is_delivering_frames()  # after all that was queued
        await eventually(lambda: self.robot.telemetry.state.snapshot.privacy is self.engaged)
        await eventually(lambda: self._at_rest)

    @property
    def _at_rest(self) -> bool:
        snapshot = self.robot.telemetry.state.snapshot
        states = {snapshot.camera, *(each.state for each in snapshot.cameras.values())}
        capturing = any(sensor.capturing for sensor in self.pi.sensors)
        return (
            not states & {CameraState.STARTING, CameraState.STOPPING}
            and not (self.engaged and capturing)
            and (self.pi.gpio.level(LED) == 1) is capturing
        )

    @invariant()
    def promise(self) -> None:
        assert not self.violations
        if not self.engaged:
            return
        recorder, motion = self.robot.recorder, self.robot.vision.motion
        assert recorder is not None
        assert motion is not None
        assert not any(sensor.capturing for sensor in self.pi.sensors)
        assert self.pi.gpio.level(LED) == 0
        assert (recorder.ring_bytes, recorder.ring_seconds) == (0, 0)
        assert not self.robot.telemetry.state.snapshot.recording
        assert motion.picture is None
        assert not any(self.robot.telemetry.state.snapshot.motion.values())

    def teardown(self) -> None:
        self.run(self._end())
        self.runner.close()
        self.folder.cleanup()
        assert not any(sensor.capturing for sensor in self.pi.sensors)

    async def _end(self) -> None:
        for service in self.services:
            service.cancel()
        await asyncio.wait(self.services)
        await self.devices.aclose()


TestPrivacy = pytest.mark.slow(PrivateCameras.TestCase)
TestPrivacy.settings = settings(
    max_examples=3,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
