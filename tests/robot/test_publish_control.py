"""When the robot publishes: the table cell by cell, what is wanted, and what people are told."""

from __future__ import annotations

import itertools

import pytest

from robot_node.core.state import CameraState, PublishState, RobotSnapshot
from robot_node.robot.publish_control import FAULT, PublishControl, Step, is_wanted, next_state
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.publish import PublishSettings
from robot_node.webrtc.call_control import CallCause, CallEnd

OFF, CONNECTING, LIVE, WAITING = PublishState.OFF, PublishState.CONNECTING, PublishState.LIVE, PublishState.WAITING
BEGIN, CONNECTED, FAILED, UNWANTED = Step.BEGIN, Step.CONNECTED, Step.FAILED, Step.UNWANTED

TABLE = {
    #            BEGIN       CONNECTED   FAILED      UNWANTED
    OFF: (CONNECTING, OFF, OFF, OFF),
    CONNECTING: (CONNECTING, LIVE, WAITING, OFF),
    LIVE: (LIVE, LIVE, WAITING, OFF),
    WAITING: (CONNECTING, WAITING, WAITING, OFF),
}


@pytest.mark.parametrize(("state", "step"), [*itertools.product(PublishState, Step)])
def test_each_cell_of_the_table(state: PublishState, step: Step) -> None:
    assert next_state(state, step) is TABLE[state][[BEGIN, CONNECTED, FAILED, UNWANTED].index(step)]


def test_when_it_is_wanted() -> None:
    cases = itertools.product(("always", "camera", "on_demand"), CameraState, (False, True))
    wanted = {
        (when, camera, requested)
        for when, camera, requested in cases
        if is_wanted(PublishSettings.model_validate({"when": when}), RobotSnapshot(camera=camera), requested=requested)
    }
    always = {("always", camera, requested) for camera in CameraState for requested in (False, True)}
    with_camera = {("camera", CameraState.ON, requested) for requested in (False, True)}
    on_demand = {("on_demand", camera, True) for camera in CameraState}
    assert wanted == always | with_camera | on_demand


def test_a_failure_is_told_once_and_is_a_fault_until_it_is_live() -> None:
    telemetry = Telemetry()
    control = PublishControl(PublishSettings(), telemetry.state, telemetry.events, telemetry.counters)
    refused = CallEnd(CallCause.UNUSABLE, "Refused.")
    for _ in range(3):
        control.begin()
        control.report_failed(refused)
    control.begin()
    assert telemetry.state.snapshot.fault(FAULT) == "Refused."
    control.report_connected()
    assert not telemetry.state.snapshot.fault(FAULT)
    control.report_failed(refused)
    control.report_unwanted()
    assert not telemetry.state.snapshot.fault(FAULT)
    texts = [event.text for event in telemetry.events.after() if event.kind == "publish"]
    failed = "The video is not published: Refused."
    assert texts == [failed, "The video is published.", failed]
    assert telemetry.counters.publish_ends == {"unusable": 4}
