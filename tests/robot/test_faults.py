"""Each fault reaches everyone who shows faults: events, face, metrics, status, health and Home Assistant."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from prometheus_client import CollectorRegistry

from hw_mocks.platform import simulated_platform
from robot_node.core.counters import count_changes
from robot_node.core.events import record
from robot_node.core.faults import FaultChange, FaultTracker
from robot_node.core.state import (
    CameraState,
    Device,
    RobotSnapshot,
    RobotState,
    device_fault,
    input_fault,
    output_fault,
)
from robot_node.devices.board import BoardReadings
from robot_node.devices.camera import Camera
from robot_node.devices.display import Display
from robot_node.devices.face import Face, signs_of
from robot_node.devices.plugin import DeviceContext
from robot_node.robot import plugins
from robot_node.robot.monitoring.figures import Figures, figures_of
from robot_node.robot.monitoring.home_assistant import state_message
from robot_node.robot.monitoring.metrics import RobotCollector
from robot_node.robot.robot import Body
from robot_node.robot.status import status_of
from robot_node.settings.devices import CameraSettings, DisplaySettings

ERROR = "It was unplugged"
OTHERS = (input_fault("doorbell"), output_fault("wheel"), device_fault("thermometer"), "reactions", "state file")
EVERY_FAULT = pytest.mark.parametrize("name", [*map(str, Device), *OTHERS])


@pytest.fixture
async def body() -> AsyncIterator[Body]:
    """A robot whose events and counters follow its state."""
    pi, state = simulated_platform(scene="clock"), RobotState(RobotSnapshot(mcp_connected=True))
    camera = Camera(pi.platform, CameraSettings(), state)
    face = Face(Display(pi.platform, DisplaySettings(driver="none"), state), state)
    body = Body(camera=camera, face=face, state=state)
    record(state, body.events)
    count_changes(state, body.counters)
    yield body
    await camera.close()


def figures(body: Body) -> Figures:
    return figures_of(body, BoardReadings(), "robot-1")


def metric(body: Body, name: str, part: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(RobotCollector(lambda: figures(body)))
    return registry.get_sample_value(name, {"part": part})


SHOWN: dict[str, Callable[[Body, str], bool]] = {
    "events": lambda body, _: any(ERROR in event.text for event in body.events.after() if event.kind == "fault"),
    "face": lambda body, _: signs_of(body.state.snapshot).error == ERROR,
    "metrics": lambda body, name: metric(body, "robot_node_fault", name) == 1.0,
    "status": lambda body, name: status_of(body).faults.get(name) == f"{ERROR}.",
    "health": lambda body, name: json.loads(figures(body).model_dump_json())["faults"]["now"].get(name) == f"{ERROR}.",
    "Home Assistant": lambda body, name: name in json.loads(state_message(body.state))["faults"],
}


@pytest.mark.parametrize("shown_by", SHOWN)
@EVERY_FAULT
def test_a_fault_is_shown_by_everyone_while_it_lasts(body: Body, name: str, shown_by: str) -> None:
    is_shown = SHOWN[shown_by]
    assert not is_shown(body, name)
    body.state.set_fault(name, f"{ERROR}.")
    assert is_shown(body, name)
    body.state.set_fault(name, "")
    assert is_shown(body, name) is (shown_by == "events")  # which are history


@EVERY_FAULT
def test_the_end_of_a_fault_is_an_event_and_its_beginnings_are_counted(body: Body, name: str) -> None:
    for error in (f"{ERROR}.", f"{ERROR} again.", "", f"{ERROR}."):
        body.state.set_fault(name, error, camera=CameraState.FAILED if error else CameraState.ON)
    kinds = [event.kind for event in body.events.after() if event.kind in {"fault", "recovered"}]
    assert kinds == ["fault", "fault", "recovered", "fault"]
    assert metric(body, "robot_node_faults_total", name) == 2.0


@pytest.mark.parametrize("device", Device)
def test_the_status_has_an_error_for_each_device(body: Body, device: Device) -> None:
    body.state.set_fault(device, f"{ERROR}.")
    assert status_of(body).model_dump()[f"{device}_error"] == f"{ERROR}."


class Broken:
    """A device of another package whose hardware does not answer."""

    def __init__(self, context: DeviceContext) -> None:
        self.context = context

    async def open(self) -> None:
        raise OSError(f"{ERROR}")

    async def close(self) -> None: ...

    def offer(self, server: object) -> None: ...


async def test_a_device_of_another_package_that_does_not_open_is_shown_by_everyone(
    body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_make", Broken)
    platform = simulated_platform(scene="clock").platform
    context = DeviceContext("nose", {}, platform, body.state, body.events, lambda _: None)
    async with AsyncExitStack() as devices:
        await plugins.open_plugins([context], devices)
        said = f"The device 'nose' does not work: {ERROR}."
        assert body.state.snapshot.faults == {"device nose": said}
        assert [event.text for event in body.events.after()] == [said]
        assert signs_of(body.state.snapshot).error == said.rstrip(".")
        assert metric(body, "robot_node_fault", "device nose") == 1.0
        context.report_fault("")
        assert not status_of(body).faults
        assert metric(body, "robot_node_fault", "device nose") == 0.0


def test_two_faults_are_two_and_the_face_shows_the_older_one() -> None:
    state = RobotState(RobotSnapshot(mcp_connected=True))
    state.set_fault("microphone", "The microphone is gone.")
    state.set_fault("camera", "The camera is gone.", camera=CameraState.FAILED)
    state.set_fault("microphone", "The microphone is still gone.")
    assert signs_of(state.snapshot).error == "The microphone is still gone"
    state.set_fault("microphone", "")
    assert signs_of(state.snapshot).error == "The camera is gone"


def test_a_fault_and_what_changes_with_it_are_one_change() -> None:
    state, seen = RobotState(), list[RobotSnapshot]()
    state.listen(seen.append)
    state.set_fault("camera", "It is busy.", camera=CameraState.FAILED)
    assert [(now.camera, now.fault("camera")) for now in seen] == [(CameraState.FAILED, "It is busy.")]
    state.set_fault("display", "")
    assert len(seen) == 1


def test_faults_that_were_there_at_first_are_no_news() -> None:
    tracker = FaultTracker(RobotSnapshot(faults={"display": "Gone."}))
    assert tracker.update(RobotSnapshot(faults={"display": "Gone."})) == ()
    assert tracker.update(RobotSnapshot()) == (FaultChange("display", ""),)
