"""What a robot has loaded when it becomes reachable, and what it loads afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.robot_process import environment
from tests.waiting import DEADLINE_S, eventually

# The whole command; the moment that it tells systemd of is when presence is on the broker.
_TELLING = """
import gc, json, sys
from robot_node.robot import systemd
tell = systemd.notify
def notify(*said):
    tell(*said)
    if "READY=1" in said:
        print(json.dumps({"modules": sorted(sys.modules), "collects": gc.isenabled()}), flush=True)
systemd.notify = notify
sys.argv[1:] = ["run", "--simulated"]
from robot_node.__main__ import main
main()
"""
_LATER = ("aiortc", "aioice", "av", "numpy", "hw_mocks.picamera2", "sounddevice", "pocketsphinx", "prometheus_client")
_WHEN_ENABLED = (
    *("robot_node.vision.motion_watch", "robot_node.vision.motion"),
    *("robot_node.robot.recording.recorder", "robot_node.robot.recording.library", "robot_node.tools.recording"),
    *("robot_node.robot.recording.timelapse", "robot_node.devices.camera.v4l2_driver"),
    *("robot_node.devices.camera.v4l2_reader", "robot_node.devices.camera.v4l2_controls"),
)


async def test_a_robot_is_reachable_before_it_loads_what_streams(broker: PrivateBroker) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _TELLING),
        stdout=asyncio.subprocess.PIPE,
        env=environment(broker),
        limit=2**20,
    )
    maps = Path(f"/proc/{process.pid}/maps")
    try:
        assert process.stdout is not None
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), DEADLINE_S))
        assert "mcp" in told["modules"]
        assert [name for name in (*_LATER, *_WHEN_ENABLED) if name in told["modules"]] == []
        assert told["collects"]
        # Not when the first viewer comes: it is ready by then.
        await eventually(lambda: "pylibsrtp" in maps.read_text(), "a part of aiortc is loaded")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
