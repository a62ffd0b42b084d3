"""The composition root: what is opened is closed again on every path, and the state is saved first."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node import daemon
from robot_node.errors import SettingsError
from robot_node.robot.saved_state import SavedState, parse
from robot_node.robot.shutdown import DeviceStack
from robot_node.settings.loading import load_settings
from robot_node.settings.root import Settings
from tests.robot.test_plugins import install, site
from tests.waiting import DEADLINE_S, eventually

__all__ = ["site"]  # fixture

WITNESS = """
from pathlib import Path

class Witness:
    seen = []

    def __init__(self, robot):
        self.robot = robot
        Witness.last = self

    async def open(self): ...

    async def close(self):
        file = Path(self.robot.settings["file"])
        Witness.seen.append(file.read_bytes() if file.exists() else b"")

    def offer(self, server): ...
"""


@pytest.fixture
def witness(site: Path) -> Any:
    """A device that keeps what the state file held when the device was closed."""
    install(site, WITNESS, {"witness": "robot_node_witness:Witness"}, "robot_node_witness")
    return importlib.import_module("robot_node_witness").Witness


def settings_with(**sections: Any) -> Settings:
    nowhere = {"url": "mqtt://127.0.0.1:9"}  # a robot without broker is a robot, too
    return load_settings(None, {"broker": nowhere, **sections})


def is_dark(pi: SimulatedPi) -> bool:
    return pi.oled.picture().getbbox() is None


async def test_the_state_is_saved_before_any_device_is_closed(witness: Any, tmp_path: Path) -> None:
    file, running = tmp_path / "state.json", asyncio.Event()

    async def run_along() -> None:
        running.set()

    settings = settings_with(robot={"state_file": str(file)}, devices={"witness": {"file": str(file)}})
    pi = simulated_platform(scene="clock")
    robot = asyncio.create_task(daemon.run(settings, pi.platform, extra_services={"test": run_along}))
    async with asyncio.timeout(DEADLINE_S):
        await running.wait()
        witness.last.robot.state.update(camera_wanted=False)
        robot.cancel()
        await asyncio.wait([robot])
    assert [parse(data) for data in witness.seen] == [SavedState(camera=False)]


async def test_a_robot_that_cannot_be_built_leaves_nothing_open() -> None:
    pi = simulated_platform(scene="clock")
    before = asyncio.all_tasks()
    settings = settings_with(audio={"microphone": "default", "loudspeaker": "default"}, devices={"nose": {}})
    async with DeviceStack() as devices:
        with pytest.raises(SettingsError, match=r"devices\.nose"):
            await daemon.build_robot(settings, pi.platform, devices)
    assert is_dark(pi)
    assert not pi.sensor.capturing
    assert not pi.loudspeaker.open
    await eventually(lambda: asyncio.all_tasks() == before, "no task is left")


async def test_each_part_reports_to_the_same_state() -> None:
    pi = simulated_platform(scene="clock")
    async with DeviceStack() as devices:
        robot = await daemon.build_robot(
            settings_with(dialer={"enabled": True, "call_at_start": False}), pi.platform, devices
        )
        await robot.camera.start()
        robot.face.show_emotion("happy")
        assert robot.calls is not None
        robot.calls.call()
        now = robot.telemetry.state.snapshot
        assert (now.camera, now.emotion, now.call) == ("on", "happy", "connecting")
        texts = [event.text for event in robot.telemetry.events.after()]
        assert texts == [
            "The robot has started.",
            "The camera was switched on.",
            "The face shows happy.",
            "The robot calls its media backend.",
        ]
    assert not pi.sensor.capturing


async def test_a_new_bitrate_of_the_video_is_the_new_limit_of_its_adaptation() -> None:
    pi = simulated_platform(scene="clock", cameras=2)
    async with DeviceStack() as devices:
        robot = await daemon.build_robot(
            settings_with(cameras={"front": {"number": 0}, "back": {"number": 1}}), pi.platform, devices
        )
        before = await robot.streams.cameras["back"].video()
        mode = await robot.cameras["back"].video.set(bitrate=5_000_000)
        vp8 = await robot.streams.cameras["back"].vp8()
        other = await robot.streams.video()
        assert vp8 is not None
        limits = [each.bitrate.bitrate for each in (before, vp8, other) if each.bitrate is not None]
        assert limits == [5_000_000, 5_000_000, 2_000_000]
        assert mode.bitrate == 5_000_000
