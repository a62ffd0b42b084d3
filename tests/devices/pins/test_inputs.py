"""Inputs as an agent reads and follows them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextResourceContents

from hw_mocks.platform import simulated_platform
from robot_node.core.state import InputState
from robot_node.tools.resources import ResourceAnnouncer
from tests.devices.pins.rig import Rig, robot, without_library
from tests.waiting import DEADLINE_S, eventually

BUTTON, MOTION, LINE, TRIGGER, ECHO = 22, 23, 24, 25, 8

PINS: dict[str, Any] = {
    "inputs": {
        "doorbell": {"kind": "button", "pin": BUTTON},
        "hall": {"kind": "motion_sensor", "pin": MOTION},
        "floor": {"kind": "line_sensor", "pin": LINE, "active_high": False},
    }
}


async def read(robot: Rig, name: str) -> dict[str, Any]:
    async with Client(robot.server) as client:
        (content,) = (await client.read_resource(f"robot://pins/{name}")).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    now = json.loads(content.text)
    assert isinstance(now, dict)
    return now


def active(robot: Rig, name: str) -> bool | None:
    return robot.state.snapshot.inputs[name].active


async def test_each_input_is_a_resource_and_its_changes_are_events() -> None:
    async with robot(pins=PINS) as it:
        async with Client(it.server) as client:
            listed = {str(resource.uri) for resource in (await client.list_resources()).resources}
        assert {"robot://pins/doorbell", "robot://pins/hall", "robot://pins/floor"} <= listed
        assert await read(it, "doorbell") == {
            "name": "doorbell",
            "kind": "button",
            "active": False,
            "distance_m": None,
            "error": "",
        }
        it.pi.gpio.press(BUTTON)
        await eventually(lambda: active(it, "doorbell") is True)
        assert (await read(it, "doorbell"))["active"] is True
        it.pi.gpio.release(BUTTON)
        await eventually(lambda: active(it, "doorbell") is False)
        it.pi.gpio.drive(MOTION, high=True)
        await eventually(lambda: active(it, "hall") is True)
        it.pi.gpio.drive(LINE, high=True)
        await eventually(lambda: active(it, "floor") is False)
        assert [text for kind, text in it.told if kind == "input"] == [
            "Button doorbell was pressed.",
            "Button doorbell was released.",
            "Motion sensor hall sees motion.",
            "Line sensor floor no longer sees a line.",
        ]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("button", ["Button here was pressed.", "Button here was released."]),
        ("switch", ["Switch here was closed.", "Switch here was opened."]),
        ("motion_sensor", ["Motion sensor here sees motion.", "Motion sensor here no longer sees motion."]),
        ("line_sensor", ["Line sensor here sees a line.", "Line sensor here no longer sees a line."]),
        ("touch_sensor", ["Touch sensor here is touched.", "Touch sensor here is no longer touched."]),
    ],
)
async def test_an_event_names_the_input(kind: str, texts: list[str]) -> None:
    async with robot(pins={"inputs": {"here": {"kind": kind, "pin": BUTTON}}}) as it:
        rests_high = kind in {"button", "switch"}  # which are between pin and ground
        for high in (not rests_high, rests_high):
            it.pi.gpio.drive(BUTTON, high=high)
            await eventually(lambda high=high: active(it, "here") is (high is not rests_high))  # type: ignore[misc]  # a lambda's default
        assert [text for kind, text in it.told if kind == "input"] == texts


async def test_whoever_follows_an_input_is_told_of_its_changes_only() -> None:
    async with robot(pins=PINS) as it:
        told: asyncio.Queue[str] = asyncio.Queue()
        task = asyncio.create_task(ResourceAnnouncer(it.parts.telemetry, told.put_nowait, settle_s=0.02).run())
        await asyncio.sleep(0)
        it.pi.gpio.press(BUTTON)
        async with asyncio.timeout(DEADLINE_S):
            changed = {await told.get() for _ in range(3)}
            assert changed == {"robot://pins/doorbell", "robot://events", "robot://status"}
        task.cancel()


async def test_a_distance_alone_does_not_change_the_status() -> None:
    async with robot(pins=PINS) as it:
        told: asyncio.Queue[str] = asyncio.Queue()
        task = asyncio.create_task(ResourceAnnouncer(it.parts.telemetry, told.put_nowait, settle_s=0.02).run())
        await asyncio.sleep(0)
        for metres, near in ((1.0, False), (1.2, False), (0.2, True)):
            it.state.update(inputs={**it.state.snapshot.inputs, "eyes": InputState("distance_sensor", near, metres)})
            async with asyncio.timeout(DEADLINE_S):
                first = {await told.get()}
                if metres != 1.2:  # a new input, or another answer to whether something is near
                    first.add(await told.get())
            assert first == {"robot://pins/eyes"} | ({"robot://status"} if metres != 1.2 else set())
        assert told.empty()
        task.cancel()


async def test_an_input_that_cannot_be_read_says_why_and_the_others_work() -> None:
    pi = simulated_platform(scene="clock")
    async with robot(pi, platform=replace(pi.platform, pin_factory=without_library), pins=PINS) as it:
        now = await read(it, "doorbell")
        assert now["active"] is None
        assert "Install the pin library" in now["error"]
        assert [text for kind, text in it.told if kind == "fault" and "Install the pin library" in text]
    pi.gpio.pin(BUTTON).broken = True
    async with robot(pi, pins=PINS) as it:
        assert "GPIO22" in (await read(it, "doorbell"))["error"]
        assert list(it.state.snapshot.faults) == ["input doorbell"]
        it.pi.gpio.drive(MOTION, high=True)
        await eventually(lambda: active(it, "hall") is True)
        pi.gpio.pin(BUTTON).broken = False


@pytest.mark.parametrize("metres", [0.2, 1.0])
async def test_a_distance_is_measured_and_something_near_is_told(metres: float) -> None:
    pi = simulated_platform(scene="clock")
    pi.gpio.wire_distance_sensor(TRIGGER, ECHO, lambda: metres)
    sensor = {"kind": "distance_sensor", "trigger_pin": TRIGGER, "echo_pin": ECHO, "near_m": 0.5}
    async with robot(pi, pins={"inputs": {"eyes": sensor}}) as it:
        watching = asyncio.create_task(it.on_pins.inputs.watch())
        # Time is real here, and a busy machine hears the echo late: it may only seem further away.
        await eventually(lambda: (it.state.snapshot.inputs["eyes"].distance_m or 0) >= metres * 0.9)
        if metres > 0.5:
            await eventually(lambda: active(it, "eyes") is False)
        else:
            metres = 1.5
            await eventually(lambda: (it.state.snapshot.inputs["eyes"].distance_m or 0) >= 1.4)
            assert active(it, "eyes") is False
        watching.cancel()


async def test_a_distance_sensor_may_be_closed_while_it_measures() -> None:
    pi = simulated_platform(scene="clock")
    measuring, trigger = threading.Event(), pi.gpio.pin(TRIGGER)

    def hold_until_closed(level: float) -> None:
        if level:
            measuring.set()
            deadline = time.monotonic() + 0.3  # a sensor that waits for its thread is not closed before
            while trigger.function == "output" and time.monotonic() < deadline:
                time.sleep(0.01)

    trigger.on_level = hold_until_closed
    sensor = {"kind": "distance_sensor", "trigger_pin": TRIGGER, "echo_pin": ECHO}
    async with robot(pi, pins={"inputs": {"eyes": sensor}}):
        assert await asyncio.to_thread(measuring.wait, DEADLINE_S)
    # An exception in gpiozero's thread is a warning, and fails the test.
    assert [thread.name for thread in threading.enumerate() if "fill" in thread.name] == []


async def test_without_inputs_nothing_is_watched() -> None:
    async with robot() as it:
        async with asyncio.timeout(DEADLINE_S):
            await it.on_pins.inputs.watch()
        assert it.state.snapshot.inputs == {}
