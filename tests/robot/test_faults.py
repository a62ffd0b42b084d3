"""Each fault reaches everyone who shows faults: events, face, metrics, status, health and Home Assistant."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from prometheus_client import CollectorRegistry

from hw_mocks.platform import simulated_platform
from robot_node.core.faults import FaultChange, FaultTracker
from robot_node.core.state import (
    CameraState,
    Device,
    RobotSnapshot,
    RobotState,
    camera_fault,
    device_fault,
    input_fault,
    output_fault,
)
from robot_node.devices import protected
from robot_node.devices.board import BoardReadings
from robot_node.devices.face import signs_of
from robot_node.devices.plugin import DeviceContext
from robot_node.robot import plugins, publish_control, state_store
from robot_node.robot.home_assistant.discovery import state_message
from robot_node.robot.monitoring.figures import Figures, figures_of
from robot_node.robot.monitoring.metrics import RobotCollector
from robot_node.robot.recording import recorder, timelapse
from robot_node.robot.status import status_of
from robot_node.robot.telemetry import Telemetry
from robot_node.vision import detection_watch, motion_watch

ERROR = "It was unplugged"
OTHERS = (
    camera_fault("rear"),
    input_fault("doorbell"),
    output_fault("wheel"),
    device_fault("thermometer"),
    "reactions",
    state_store.FAULT,
    protected.CAMERA.led,
    protected.MICROPHONE.led,
    recorder.FAULT,
    timelapse.FAULT,
    publish_control.FAULT,
    motion_watch.FAULT,
    detection_watch.FAULT,
)
EVERY_FAULT = pytest.mark.parametrize("name", [*map(str, Device), *OTHERS])


@pytest.fixture
def telemetry() -> Telemetry:
    """Of a robot that is connected."""
    return Telemetry(RobotState(RobotSnapshot(mcp_connected=True)))


def figures(telemetry: Telemetry) -> Figures:
    return figures_of(telemetry, BoardReadings(), "robot-1")


def metric(telemetry: Telemetry, name: str, part: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(RobotCollector(lambda: figures(telemetry)))
    return registry.get_sample_value(name, {"part": part})


SHOWN: dict[str, Callable[[Telemetry, str], bool]] = {
    "events": lambda telemetry, _: any(
        ERROR in event.text for event in telemetry.events.after() if event.kind == "fault"
    ),
    "face": lambda telemetry, _: signs_of(telemetry.state.snapshot).error == ERROR,
    "metrics": lambda telemetry, name: metric(telemetry, "robot_node_fault", name) == 1.0,
    "status": lambda telemetry, name: status_of(telemetry).faults.get(name) == f"{ERROR}.",
    "health": lambda telemetry, name: (
        json.loads(figures(telemetry).model_dump_json())["faults"]["now"].get(name) == f"{ERROR}."
    ),
    "Home Assistant": lambda telemetry, name: name in json.loads(state_message(telemetry.state))["faults"],
}


@pytest.mark.parametrize("shown_by", SHOWN)
@EVERY_FAULT
def test_a_fault_is_shown_by_everyone_while_it_lasts(telemetry: Telemetry, name: str, shown_by: str) -> None:
    is_shown = SHOWN[shown_by]
    assert not is_shown(telemetry, name)
    telemetry.state.set_fault(name, f"{ERROR}.")
    assert is_shown(telemetry, name)
    telemetry.state.set_fault(name, "")
    assert is_shown(telemetry, name) is (shown_by == "events")  # which are history


@EVERY_FAULT
def test_the_end_of_a_fault_is_an_event_and_its_beginnings_are_counted(telemetry: Telemetry, name: str) -> None:
    for error in (f"{ERROR}.", f"{ERROR} again.", "", f"{ERROR}."):
        telemetry.state.set_fault(name, error, camera=CameraState.FAILED if error else CameraState.ON)
    kinds = [event.kind for event in telemetry.events.after() if event.kind in {"fault", "recovered"}]
    assert kinds == ["fault", "fault", "recovered", "fault"]
    assert metric(telemetry, "robot_node_faults_total", name) == 2.0


@pytest.mark.parametrize("device", Device)
def test_the_status_has_an_error_for_each_device(telemetry: Telemetry, device: Device) -> None:
    telemetry.state.set_fault(device, f"{ERROR}.")
    assert status_of(telemetry).model_dump()[f"{device}_error"] == f"{ERROR}."


class Broken:
    """A device of another package whose hardware does not answer."""

    def __init__(self, context: DeviceContext) -> None:
        self.context = context

    async def open(self) -> None:
        raise OSError(f"{ERROR}")

    async def close(self) -> None: ...

    def offer(self, server: object) -> None: ...


async def test_a_device_of_another_package_that_does_not_open_is_shown_by_everyone(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_make", Broken)
    platform = simulated_platform(scene="clock").platform
    context = DeviceContext("nose", {}, platform, telemetry.state, telemetry.events, lambda _: None)
    async with AsyncExitStack() as devices:
        await plugins.open_plugins([context], devices)
        said = f"The device 'nose' does not work: {ERROR}."
        assert telemetry.state.snapshot.faults == {"device nose": said}
        assert [event.text for event in telemetry.events.after()] == [said]
        assert signs_of(telemetry.state.snapshot).error == said.rstrip(".")
        assert metric(telemetry, "robot_node_fault", "device nose") == 1.0
        context.report_fault("")
        assert not status_of(telemetry).faults
        assert metric(telemetry, "robot_node_fault", "device nose") == 0.0


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
