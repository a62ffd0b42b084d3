"""The robot reacts by itself, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from robot_node.core.state import CallState, CameraState, InputState, RobotSnapshot
from robot_node.robot.reactions import matches
from robot_node.settings.loading import load_settings
from robot_node.settings.reactions import ReactionSettings, When
from tests.devices.pins.rig import Rig, robot
from tests.robots import reactions_of
from tests.waiting import eventually

BUTTON, LAMP, NECK, WHEEL, BACK, BEEPER, MOOD = 22, 5, 18, 20, 21, 19, [12, 13, 16]

PINS: dict[str, Any] = {
    "inputs": {"button": {"kind": "button", "pin": BUTTON}},
    "outputs": {
        "lamp": {"kind": "led", "pin": LAMP},
        "mood": {"kind": "rgb_led", "pins": MOOD},
        "neck": {"kind": "servo", "pin": NECK, "max_speed": 2000},
        "wheel": {"kind": "motor", "pins": [WHEEL, BACK], "max_acceleration": 1000},
        "beeper": {"kind": "buzzer", "pin": BEEPER},
    },
}


@asynccontextmanager
async def reacting(*rules: dict[str, Any]) -> AsyncIterator[Rig]:
    table = {"rules": list(rules)}
    settings = load_settings(None, {"display": {"driver": "none"}, "pins": PINS, "reactions": table})
    async with robot(pins=PINS) as it:
        task = asyncio.create_task(reactions_of(it.parts, settings.reactions.rules).run())
        await asyncio.sleep(0)
        yield it
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()


async def test_a_button_changes_the_face_shows_a_text_and_lights_a_lamp() -> None:
    async with reacting(
        {"when": {"input": "button"}, "then": {"emotion": "happy", "text": "Hello!", "output": "lamp", "on": True}},
        {"when": {"input": "button", "is": "inactive"}, "then": {"emotion": "neutral", "output": "lamp", "on": False}},
    ) as it:
        before = it.parts.face.picture.tobytes()
        it.pi.gpio.press(BUTTON)
        await eventually(lambda: it.state.snapshot.emotion == "happy" and it.pi.gpio.level(LAMP) == 1)
        await eventually(lambda: it.parts.face.picture.tobytes() != before)
        it.pi.gpio.release(BUTTON)
        await eventually(lambda: it.state.snapshot.emotion == "neutral" and it.pi.gpio.level(LAMP) == 0)


async def test_every_kind_of_output_can_react() -> None:
    async with reacting(
        {"when": {"camera": "on"}, "then": {"output": "mood", "colour": "#ff0000"}},
        {"when": {"camera": "on"}, "then": {"output": "neck", "angle": 90}},
        {"when": {"camera": "on"}, "then": {"output": "wheel", "speed": -1, "duration_s": 5}},
        {"when": {"camera": "on"}, "then": {"output": "beeper", "duration_s": 2}},
        {"when": {"camera": "off"}, "then": {"stop_all": True}},
    ) as it:
        gpio = it.pi.gpio
        await it.parts.camera.start()
        await eventually(lambda: [gpio.level(pin) for pin in (*MOOD, BACK, BEEPER)] == [1, 0, 0, 1, 1])
        await eventually(lambda: gpio.pulse_ms(NECK) == pytest.approx(2.0, abs=0.01))
        await it.parts.camera.stop()
        await eventually(lambda: [gpio.level(pin) for pin in (BACK, BEEPER)] == [0, 0])


async def test_a_reaction_that_fails_does_not_end_the_others() -> None:
    async with reacting(
        {"when": {"camera": "on"}, "then": {"output": "lamp", "on": True}},
        {"when": {"camera": "on"}, "then": {"emotion": "surprised"}},
    ) as it:
        it.pi.gpio.pin(LAMP).broken = True
        await it.parts.camera.start()
        await eventually(lambda: it.state.snapshot.emotion == "surprised")
        it.pi.gpio.pin(LAMP).broken = False


PRESSED, RELEASED = {"button": InputState("button", active=True)}, {"button": InputState("button", active=False)}


@pytest.mark.parametrize(
    ("when", "before", "now"),
    [
        ({"input": "button"}, {"inputs": RELEASED}, {"inputs": PRESSED}),
        ({"input": "button", "is": "inactive"}, {"inputs": PRESSED}, {"inputs": RELEASED}),
        ({"motion": "door"}, {"motion": {"door": False}}, {"motion": {"door": True}}),
        ({"motion": "door", "is": "inactive"}, {"motion": {"door": True}}, {"motion": {"door": False}}),
        ({"detected": "cat"}, {"detected": ("dog",)}, {"detected": ("cat", "dog")}),
        ({"detected": "cat", "is": "inactive"}, {"detected": ("cat",)}, {}),
        ({"camera": "failed"}, {}, {"camera": CameraState.FAILED}),
        ({"privacy": True}, {}, {"privacy": True}),
        ({"privacy": False}, {"privacy": True}, {}),
        ({"viewers": "came"}, {"viewers": 1}, {"viewers": 2}),
        ({"viewers": "left"}, {"viewers": 2}, {"viewers": 1}),
        ({"viewers": "some"}, {}, {"viewers": 1}),
        ({"viewers": "none"}, {"viewers": 1}, {}),
        ({"connected": False}, {"mcp_connected": True}, {}),
        ({"listening": True}, {}, {"listening": True}),
        ({"call": "connected"}, {}, {"call": CallState.CONNECTED}),
    ],
)
def test_a_rule_matches_a_change_to_what_it_waits_for(
    when: dict[str, Any], before: dict[str, Any], now: dict[str, Any]
) -> None:
    start = RobotSnapshot(inputs=RELEASED)
    was, is_ = replace(start, **before), replace(start, **now)
    waited_for = When.model_validate(when)
    assert matches(waited_for, was, is_)
    assert not matches(waited_for, is_, was)
    assert not matches(waited_for, is_, is_)


def test_the_first_look_at_an_input_is_no_change() -> None:
    unknown = RobotSnapshot(inputs={"button": InputState("button")})
    assert not matches(When(input="button"), unknown, RobotSnapshot(inputs=PRESSED))


async def test_without_rules_nothing_waits() -> None:
    async with robot() as it:
        await asyncio.wait_for(reactions_of(it.parts, ReactionSettings().rules).run(), 45)
