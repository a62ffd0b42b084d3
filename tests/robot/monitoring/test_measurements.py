"""What is counted, from what is reported: bounded, whatever strangers do."""

from __future__ import annotations

import asyncio

from robot_node.core.counters import OTHER_TOOLS, Link, Measurements, Outcome, count_changes
from robot_node.core.state import CameraState, RobotState
from robot_node.robot.monitoring.factory import watch_lateness


def counted_state() -> tuple[RobotState, Measurements]:
    state, measurements = RobotState(), Measurements()
    count_changes(state, measurements)
    return state, measurements


def test_calls_are_counted_by_tool_and_outcome_and_timed_whatever_the_outcome() -> None:
    measurements = Measurements()
    measurements.know_tools(["take_photo"])
    for outcome, seconds in ((Outcome.OK, 0.02), (Outcome.OK, 0.025), (Outcome.ERROR, 40.0)):
        measurements.tool_called("take_photo", outcome, seconds)
    calls = measurements.tools["take_photo"]
    assert {outcome: count for outcome, count in calls.outcomes.items() if count} == {Outcome.OK: 2, Outcome.ERROR: 1}
    assert calls.seconds.count == 3
    assert calls.seconds.sum_s == 40.045
    within = dict(calls.seconds.cumulative())
    assert (within[0.01], within[0.025], within[30.0], within[float("inf")]) == (0, 2, 2, 3)


def test_names_that_strangers_make_up_are_one_name() -> None:
    measurements = Measurements()
    measurements.know_tools(["take_photo"])
    for number in range(1000):
        measurements.tool_called(f"made_up_{number}", Outcome.ERROR, 0.001)
    assert set(measurements.tools) == {OTHER_TOOLS}
    assert measurements.tools[OTHER_TOOLS].outcomes[Outcome.ERROR] == 1000


def test_only_a_connection_that_was_made_before_is_made_again() -> None:
    state, measurements = counted_state()
    state.update(mcp_connected=True)
    assert measurements.reconnects(Link.MCP) == 0
    for _ in range(2):
        state.update(mcp_connected=False, link_error="The broker went away.")
        state.update(mcp_connected=True, link_error="")
    assert (measurements.reconnects(Link.MCP), measurements.reconnects(Link.SIGNALING)) == (2, 0)


def test_the_connection_for_calls_is_one_that_may_be_made_again() -> None:
    measurements = Measurements()
    for connected in (False, True, False, False, True):
        measurements.dialer_is(connected=connected)
    assert measurements.dialer_connected
    assert measurements.reconnects(Link.DIALER) == 1


def test_sessions_and_faults_are_counted_when_they_begin() -> None:
    state, measurements = counted_state()
    for sessions in (1, 2, 1, 2, 0):
        state.update(sessions=sessions)
    assert measurements.sessions_opened == 3
    state.update(camera=CameraState.FAILED, camera_error="It is unplugged.")
    state.update(camera_error="It is still unplugged.")
    for _ in range(3):  # it is tried again by itself
        state.update(camera=CameraState.STARTING, camera_error="")
        state.update(camera=CameraState.FAILED, camera_error="It is still unplugged.")
    state.update(camera=CameraState.ON, camera_error="")
    state.update(camera_error="The encoder failed.")
    state.set_fault("reactions", "The service reactions crashed.")
    state.set_fault("face", "The service face crashed.")
    state.set_fault("face", "")
    assert +measurements.faults == {"camera": 2, "services": 2}


async def test_a_busy_event_loop_is_seen() -> None:
    measurements = Measurements()
    watching = asyncio.create_task(watch_lateness(measurements, interval_s=0.01))
    await asyncio.sleep(0)
    blocked_until = asyncio.get_running_loop().time() + 0.3
    while asyncio.get_running_loop().time() < blocked_until:
        pass
    while not measurements.lateness.count:
        await asyncio.sleep(0)
    watching.cancel()
    assert measurements.lateness.sum_s > 0.2
