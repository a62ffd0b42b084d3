"""A driver, or a library below it, that makes a mistake of whatever kind: it is logged, reported, and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.core.media import FRAME_SAMPLES
from robot_node.core.state import CameraState, RobotSnapshot, RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.devices.display import Display
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.devices.platform import SoundLibrary
from robot_node.errors import DeviceError
from robot_node.settings.devices import CameraSettings, DisplaySettings
from tests.waiting import DEADLINE_S


class Clumsy:
    """Something of a library's that makes a mistake the first time, as no driver expects."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self.real = real
        self.crashed = False

    def __call__(self, *arguments: Any) -> Any:
        if not self.crashed:
            self.crashed = True
            raise ZeroDivisionError("a mistake")
        return self.real(*arguments)


async def until(state: RobotState, condition: Callable[[RobotSnapshot], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async for snapshot in state.changes():
            if condition(snapshot):
                return


def told(what: str) -> str:
    return f"The {what}'s driver crashed: ZeroDivisionError: a mistake."


async def test_the_display(caplog: pytest.LogCaptureFixture) -> None:
    pi, state, reported = simulated_platform(scene="clock"), RobotState(), list[str]()
    state.listen(lambda snapshot: reported.append(snapshot.fault("display")))
    platform = replace(pi.platform, i2c=Clumsy(pi.platform.i2c))
    display = Display(platform, DisplaySettings(), state, retry_initial_s=0.01)
    try:
        await display.open()
        await until(state, lambda snapshot: reported != [] and not snapshot.fault("display"))
        assert reported == [told("display"), ""]
        assert display.answers
    finally:
        await display.close()
    assert caplog.text.count("ZeroDivisionError: a mistake\n") == 1


async def test_the_display_after_its_bus_was_opened_and_the_bus_is_closed() -> None:
    pi, state = simulated_platform(scene="clock"), RobotState()

    def opened(bus: int, address: int) -> Any:
        serial = pi.platform.i2c(bus, address)
        serial.command = clumsy if not clumsy.crashed else serial.command
        return serial

    clumsy = Clumsy(lambda *_: None)
    display = Display(replace(pi.platform, i2c=opened), DisplaySettings(), state, retry_initial_s=0.01)
    try:
        await display.open()
        await until(state, lambda snapshot: clumsy.crashed and not snapshot.fault("display"))
        assert display.answers
        assert pi.i2c.open_interfaces == 1
    finally:
        await display.close()
    assert pi.i2c.open_interfaces == 0


def clumsy_sound(library: SoundLibrary) -> Callable[[], SoundLibrary]:
    return Clumsy(lambda: library)


async def test_the_microphone() -> None:
    pi, state = simulated_platform(scene="clock"), RobotState()
    platform = replace(pi.platform, sound_library=clumsy_sound(pi.platform.sound_library()))
    microphone = Microphone(platform, "default", state, retry_s=0.01)
    heard = asyncio.Event()
    try:
        microphone.set_sink(lambda _: heard.set())
        microphone.set_listened(True)
        await until(state, lambda snapshot: snapshot.fault("microphone") == told("microphone"))
        async with asyncio.timeout(DEADLINE_S):
            await heard.wait()
        assert state.snapshot.fault("microphone") == ""
    finally:
        await microphone.close()


async def test_the_loudspeaker() -> None:
    pi, state = simulated_platform(scene="clock"), RobotState()
    platform = replace(pi.platform, sound_library=clumsy_sound(pi.platform.sound_library()))
    loudspeaker = Loudspeaker(platform, "default", state, retry_s=0.01, volume_control="none")
    try:
        loudspeaker.play(bytes(2 * FRAME_SAMPLES * 10))
        await until(state, lambda snapshot: snapshot.fault("loudspeaker") == told("loudspeaker"))
        async with asyncio.timeout(DEADLINE_S):
            while state.snapshot.fault("loudspeaker"):
                loudspeaker.play(bytes(2 * FRAME_SAMPLES * 10))
                await asyncio.sleep(0.02)
    finally:
        await loudspeaker.close()


async def test_the_camera_s_library_while_it_is_loaded() -> None:
    pi, state, seen = simulated_platform(scene="clock"), RobotState(), list[CameraState]()
    state.listen(lambda snapshot: seen.append(snapshot.camera))
    platform = replace(pi.platform, camera_library=Clumsy(pi.platform.camera_library))
    camera = Camera(platform, CameraSettings(), state)
    try:
        with pytest.raises(DeviceError, match=r"library fails .*: ZeroDivisionError: a mistake\. 'robot-node doctor'"):
            await camera.start()
        assert seen.pop() is CameraState.FAILED
        await camera.start()
        assert seen.pop() is CameraState.ON
    finally:
        await camera.close()
