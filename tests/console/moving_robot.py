"""A simulated robot that moves, with its page: what its pins do can be seen here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from mcp import Client

from hw_mocks.pins import SimulatedPins
from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from tests.console.browser import serving
from tests.console.conftest import websocket_url
from tests.waiting import DEADLINE_S, eventually

SERVER_ID, SERVER_NAME = "robot-that-moves", "tests/moving"
LEFT, RIGHT = "left", "right"
_PINS = {LEFT: (5, 6), RIGHT: (13, 19)}
EYE = (16, 20, 21)
PAN, TILT = 18, 12
_MOTOR = {"kind": "motor", "max_acceleration": 20.0, "max_duration_s": 60}
_OUTPUTS: dict[str, dict[str, Any]] = {
    **{
        name: {"kind": "motor", "pins": pins, "max_acceleration": 20.0, "max_duration_s": 60}
        for name, pins in _PINS.items()
    },
    "neck": {"kind": "servo", "pin": PAN, "limits": (-60, 60), "max_speed": 1000},
    "nod": {"kind": "servo", "pin": TILT, "limits": (-20, 30), "max_speed": 1000},
    "eye": {"kind": "rgb_led", "pins": EYE},
}


@dataclass(frozen=True)
class MovingRobot:
    """A robot with two wheels, a head, and an eye of any colour.

    Attributes:
        broker: Its broker.
        pins: Its pins.
        url: Where the page is.
        agent: Somebody else who uses it.
    """

    broker: PrivateBroker
    pins: SimulatedPins
    url: str
    agent: Client

    def speed(self, motor: str) -> float:
        """How fast a motor turns, as its pins say: -1 to 1."""
        ahead, back = (self.pins.level(pin) for pin in _PINS[motor])
        return ahead - back

    async def drive(self, motor: str) -> None:
        """Let a motor drive for a minute, as another agent; return when it does."""
        result = await self.agent.call_tool("drive_motor", {"name": motor, "speed": 0.5, "duration": 60})
        assert not result.is_error, result
        await eventually(lambda: self.speed(motor) == 0.5, "the motor drives")

    async def stands(self, motor: str) -> None:
        """Wait until a motor stands still."""
        await eventually(lambda: self.speed(motor) == 0, f"the motor {motor!r} stands still")


@contextlib.asynccontextmanager
async def moving_robot(settings: dict[str, Any] | None = None) -> AsyncIterator[MovingRobot]:
    """Run such a robot, with further settings, its broker and its page."""
    pi, online = simulated_platform(scene="clock"), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(PrivateBroker(websocket_port=0))
        chosen: dict[str, dict[str, Any]] = {
            "broker": {"url": broker.url},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "webrtc": {"enabled": False},
            "pins": {"outputs": _OUTPUTS, "pan": "neck", "tilt": "nod"},
            **(settings or {}),
        }
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        robot = tasks.create_task(daemon.run(load_settings(None, chosen), pi.platform, on_online=online.set))
        stack.callback(robot.cancel)
        async with asyncio.timeout(DEADLINE_S):
            await online.wait()
        url = await stack.enter_async_context(serving(Console(port=0, broker_url=websocket_url(broker))))
        agent = Client(mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME, client_id="bot"))
        yield MovingRobot(broker, pi.gpio, url, await stack.enter_async_context(agent))
