"""Objects in the camera's pictures: from a detector to the robot's state, its events, and what agents read."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextResourceContents

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node import daemon
from robot_node.errors import DeviceError
from robot_node.robot.robot import Robot
from robot_node.settings.root import Settings
from robot_node.tools.server import build_server
from robot_node.vision.detector import ENTRY_POINTS
from tests.robot.test_plugins import install, site
from tests.vision import onnx_models
from tests.waiting import eventually

__all__ = ["site"]  # fixture

GUIDE = Path(__file__).parents[2] / "docs" / "detection.md"

HUNTER = """
from robot_node.plugin import Detection, DetectionSettings, Platform, View

class Hunter:
    seen, closed = [("cat", 0.9)], False

    def __init__(self, settings: DetectionSettings, platform: Platform):
        Hunter.options = settings.options

    def detect(self, view: View):
        assert view.image.size == (320, 180)
        return [Detection(label, score, (0.1, 0.2, 0.3, 0.4)) for label, score in Hunter.seen]

    def close(self):
        Hunter.closed = True
"""
PERSON, CAT = 0, 1
"""Numbers of the classes among those that have a name."""


class Rig:
    """A robot that looks for objects, with its camera on."""

    def __init__(self, robot: Robot, pi: SimulatedPi) -> None:
        self.robot, self.pi, self.state = robot, pi, robot.telemetry.state

    def texts(self) -> list[str]:
        return [event.text for event in self.robot.telemetry.events.after() if event.kind == "detection"]

    async def until(self, *labels: str) -> None:
        await eventually(lambda: self.state.snapshot.detected == labels, f"{labels} are seen")


async def rig(devices: AsyncExitStack, pi: SimulatedPi | None = None, **detection: Any) -> Rig:
    pi = pi or simulated_platform(scene="clock")
    settings = Settings.model_validate(
        {
            "display": {"driver": "none"},
            "camera": {"width": 640, "height": 360, "frame_rate": 10},
            "detection": {"rate": 10, "end_after_s": 0.5, **detection},
        }
    )
    robot = await daemon.build_robot(settings, pi.platform, devices)
    watch = robot.vision.detection
    assert watch is not None
    running = asyncio.create_task(watch.run())

    async def stop() -> None:
        running.cancel()
        await asyncio.wait({running})

    devices.push_async_callback(stop)
    return Rig(robot, pi)


async def test_a_detector_of_another_package_is_found_and_what_it_sees_is_told(site: Path) -> None:
    install(site, HUNTER, {"hunter": "robot_node_hunter:Hunter"}, "robot_node_hunter", group=ENTRY_POINTS)
    async with AsyncExitStack() as devices:
        it = await rig(devices, engine="hunter", options={"speed": 3}, labels=["cat", "dog"])
        await it.robot.camera.start()
        await it.until("cat")
        hunter: Any = importlib.import_module("robot_node_hunter").Hunter
        assert hunter.options == {"speed": 3}
        hunter.seen = [("dog", 0.8), ("cow", 0.9), ("cat", 0.2)]  # not asked for; not sure enough
        await it.until("dog")
        server = build_server(it.robot, name="tests/robot", description="", notifier=it.robot.notifier)
        async with Client(server) as agent:
            (content,) = (await agent.read_resource("robot://detections")).contents
            assert isinstance(content, TextResourceContents)
            assert json.loads(content.text) == {
                "objects": [{"label": "dog", "score": 0.8, "box": [0.1, 0.2, 0.3, 0.4]}]
            }
            status = await agent.call_tool("get_status", {})
            assert isinstance(status.structured_content, dict)
            assert status.structured_content["detected"] == ["dog"]
        await it.robot.camera.stop()
        await it.until()
        assert it.texts()[0] == "Seen: cat."
        assert sorted(it.texts()[1:]) == ["Gone: cat.", "Gone: dog.", "Seen: dog."]
    assert hunter.closed


async def test_a_detector_that_crashes_is_a_fault_and_the_service_ends_without_a_crash(site: Path) -> None:
    install(site, HUNTER, {"hunter": "robot_node_hunter:Hunter"}, "robot_node_hunter", group=ENTRY_POINTS)
    async with AsyncExitStack() as devices:
        it = await rig(devices, engine="hunter")
        await it.robot.camera.start()
        await it.until("cat")
        hunter: Any = importlib.import_module("robot_node_hunter").Hunter
        hunter.seen = ["no pair"]
        await eventually(lambda: "hunter's driver crashed: ValueError" in it.state.snapshot.fault("detection"))
        await it.until()
        assert it.state.snapshot.camera == "on"


async def test_the_detector_of_the_guide_works(site: Path) -> None:
    (code,) = re.findall(r"<!-- tested: detector -->\n```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    point = {"brightness": "robot_node_hunter:BrightnessDetector"}
    install(site, code, point, "robot_node_hunter", group=ENTRY_POINTS)
    async with AsyncExitStack() as devices:
        it = await rig(devices, engine="brightness", options={"limit": 0})
        await it.robot.camera.start()
        await it.until("light")


async def test_the_imx500_tells_with_each_picture_what_it_has_detected() -> None:
    pi = simulated_platform(scene="clock")
    network = Path(__file__)  # any file
    async with AsyncExitStack() as devices:
        it = await rig(devices, pi, engine="imx500", model=str(network))
        assert pi.sensor.network == str(network), "loaded before the camera is opened"
        await it.robot.camera.start()
        pi.sensor.sees = ((0.25, 0.5, 0.75, 1.0, 0.9, PERSON), (0.0, 0.0, 0.1, 0.1, 0.3, CAT))
        await it.until("person")
        watch = it.robot.vision.detection
        assert watch is not None
        (person,) = watch.latest.objects
        assert person.box == pytest.approx((0.25, 0.5, 0.75, 1.0))
        assert person.score == pytest.approx(0.9)
        pi.sensor.sees = ((0.0, 0.0, 0.1, 0.1, 0.8, CAT),)
        await it.until("cat")
        assert sorted(it.texts()) == ["Gone: person.", "Seen: cat.", "Seen: person."]


async def test_a_model_of_the_user_looks_at_the_cameras_pictures(tmp_path: Path) -> None:
    model = tmp_path / "colours.onnx"
    model.write_bytes(onnx_models.classifier())
    async with AsyncExitStack() as devices:
        it = await rig(devices, engine="onnx", model=str(model), min_score=0.01)
        await it.robot.camera.start()
        await it.until("blue", "green", "red")


async def test_privacy_leaves_nothing_of_what_was_seen() -> None:
    pi = simulated_platform(scene="clock")
    async with AsyncExitStack() as devices:
        it = await rig(devices, pi, engine="imx500", model=__file__)
        await it.robot.camera.start()
        pi.sensor.sees = ((0.0, 0.0, 1.0, 1.0, 0.9, PERSON),)
        await it.until("person")
        it.state.update(privacy=True)
        await it.until()
        watch = it.robot.vision.detection
        assert watch is not None
        assert watch.latest.objects == ()


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        ({"engine": "eagle"}, "There is no detection engine 'eagle'"),
        ({"engine": "onnx", "model": "/nowhere.onnx"}, "/nowhere.onnx cannot be read"),
        ({"engine": "imx500", "model": "/nowhere.rpk"}, "/nowhere.rpk cannot be read"),
        ({"engine": "imx500", "model": __file__}, "The IMX500 takes no network"),
    ],
)
async def test_a_detector_that_cannot_be_used_is_a_fault_and_the_robot_goes_on(
    detection: dict[str, Any], reason: str
) -> None:
    pi = simulated_platform(scene="clock")
    pi.sensor.absent = True
    async with AsyncExitStack() as devices:
        it = await rig(devices, pi, **detection)
        await eventually(lambda: reason in it.state.snapshot.fault("detection"))
        with pytest.raises(DeviceError):
            await it.robot.camera.start()  # there is none, and that is another fault
