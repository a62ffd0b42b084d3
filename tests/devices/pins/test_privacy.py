"""Privacy comes first: the indicator LED, and the switch that keeps the camera off."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import TextResourceContents

from hw_mocks.platform import simulated_platform
from robot_node.core.state import CameraState, act_for
from robot_node.devices.camera.watchdog import switch_on_at_start
from robot_node.devices.face import signs_of
from robot_node.errors import DeviceError, NotReadyError
from robot_node.robot.saved_state import camera_comes_on
from tests.devices.pins.rig import LED, PRIVACY, SWITCH, Rig, robot, without_library
from tests.waiting import DEADLINE_S, eventually


async def control_camera(robot: Rig, *, enabled: bool) -> Any:
    return await robot.server.call_tool("control_camera", {"enabled": enabled})


def camera(robot: Rig) -> CameraState:
    return robot.state.snapshot.camera


def capturing(robot: Rig) -> bool:
    return robot.pi.sensor.capturing


def engaged(robot: Rig) -> bool:
    return robot.state.snapshot.privacy


async def ready(robot: Rig) -> None:
    """Close the switch, and wait until the robot knows."""
    robot.pi.gpio.press(SWITCH)
    await eventually(lambda: not robot.state.snapshot.privacy)


async def test_the_led_is_lit_before_the_sensor_captures_and_dark_after_it_stopped() -> None:
    async with robot(privacy={"led_pin": LED}) as it:
        levels: list[tuple[float, bool]] = []
        it.pi.gpio.pin(LED).on_level = lambda level: levels.append((level, it.pi.sensor.capturing))
        await it.parts.camera.start()
        assert capturing(it)
        assert it.pi.gpio.level(LED) == 1
        await it.parts.camera.stop()
        assert levels == [(1.0, False), (0.0, False)]


async def test_an_led_that_a_low_level_lights() -> None:
    async with robot(privacy={"led_pin": LED, "led_active_high": False}) as it:
        assert it.pi.gpio.level(LED) == 1
        await it.parts.camera.start()
        assert it.pi.gpio.level(LED) == 0


@pytest.mark.parametrize("fault", ["broken", "stuck"])
async def test_without_the_led_the_camera_does_not_come_on(fault: str) -> None:
    async with robot(privacy={"led_pin": LED}) as it:
        setattr(it.pi.gpio.pin(LED), fault, True)
        with pytest.raises(DeviceError, match=f"The indicator LED on GPIO{LED} cannot be"):
            await it.parts.camera.start()
        assert it.pi.sensor.starts == 0
        assert camera(it) is CameraState.FAILED
        assert f"GPIO{LED}" in it.state.snapshot.fault("camera")
        setattr(it.pi.gpio.pin(LED), fault, False)
        await it.parts.camera.start()
        assert it.pi.gpio.level(LED) == 1


@pytest.mark.parametrize("fault", ["broken", "stuck"])
async def test_an_led_that_cannot_be_switched_off_goes_dark_as_soon_as_it_can(fault: str) -> None:
    async with robot(privacy={"led_pin": LED, "led_check_s": 0.01}) as it:
        await it.parts.camera.start()
        setattr(it.pi.gpio.pin(LED), fault, True)
        await it.parts.camera.stop()
        assert not capturing(it)
        setattr(it.pi.gpio.pin(LED), fault, False)
        await eventually(lambda: it.pi.gpio.level(LED) == 0, "the LED is dark")
        await it.parts.camera.start()
        assert it.pi.gpio.level(LED) == 1


async def test_an_indicator_led_that_cannot_be_used_is_a_fault_until_it_can() -> None:
    pi = simulated_platform(scene="clock")
    pi.gpio.pin(LED).broken = True
    async with robot(pi, privacy={"led_pin": LED}) as it:
        assert f"GPIO{LED}" in it.state.snapshot.fault("indicator LED")
        pi.gpio.pin(LED).broken = False
        await it.parts.camera.start()
        assert not it.state.snapshot.faults


@pytest.mark.parametrize(("fault", "value"), [("held", 0.0), ("broken", True)])
async def test_an_led_that_goes_dark_while_the_camera_is_on_switches_it_off(fault: str, value: object) -> None:
    async with robot(privacy={"led_pin": LED, "led_check_s": 0.01}) as it:
        await control_camera(it, enabled=True)
        setattr(it.pi.gpio.pin(LED), fault, value)
        await eventually(lambda: camera(it) is CameraState.FAILED)
        assert not capturing(it)
        assert f"GPIO{LED}" in it.state.snapshot.fault("camera")
        (reason,) = [event for event in it.parts.telemetry.events.after() if event.kind == "fault"]
        assert f"The indicator LED on GPIO{LED}" in reason.text
        await it.parts.camera.restart()  # a hand must see to the LED first
        assert await it.parts.camera.is_delivering_frames() is None
        assert camera(it) is CameraState.FAILED
        with pytest.raises(ToolError, match=f"GPIO{LED} cannot be"):
            await control_camera(it, enabled=True)
        setattr(it.pi.gpio.pin(LED), fault, type(it.pi.gpio.pin(LED)).__dict__[fault])
        await control_camera(it, enabled=True)
        assert capturing(it)
        assert it.pi.gpio.level(LED) == 1


async def test_an_led_that_was_switched_off_is_watched_no_more() -> None:
    def watchers() -> list[str]:
        return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "indicator LED"]

    async with robot(privacy={"led_pin": LED, "led_check_s": 0.01}) as it:
        await it.parts.camera.start()
        assert watchers()
        await it.parts.camera.stop()
        await eventually(lambda: not watchers())


async def test_a_missing_pin_library_is_explained_at_start_and_keeps_the_camera_off() -> None:
    pi = simulated_platform(scene="clock")
    platform = replace(pi.platform, pin_factory=without_library)
    for privacy, error in (({"led_pin": LED}, DeviceError), ({"switch_pin": SWITCH}, NotReadyError)):
        async with robot(pi, platform=platform, privacy=privacy) as it:
            assert any(kind == "fault" and "Install the pin library" in text for kind, text in it.told)
            with pytest.raises(error, match="no library"):
                await it.parts.camera.start()
            assert pi.sensor.starts == 0


async def test_while_it_is_engaged_nobody_can_switch_the_camera_on() -> None:
    async with robot(privacy=PRIVACY) as it:
        assert it.state.snapshot.privacy, "open: a cut wire means privacy"
        with pytest.raises(ToolError, match=r"privacy switch of the robot is engaged.*person at the robot"):
            await control_camera(it, enabled=True)
        with pytest.raises(ToolError, match="privacy switch of the robot is engaged"):
            await it.server.call_tool("take_photo", {})
        assert it.pi.sensor.starts == 0
        assert camera(it) is CameraState.OFF
        assert not [kind for kind, _ in it.told if kind == "fault"]
        assert signs_of(it.state.snapshot).privacy


async def test_a_photo_that_switches_the_camera_on_needs_privacy_disengaged_and_lights_the_led() -> None:
    async with robot(privacy=PRIVACY, camera={"photo_switches_on": True}) as it:
        with pytest.raises(ToolError, match="privacy switch of the robot is engaged"):
            await it.server.call_tool("take_photo", {})
        assert it.pi.sensor.starts == 0
        await ready(it)
        levels: list[tuple[float, bool]] = []
        it.pi.gpio.pin(LED).on_level = lambda level: levels.append((level, capturing(it)))
        await it.server.call_tool("take_photo", {})
        await eventually(lambda: camera(it) is CameraState.OFF)
        assert levels == [(1.0, False), (0.0, False)], "on before the sensor captures, off after it"
        it.pi.gpio.pin(LED).broken = True
        with pytest.raises(ToolError, match=f"GPIO{LED} cannot be"):
            await it.server.call_tool("take_photo", {})
        assert not capturing(it)
        assert it.pi.sensor.starts == 1


async def test_engaging_it_switches_the_camera_off_and_what_is_off_stays_off() -> None:
    async with robot(privacy=PRIVACY) as it:
        await ready(it)
        it.parts.camera.set_watched(True)  # VideoSource's signature
        await control_camera(it, enabled=True)
        await eventually(lambda: len(it.frames) > 2)
        it.pi.gpio.release(SWITCH)
        await eventually(lambda: engaged(it))
        seen = len(it.frames)
        await eventually(lambda: camera(it) is CameraState.OFF)
        assert not capturing(it)
        assert it.pi.gpio.level(LED) == 0
        assert len(it.frames) == seen, "not one more picture"
        await ready(it)
        assert camera(it) is CameraState.OFF
        await control_camera(it, enabled=True)
        assert capturing(it)
        assert [text for kind, text in it.told if kind == "privacy"] == [
            "The privacy switch is engaged: the camera cannot be switched on.",
            "The privacy switch is disengaged: the camera may be switched on.",
            "The privacy switch is engaged: the camera cannot be switched on.",
            "The privacy switch is disengaged: the camera may be switched on.",
        ]


@pytest.mark.parametrize(
    ("privacy", "told"),
    [
        ({"engaged_when": "closed"}, []),  # as the demo has it, whose switch is open at first
        ({"engaged_when": "open"}, ["The privacy switch is engaged: the camera cannot be switched on."]),
        ({"switch_kind": "button"}, ["The privacy switch is engaged: the camera cannot be switched on."]),
    ],
)
async def test_at_start_there_is_no_event_but_of_a_switch_that_is_engaged(
    privacy: dict[str, Any], told: list[str]
) -> None:
    async with robot(privacy=PRIVACY | privacy) as it:
        assert [text for kind, text in it.told if kind == "privacy"] == told
        assert engaged(it) is bool(told)


async def test_a_camera_that_is_waited_for_at_start_stays_off_once_privacy_was_engaged() -> None:
    async with robot(privacy=PRIVACY) as it:

        async def engage_and_release(_: float) -> None:
            it.pi.gpio.release(SWITCH)
            await eventually(lambda: engaged(it))
            it.pi.sensor.absent = False
            await ready(it)

        await ready(it)
        it.pi.sensor.absent = True
        await switch_on_at_start(it.parts.camera, it.state, sleep=engage_and_release)
        assert it.pi.sensor.starts == 0
        assert it.state.snapshot.camera_wanted is False  # after a restart, too


async def test_it_is_engaged_while_the_camera_is_being_opened() -> None:
    async with robot(privacy=PRIVACY) as it:
        await ready(it)
        start = it.pi.sensor.start

        def engage_and_start(width: int, height: int) -> Any:
            it.pi.gpio.release(SWITCH)
            return start(width, height)

        it.pi.sensor.start = engage_and_start  # type: ignore[method-assign]  # a hand at the worst moment
        with pytest.raises(ToolError, match="privacy switch"):
            await control_camera(it, enabled=True)
        await eventually(lambda: camera(it) is CameraState.OFF)
        assert not capturing(it)
        assert it.pi.gpio.level(LED) == 0


async def test_engaged_while_a_start_waits_for_its_first_picture_it_fails_the_start_and_is_remembered() -> None:
    async with robot(privacy=PRIVACY) as it:
        await ready(it)
        it.pi.sensor.stalled = True
        with act_for("agent-1"):
            starting = asyncio.create_task(control_camera(it, enabled=True))
        await eventually(lambda: capturing(it))
        it.pi.gpio.release(SWITCH)
        await eventually(lambda: engaged(it))
        it.pi.sensor.stalled = False  # the picture comes, too late
        with pytest.raises(ToolError, match="privacy switch of the robot is engaged"):
            await starting
        assert camera(it) is CameraState.OFF
        assert not capturing(it)
        assert it.pi.gpio.level(LED) == 0
        assert it.state.snapshot.camera_wanted is False
        assert not camera_comes_on(False, on_at_start=True, on_after_restart=True)
        (off,) = [event for event in it.parts.telemetry.events.after() if event.kind == "camera"]
        assert (off.text, off.by) == ("The camera was switched off.", ""), "by a hand, and not by the agent"


@pytest.mark.parametrize(("held", "expected"), [("Encoder", ["Encoder"]), ("H264Encoder", ["Encoder", "H264Encoder"])])
async def test_engaged_while_an_encoder_starts_it_starts_no_other_and_leaves_none_behind(
    held: str, expected: list[str]
) -> None:
    """The camera starts two of them, one after the other; the switch is moved while one is starting."""
    starting, go_on = threading.Event(), threading.Event()
    started = list[tuple[str, Any]]()
    pi = simulated_platform(scene="clock")
    library = pi.platform.camera_library()

    def slow(part: str) -> type:
        base = getattr(library, part)

        def start(encoder: Any, quality: object = None) -> None:
            started.append((part, encoder))
            if part == held:
                starting.set()
                go_on.wait(DEADLINE_S)
            base.start(encoder, quality)

        return type(f"Slow{part}", (base,), {"start": start})

    parts = replace(library, Encoder=slow("Encoder"), H264Encoder=slow("H264Encoder"))
    async with robot(pi, platform=replace(pi.platform, camera_library=lambda: parts), privacy=PRIVACY) as it:
        await ready(it)
        it.parts.camera.set_watched(True)
        it.parts.camera.set_raw_watched(True)
        switching_on = asyncio.create_task(control_camera(it, enabled=True))
        await eventually(starting.is_set)
        it.pi.gpio.release(SWITCH)
        await eventually(lambda: engaged(it))
        it.parts.camera.set_watched(False)
        it.parts.camera.set_watched(True)
        go_on.set()
        with pytest.raises(ToolError, match="privacy switch of the robot is engaged"):
            await switching_on
        await eventually(lambda: camera(it) is CameraState.OFF)
        assert [part for part, _ in started] == expected
        assert not any(encoder.running for _, encoder in started)
        assert not it.frames


async def test_a_switch_that_cannot_be_read_counts_as_engaged() -> None:
    async with robot(privacy=PRIVACY) as it:
        await ready(it)
        it.pi.gpio.pin(SWITCH).broken = True
        with pytest.raises(ToolError, match=rf"cannot be read: The privacy switch on GPIO{SWITCH}"):
            await control_camera(it, enabled=True)
        assert engaged(it)
        assert f"GPIO{SWITCH}" in it.state.snapshot.fault("privacy")
        it.pi.gpio.pin(SWITCH).broken = False
        await control_camera(it, enabled=True)
        assert not engaged(it)
        assert it.state.snapshot.fault("privacy") == ""


async def test_a_switch_that_means_privacy_when_closed() -> None:
    async with robot(privacy={**PRIVACY, "engaged_when": "closed"}) as it:
        assert not engaged(it)
        it.pi.gpio.press(SWITCH)
        await eventually(lambda: engaged(it))


async def test_a_button_is_engaged_from_the_start_and_each_press_changes_it() -> None:
    async with robot(privacy={**PRIVACY, "switch_kind": "button"}) as it:
        assert engaged(it)

        def changed_to(wanted: bool) -> bool:
            return engaged(it) is wanted

        for wanted in (False, True, False):
            it.pi.gpio.press(SWITCH)
            await eventually(functools.partial(changed_to, wanted))
            it.pi.gpio.release(SWITCH)
        await control_camera(it, enabled=True)
        it.pi.gpio.press(SWITCH)
        await eventually(lambda: camera(it) is CameraState.OFF)


async def test_without_privacy_settings_no_pin_is_used() -> None:
    pi = simulated_platform(scene="clock")
    async with robot(pi, platform=replace(pi.platform, pin_factory=without_library)) as it:
        await control_camera(it, enabled=True)
        assert not engaged(it)
        assert not [text for kind, text in it.told if kind == "fault"]


async def test_status_and_the_camera_s_resource_say_so() -> None:
    async with robot(privacy=PRIVACY) as it, Client(it.server) as client:
        status = await client.call_tool("get_status", {})
        assert status.structured_content is not None
        assert status.structured_content["privacy"] is True
        (content,) = (await client.read_resource("robot://camera")).contents
        assert isinstance(content, TextResourceContents)
        assert json.loads(content.text)["privacy"] is True


async def test_whoever_switches_the_camera_last_is_remembered_and_the_robot_itself_is_not_asked() -> None:
    async with robot(privacy=PRIVACY) as it:
        wanted: list[bool | None] = []
        await ready(it)
        assert it.state.snapshot.camera_wanted is None
        await control_camera(it, enabled=True)
        wanted.append(it.state.snapshot.camera_wanted)
        await control_camera(it, enabled=False)
        wanted.append(it.state.snapshot.camera_wanted)
        await control_camera(it, enabled=True)
        it.pi.gpio.release(SWITCH)  # a hand engages privacy
        await eventually(lambda: camera(it) is CameraState.OFF)
        wanted.append(it.state.snapshot.camera_wanted)
        assert wanted == [True, False, False]
        await ready(it)
        await control_camera(it, enabled=True)
    assert camera(it) is CameraState.OFF
    assert it.state.snapshot.camera_wanted is True, "a robot that leaves was not told to switch its camera off"
