"""Robots made of simulated devices, for tests of what stands above them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from robot_node import daemon
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.devices.board import Board
from robot_node.devices.camera.camera import Camera
from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.devices.inputs import Inputs
from robot_node.devices.outputs import Outputs
from robot_node.devices.pins import PinBoard
from robot_node.devices.platform import Platform
from robot_node.robot.performer import Performer
from robot_node.robot.reactions import Reactions
from robot_node.robot.robot import Robot
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.devices import CameraSettings, DisplaySettings
from robot_node.settings.pins import PinsSettings
from robot_node.settings.reactions import ReactionRule
from robot_node.settings.root import Settings
from robot_node.speech.factory import build_speech
from robot_node.webrtc.streams import Streams
from tests.waiting import DEADLINE_S


@contextlib.asynccontextmanager
async def online_robot(settings: Settings, platform: Platform) -> AsyncIterator[None]:
    """A whole robot in the process of its test, online until the block is left."""
    online = asyncio.Event()
    robot = asyncio.create_task(daemon.run(settings, platform, on_online=online.set), name=settings.robot.server_id)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await online.wait()
        yield
    finally:
        await cancel_and_wait(robot)
        if not robot.cancelled():
            raise AssertionError("the robot ended by itself") from robot.exception()


def reactions_of(robot: Robot, rules: tuple[ReactionRule, ...]) -> Reactions:
    """The reactions of a robot, as the daemon makes them."""
    state, speaker = robot.telemetry.state, robot.speech.speaker
    return Reactions(rules, state, robot.face, robot.outputs, robot.stop_all, speaker, robot.recorder)


def make_robot(platform: Platform, telemetry: Telemetry | None = None, **parts: Any) -> Robot:  # parts of a Robot
    """A robot with a camera and a face, and nothing else but the given parts. Close its cameras."""
    telemetry = telemetry or Telemetry()
    state, events, pins = telemetry.state, telemetry.events, PinsSettings()
    cameras = parts.pop("cameras", None) or Cameras(
        {"camera": parts.pop("camera", None) or Camera(platform, CameraSettings(), state)}
    )
    face = parts.pop("face", None) or Face(Display(platform, DisplaySettings(driver="none"), state), state)
    speech = parts.pop("speech", None) or build_speech(Settings(), face, state, events)
    pin_board = PinBoard(platform)
    outputs = parts.pop("outputs", None) or Outputs(pin_board, pins, state)
    performer = parts.pop("performer", None) or Performer(state, face, outputs, speech.speaker)
    return Robot(
        telemetry=telemetry,
        board=Board(platform),
        cameras=cameras,
        face=face,
        outputs=outputs,
        performer=performer,
        inputs=parts.pop("inputs", None) or Inputs(pin_board, pins, state, events),
        speech=speech,
        streams=Streams(cameras.first, speech.mixer),
        **parts,
    )
