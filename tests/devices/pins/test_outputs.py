"""Outputs as an agent uses them: through the tools, on simulated pins."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp_types import TextContent, Tool

from hw_mocks.platform import simulated_platform
from tests.devices.pins.rig import Rig, robot, without_library
from tests.waiting import eventually

LAMP, GLOW, RED, GREEN, BLUE, BEEPER, PAN, TILT, AHEAD, BACK = 5, 6, 12, 13, 16, 19, 18, 20, 21, 26

OUTPUTS: dict[str, dict[str, Any]] = {
    "lamp": {"kind": "led", "pin": LAMP},
    "glow": {"kind": "pwm_led", "pin": GLOW, "active_high": False},
    "mood": {"kind": "rgb_led", "pins": [RED, GREEN, BLUE]},
    "beeper": {"kind": "buzzer", "pin": BEEPER, "max_duration_s": 1.5},
    "pan": {"kind": "servo", "pin": PAN, "limits": [-45, 45], "max_speed": 2000},
    "tilt": {
        "kind": "servo",
        "pin": TILT,
        "angles": [0, 180],
        "pulses_ms": [0.5, 2.5],
        "limits": [60, 120],
        "start_angle": 90,
        "max_speed": 2000,
    },
    "wheel": {"kind": "motor", "pins": [AHEAD, BACK], "max_speed": 0.5, "max_acceleration": 100, "max_duration_s": 30},
}
PINS = {"outputs": OUTPUTS, "pan": "pan", "tilt": "tilt"}


class Agent:
    """An agent, and the robot that it uses."""

    def __init__(self, robot: Rig, client: Client) -> None:
        self.robot = robot
        self.client = client

    async def call(self, tool: str, **arguments: object) -> Any:
        result = await self.client.call_tool(tool, arguments)
        if result.is_error:
            return "".join(getattr(part, "text", "") for part in result.content)
        return result.structured_content

    async def tools(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in (await self.client.list_tools()).tools}

    def level(self, gpio: int) -> float:
        return self.robot.pi.gpio.level(gpio)

    def pulse_ms(self, gpio: int) -> float:
        return self.robot.pi.gpio.pulse_ms(gpio)


@asynccontextmanager
async def agent(mode: str = "auto", **pins: Any) -> AsyncIterator[Agent]:
    async with robot(pins=pins or PINS) as it, Client(it.server, mode=mode) as client:
        yield Agent(it, client)


async def test_each_kind_has_a_tool_whose_schema_states_names_and_ranges() -> None:
    async with agent() as it:
        tools = await it.tools()
        arguments = {name: tool.input_schema["properties"] for name, tool in tools.items()}
        assert arguments["set_led"]["name"]["enum"] == ["lamp", "glow", "mood"]
        assert (arguments["move_servo"]["angle"]["minimum"], arguments["move_servo"]["angle"]["maximum"]) == (-45, 120)
        assert "pan: -45 to 45 degrees" in arguments["move_servo"]["name"]["description"]
        assert (arguments["look_at"]["tilt"]["minimum"], arguments["look_at"]["tilt"]["maximum"]) == (60, 120)
        assert (arguments["drive_motor"]["speed"]["minimum"], arguments["drive_motor"]["speed"]["maximum"]) == (
            -0.5,
            0.5,
        )
        assert arguments["drive_motor"]["duration"]["maximum"] == 30
        assert arguments["beep"]["duration"]["maximum"] == 1.5
        assert "ctx" not in str(arguments)


async def test_no_line_of_a_description_is_indented() -> None:
    async with agent() as it:
        described = {name: tool.description or "" for name, tool in (await it.tools()).items()}
        assert described["drive_motor"].count("\n\n") == 1
        assert not [name for name, text in described.items() if re.search(r"^\s", text) or re.search(r"\n[ \t]", text)]


async def test_there_are_tools_for_what_there_is_and_stop_all_always() -> None:
    ours = {"set_led", "beep", "move_servo", "look_at", "drive_motor", "stop_all"}
    async with robot() as plain, Client(plain.server) as client:
        assert ours & {tool.name for tool in (await client.list_tools()).tools} == {"stop_all"}
        assert (await client.call_tool("stop_all", {})).structured_content == {"stopped": []}
    async with agent(outputs={"lamp": OUTPUTS["lamp"]}) as it:
        assert ours & set(await it.tools()) == {"set_led", "stop_all"}


async def test_leds() -> None:
    async with agent() as it:
        assert await it.call("set_led", name="lamp", on=True) == {"name": "lamp", "brightness": 1}
        assert it.level(LAMP) == 1
        await it.call("set_led", name="lamp", on=False)
        assert it.level(LAMP) == 0
        assert await it.call("set_led", name="glow", brightness=0.25) == {"name": "glow", "brightness": 0.25}
        assert it.level(GLOW) == pytest.approx(0.75), "a low level lights it"
        await it.call("set_led", name="mood", colour="#ff8000", brightness=0.5)
        assert [it.level(pin) for pin in (RED, GREEN, BLUE)] == pytest.approx([0.5, 0.25, 0], abs=0.01)
        await it.call("set_led", name="mood", on=True)
        assert [it.level(pin) for pin in (RED, GREEN, BLUE)] == pytest.approx([1, 0.5, 0], abs=0.01)


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("set_led", {"name": "lamp"}, "Nothing to set"),
        ("set_led", {"name": "lamp", "brightness": 0.5}, "cannot be dimmed"),
        ("set_led", {"name": "glow", "colour": "#ff0000"}, "one colour only"),
        ("set_led", {"name": "mood", "colour": "red"}, "of the form"),
        ("set_led", {"name": "wheel", "on": True}, "lamp"),
        ("beep", {"name": "beeper", "duration": 9}, "1.5"),
        ("move_servo", {"name": "pan", "angle": 100}, "from -45 to 45 degrees, not to 100"),
        ("move_servo", {"name": "tilt", "angle": 0}, "from 60 to 120"),
        ("look_at", {"pan": 0, "tilt": 10}, "60"),
        ("drive_motor", {"name": "wheel", "speed": 1, "duration": 1}, "0.5"),
        ("drive_motor", {"name": "wheel", "speed": 0.5, "duration": 100}, "30"),
    ],
)
async def test_what_is_out_of_range_is_refused_and_nothing_happens(
    tool: str, arguments: dict[str, Any], reason: str
) -> None:
    async with agent() as it:
        assert reason in str(await it.call(tool, **arguments))
        assert not it.robot.on_pins.outputs.stop_all()
        assert [it.pulse_ms(pin) for pin in (PAN, TILT)] == [0, 0]


async def test_a_servo_is_without_power_until_it_is_moved_and_its_pulses_are_those_of_the_settings() -> None:
    async with agent() as it:
        assert [it.pulse_ms(pin) for pin in (PAN, TILT)] == [0, 0]
        assert await it.call("move_servo", name="pan", angle=45) == {"angle": 45, "reached": True}
        assert it.pulse_ms(PAN) == pytest.approx(1.75, abs=0.01)
        assert await it.call("look_at", pan=-45, tilt=120) == {
            "pan": {"angle": -45, "reached": True},
            "tilt": {"angle": 120, "reached": True},
        }
        assert it.pulse_ms(PAN) == pytest.approx(1.25, abs=0.01)
        assert it.pulse_ms(TILT) == pytest.approx(0.5 + 2 * 120 / 180, abs=0.01)


async def test_whoever_is_interrupted_is_told() -> None:
    async with agent() as it:
        slowly = asyncio.create_task(it.call("move_servo", name="pan", angle=45, duration=30))
        await eventually(lambda: it.pulse_ms(PAN) > 0)
        assert await it.call("stop_all") == {"stopped": ["pan"]}
        stopped = await slowly
        assert stopped["reached"] is False
        assert stopped["angle"] < 45


async def test_a_motor_drives_both_ways_and_stop_all_stops_it() -> None:
    async with agent() as it:
        assert await it.call("drive_motor", name="wheel", speed=0.5, duration=30) == {
            "name": "wheel",
            "speed": 0.5,
            "seconds": 30,
        }
        await eventually(lambda: it.level(AHEAD) == 0.5)
        await it.call("drive_motor", name="wheel", speed=-0.25, duration=30)
        await eventually(lambda: (it.level(AHEAD), it.level(BACK)) == (0, 0.25))
        assert await it.call("stop_all") == {"stopped": ["wheel"]}
        await eventually(lambda: it.level(BACK) == 0)
        await it.call("drive_motor", name="wheel", speed=0.5, duration=0.05)
        await eventually(lambda: it.level(AHEAD) > 0)
        await eventually(lambda: it.level(AHEAD) == 0)


async def test_a_motor_is_renewed_by_who_drives_it_until_it_is_over_or_others_stop_or_drive_it() -> None:
    drive = {"name": "wheel", "speed": 0.5, "duration": 30}
    async with robot(pins=PINS) as it, Client(it.server) as who, Client(it.server) as other:

        async def driven(client: Client, **arguments: object) -> str:
            (told,) = (await client.call_tool("drive_motor", {**drive, **arguments})).content
            assert isinstance(told, TextContent)
            return told.text

        gone = "no longer drives for this caller"
        assert gone in await driven(who, renew=True), "there is nothing to renew"
        await driven(who)
        assert gone not in await driven(who, renew=True, speed=-0.5)
        await eventually(lambda: it.pi.gpio.level(BACK) == 0.5)
        await other.call_tool("stop_all", {})
        assert gone in await driven(who, renew=True)
        await eventually(lambda: not it.on_pins.outputs.moving)
        await driven(who)
        await driven(other)
        assert gone in await driven(who, renew=True), "the latest command wins"
        await driven(other, renew=True, duration=0.05)
        await eventually(lambda: not it.on_pins.outputs.moving)
        assert gone in await driven(other, renew=True)
        assert it.pi.gpio.level(AHEAD) == it.pi.gpio.level(BACK) == 0


async def test_a_buzzer_sounds_in_beeps() -> None:
    async with agent() as it:
        levels: list[float] = []
        it.robot.pi.gpio.pin(BEEPER).on_level = levels.append
        assert await it.call("beep", name="beeper", duration=0.02, times=3) == {"name": "beeper", "seconds": 0.1}
        await eventually(lambda: len(levels) == 6)
        assert levels == [1, 0] * 3
        sounding = asyncio.create_task(it.call("beep", name="beeper", duration=1.5, times=10))
        await eventually(lambda: it.level(BEEPER) == 1)
        assert await it.call("stop_all") == {"stopped": ["beeper"]}
        await sounding
        await eventually(lambda: it.level(BEEPER) == 0)


async def test_of_two_who_beep_at_once_one_sounds_and_stop_all_silences_it() -> None:
    async with agent() as it:
        buzzer = it.robot.on_pins.outputs.buzzers["beeper"]
        await buzzer.beep(1.5)
        await asyncio.gather(buzzer.beep(1.5, 10), buzzer.beep(1.5, 10))
        assert await it.call("stop_all") == {"stopped": ["beeper"]}
        await buzzer.finished()
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "buzzer beeper"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_what_an_agent_set_in_motion_stops_when_its_session_ends_and_nothing_else(mode: str) -> None:
    leaves = asyncio.Event()

    async def drive_and_leave(server: MCPServer) -> None:
        async with Client(server, mode=mode) as gone:
            await gone.call_tool("drive_motor", {"name": "wheel", "speed": 0.5, "duration": 30})
            await leaves.wait()

    async with robot(pins=PINS) as it, Client(it.server, mode=mode) as stays:
        leaving = asyncio.create_task(drive_and_leave(it.server))
        turning = asyncio.create_task(stays.call_tool("move_servo", {"name": "pan", "angle": 40, "duration": 30}))
        await eventually(lambda: it.pi.gpio.level(AHEAD) == 0.5 and it.pi.gpio.pulse_ms(PAN) > 0)
        leaves.set()
        await leaving
        await eventually(lambda: it.pi.gpio.level(AHEAD) == 0)
        assert it.on_pins.outputs.servos["pan"].mover.moving
        assert it.on_pins.outputs.stop_all() == ("pan",)
        await turning


async def test_at_shutdown_all_is_still_and_dark() -> None:
    async with agent() as it:
        gpio = it.robot.pi.gpio
        await it.call("set_led", name="lamp", on=True)
        await it.call("move_servo", name="pan", angle=10)
        await it.call("drive_motor", name="wheel", speed=0.5, duration=30)
        await it.robot.on_pins.outputs.buzzers["beeper"].beep(1.5)
        await eventually(lambda: it.level(AHEAD) == 0.5)
    assert [gpio.level(pin) for pin in (LAMP, AHEAD, BACK, BEEPER)] == [0, 0, 0, 0]
    assert gpio.pulse_ms(PAN) == 0
    assert not any(gpio.factory._reservations.values())


async def test_what_cannot_be_used_is_explained_at_start_and_in_the_error_and_the_rest_works() -> None:
    pi = simulated_platform(scene="clock")
    async with robot(pi, platform=replace(pi.platform, pin_factory=without_library), pins=PINS) as it:
        assert len([text for kind, text in it.told if kind == "fault" and "Install the pin library" in text]) == 7
        async with Client(it.server) as client:
            result = await client.call_tool("set_led", {"name": "lamp", "on": True})
            assert result.is_error
            assert "Install the pin library" in str(result.content)
    pi.gpio.pin(LAMP).broken = True
    async with robot(pi, pins=PINS) as it, Client(it.server) as client:
        assert [text for kind, text in it.told if kind == "fault" and "'lamp' on GPIO5 cannot be used" in text]
        assert list(it.state.snapshot.faults) == ["output lamp"]
        assert not (await client.call_tool("set_led", {"name": "glow", "on": True})).is_error
        pi.gpio.pin(LAMP).broken = False
        assert not (await client.call_tool("set_led", {"name": "lamp", "on": True})).is_error
        assert not it.state.snapshot.faults
        assert ("recovered", "Output lamp: works again.") in it.told
        assert pi.gpio.level(LAMP) == 1


async def test_the_status_tells_what_each_output_does_and_each_input_sees() -> None:
    pins: dict[str, Any] = {
        "outputs": {
            "lamp": {"kind": "led", "pin": 5},
            "eyes": {"kind": "rgb_led", "pins": [13, 19, 26]},
            "horn": {"kind": "buzzer", "pin": 16},
            "neck": {"kind": "servo", "pin": 18},
            "wheel": {"kind": "motor", "pins": [20, 21]},
        },
        "inputs": {"doorbell": {"kind": "button", "pin": 22}},
    }
    async with robot(pins=pins) as it, Client(it.server) as client:

        async def status() -> dict[str, Any]:
            return (await client.call_tool("get_status", {})).structured_content or {}

        before = await status()
        assert before["outputs"] == {"lamp": 0, "eyes": "#000000", "horn": False, "neck": 0, "wheel": 0}
        assert before["inputs"] == {"doorbell": False}
        assert not {"versions", "streaming", "camera_error", "volume"} & set(before)
        for tool, arguments in (
            ("set_led", {"name": "lamp", "on": True}),
            ("set_led", {"name": "eyes", "colour": "#ff8000"}),
            ("move_servo", {"name": "neck", "angle": 30}),
        ):
            assert not (await client.call_tool(tool, arguments)).is_error
        it.pi.gpio.press(22)
        await eventually(lambda: it.state.snapshot.inputs["doorbell"].active)
        now = await status()
        assert now["outputs"] == {"lamp": 1, "eyes": "#ff8000", "horn": False, "neck": 30, "wheel": 0}
        assert now["inputs"] == {"doorbell": True}


@pytest.mark.parametrize(
    ("led", "offered"),
    [
        ({"kind": "led", "pin": 5}, {"name", "on"}),
        ({"kind": "pwm_led", "pin": 5}, {"name", "on", "brightness"}),
        ({"kind": "rgb_led", "pins": [13, 19, 26]}, {"name", "on", "brightness", "colour"}),
    ],
)
async def test_only_what_an_led_can_do_is_offered(led: dict[str, Any], offered: set[str]) -> None:
    async with robot(pins={"outputs": {"lamp": led}}) as it, Client(it.server) as client:
        (tool,) = [each for each in (await client.list_tools()).tools if each.name == "set_led"]
        assert set(tool.input_schema["properties"]) == offered
