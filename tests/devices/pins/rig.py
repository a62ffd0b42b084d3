"""A simulated robot with something on its pins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver import MCPServer

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.media import EncodedFrame
from robot_node.core.state import RobotState
from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.microphone import Microphone
from robot_node.devices.on_pins import OnPins, open_pins
from robot_node.devices.platform import Platform
from robot_node.errors import DeviceError
from robot_node.robot.robot import Robot
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.loading import load_settings
from robot_node.settings.root import Settings
from robot_node.tools.server import build_server
from tests.robots import make_robot

LED, SWITCH = 17, 27
PRIVACY = {"led_pin": LED, "switch_pin": SWITCH}


@dataclass
class Rig:
    """A robot, from its hardware to its tools."""

    pi: SimulatedPi
    parts: Robot
    on_pins: OnPins
    server: MCPServer
    frames: list[EncodedFrame]

    @property
    def state(self) -> RobotState:
        """What the robot says of itself."""
        return self.parts.telemetry.state

    @property
    def told(self) -> list[tuple[str, str]]:
        """Kind and text of each event."""
        return [(event.kind, event.text) for event in self.parts.telemetry.events.after()]


def settings_with(**sections: Any) -> Settings:
    """Settings of a robot without display, with some sections."""
    small = {"width": 320, "height": 240}
    return load_settings(None, {"display": {"driver": "none"}, "camera": small, **sections})


@asynccontextmanager
async def robot(
    pi: SimulatedPi | None = None,
    *,
    platform: Platform | None = None,
    **sections: Any,
) -> AsyncIterator[Rig]:
    """Give a robot with these sections of settings."""
    pi = pi or simulated_platform(scene="clock")
    platform = platform or pi.platform
    settings = settings_with(**sections)
    telemetry, frames = Telemetry(), list[EncodedFrame]()
    state, events = telemetry.state, telemetry.events
    async with AsyncExitStack() as devices:
        on_pins = await open_pins(platform, settings, state, events, devices)
        cameras = Cameras.build(
            platform, settings.all_cameras(), state, indicator=on_pins.indicator, privacy=on_pins.privacy
        )
        devices.push_async_callback(cameras.close)
        cameras.first.set_sink(frames.append)
        face = Face(Display(platform, settings.display, state), state)
        microphone = None
        if settings.audio.microphone != "none":
            microphone = Microphone(
                platform,
                settings.audio.microphone,
                state,
                privacy=on_pins.microphone_privacy,
                indicator=on_pins.microphone_indicator,
                retry_s=0.05,
            )
            devices.push_async_callback(microphone.close)
        parts = make_robot(
            platform,
            telemetry,
            cameras=cameras,
            face=face,
            outputs=on_pins.outputs,
            inputs=on_pins.inputs,
            microphone=microphone,
        )
        server = build_server(parts, name="tests/robot", description="A robot.")
        yield Rig(pi, parts, on_pins, server, frames)


def without_library() -> Any:
    """As a Pi without the pin library."""
    raise DeviceError("The pins cannot be used: no library.", remedy="Install the pin library.")
