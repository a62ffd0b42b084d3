"""A robot with pins on a real broker: an agent that dies stops what it set in motion; a person presses buttons."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from mcp import Client, MCPDeprecationWarning
from mcp_types import ResourceUpdatedNotification

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from tests.robots import online_robot
from tests.waiting import DEADLINE_S, eventually

SERVER_ID, SERVER_NAME = "robot-with-pins", "tests/pins"
AHEAD, BACK, NECK, BUTTON, LED, SWITCH = 20, 21, 18, 22, 17, 27

DRIVER = f"""
import asyncio, sys
from mcp import Client
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker

async def main():
    async with Client(mqtt_transport(Broker.from_url(sys.argv[1]), {SERVER_ID!r}, {SERVER_NAME!r})) as client:
        await client.call_tool("drive_motor", {{"name": "wheel", "speed": 1, "duration": 60}})
        await client.call_tool("move_servo", {{"name": "neck", "angle": 90, "duration": 30}})

asyncio.run(main())
"""


@pytest.fixture
async def pi(broker: PrivateBroker) -> AsyncIterator[SimulatedPi]:
    """The hardware of a robot that is online."""
    pi = simulated_platform(scene="clock")
    pins = {
        "outputs": {
            "wheel": {"kind": "motor", "pins": [AHEAD, BACK], "max_duration_s": 60},
            "neck": {"kind": "servo", "pin": NECK},
        },
        "inputs": {"button": {"kind": "button", "pin": BUTTON}},
    }
    settings = load_settings(
        None,
        {
            "broker": {"url": broker.url},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "display": {"driver": "none"},
            "webrtc": {"enabled": False},
            "privacy": {"led_pin": LED, "switch_pin": SWITCH},
            "pins": pins,
            "reactions": {"rules": [{"when": {"input": "button"}, "then": {"emotion": "surprised"}}]},
        },
    )
    async with online_robot(settings, pi.platform):
        yield pi
    assert not any(pi.pins._reservations.values()), "every pin is given back"


async def test_an_agent_that_is_killed_in_the_middle_of_a_motion_stops_it(
    broker: PrivateBroker, pi: SimulatedPi
) -> None:
    agent = await asyncio.create_subprocess_exec(sys.executable, "-c", DRIVER, broker.url)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await eventually(lambda: pi.gpio.level(AHEAD) == 1 and pi.gpio.pulse_ms(NECK) > 1.5)
    finally:
        agent.kill()
        await agent.wait()
    await eventually(lambda: pi.gpio.level(AHEAD) == 0)
    still: list[float] = []

    def turns_no_more() -> bool:
        still.append(pi.gpio.pulse_ms(NECK))
        return still[-10:] == [still[-1]] * 10

    await eventually(turns_no_more)
    assert still[-1] < 2.0, "it did not get there"


async def test_an_agent_is_told_of_a_button_and_the_robot_reacts(broker: PrivateBroker, pi: SimulatedPi) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.put_nowait(str(message.params.uri))

    transport = mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME)
    async with Client(transport, mode="legacy", message_handler=hear) as client, asyncio.timeout(DEADLINE_S):
        with pytest.warns(MCPDeprecationWarning):
            await client.subscribe_resource("robot://pins/button")
        pi.gpio.press(BUTTON)
        assert await heard.get() == "robot://pins/button"
        while True:
            status = (await client.call_tool("get_status", {})).structured_content
            assert status is not None
            if status["emotion"] == "surprised":
                break
        refused = await client.call_tool("control_camera", {"enabled": True})
        assert refused.is_error
        assert "privacy switch" in str(refused.content)
        pi.gpio.press(SWITCH)
        while (await client.call_tool("control_camera", {"enabled": True})).is_error:
            pass  # the robot has not looked at the switch yet
        assert pi.sensor.capturing
        assert pi.gpio.level(LED) == 1
