"""Several cameras: privacy switch and indicator LED are for all of them, and each has its place in the state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.core.state import CameraState
from robot_node.errors import ArgumentError, DeviceError, NotReadyError
from tests.devices.pins.rig import LED, PRIVACY, SWITCH, Rig, robot
from tests.waiting import eventually

CAMERAS = {"front": {}, "rear": {"number": 1}}


@asynccontextmanager
async def two_cameras(**privacy: Any) -> AsyncIterator[Rig]:
    async with robot(simulated_platform(scene="clock", cameras=2), cameras=CAMERAS, privacy=privacy) as it:
        yield it


def states(it: Rig) -> dict[str, str]:
    return {name: str(camera.state) for name, camera in it.parts.cameras.items()}


def lit(it: Rig) -> bool:
    return it.pi.gpio.level(LED) == 1


async def test_the_led_is_lit_while_any_of_them_captures() -> None:
    async with two_cameras(led_pin=LED) as it:
        violations: list[object] = []

        def goes(level: float) -> None:
            if level == 0 and any(sensor.capturing for sensor in it.pi.sensors):
                violations.append(states(it))

        it.pi.gpio.pin(LED).on_level = goes
        front, rear = it.parts.cameras.values()
        await asyncio.gather(front.start(), rear.start())
        assert lit(it)
        await front.stop()
        assert lit(it)
        await front.start()
        await rear.stop()
        assert lit(it)
        await front.stop()
        assert not lit(it)
        await rear.start()
        assert lit(it)
        assert violations == []


async def test_privacy_stops_every_camera_and_then_the_led_is_dark() -> None:
    async with two_cameras(**PRIVACY) as it:
        it.pi.gpio.press(SWITCH)
        await eventually(lambda: not it.state.snapshot.privacy)
        for camera in it.parts.cameras.values():
            await camera.start()
        it.pi.gpio.release(SWITCH)
        await eventually(lambda: set(states(it).values()) == {"off"})
        assert not any(sensor.capturing for sensor in it.pi.sensors)
        assert not lit(it)
        for camera in it.parts.cameras.values():
            with pytest.raises(NotReadyError, match="privacy switch"):
                await camera.start()
        assert {name: each.wanted for name, each in it.state.snapshot.every_camera.items()} == {
            "front": False,
            "rear": False,
        }


async def test_an_led_that_fails_switches_all_of_them_off() -> None:
    async with two_cameras(led_pin=LED, led_check_s=0.02) as it:
        for camera in it.parts.cameras.values():
            await camera.start()
        it.pi.gpio.pin(LED).held = 0.0
        await eventually(lambda: set(states(it).values()) == {"failed"})
        assert not any(sensor.capturing for sensor in it.pi.sensors)
        assert set(it.state.snapshot.faults) >= {"camera", "camera rear"}


async def test_a_camera_that_cannot_light_the_led_takes_the_others_with_it() -> None:
    async with two_cameras(led_pin=LED, led_check_s=60) as it:
        front, rear = it.parts.cameras.values()
        await front.start()
        it.pi.gpio.pin(LED).broken = True
        with pytest.raises(DeviceError, match="indicator LED"):
            await rear.start()
        await eventually(lambda: states(it) == {"front": "failed", "rear": "failed"})
        assert not any(sensor.capturing for sensor in it.pi.sensors)


async def test_each_has_its_place_in_the_state_its_faults_and_its_events() -> None:
    async with two_cameras() as it:
        front, rear = it.parts.cameras.values()
        await rear.start()
        now = it.state.snapshot
        assert (now.camera, now.cameras["rear"].state, now.capturing) == (CameraState.OFF, CameraState.ON, True)
        it.pi.sensors[0].start_error = "no such device"
        with pytest.raises(DeviceError, match="no such device"):
            await front.start()
        await rear.stop()
        it.pi.sensors[1].start_error = "gone"
        with pytest.raises(DeviceError, match="gone"):
            await rear.start()
        assert [*it.state.snapshot.faults] == ["camera", "camera rear"]
        told = [text.partition(": ")[0] for kind, text in it.told if kind in {"camera", "fault"}]
        assert told == [
            "The camera 'rear' was switched on.",
            "The camera 'front' failed",
            "The camera 'rear' was switched off.",
            "The camera 'rear' failed",
        ]
        assert [event.device for event in it.parts.telemetry.events.after() if event.kind == "camera"] == ["rear"] * 2


async def test_a_name_that_no_camera_has_is_refused_with_those_there_are() -> None:
    async with two_cameras() as it:
        assert it.parts.cameras.choose(None) is it.parts.camera is it.parts.cameras.choose("front")
        with pytest.raises(ArgumentError, match=r"There is no camera 'left'; there are: front, rear\."):
            it.parts.cameras.choose("left")
