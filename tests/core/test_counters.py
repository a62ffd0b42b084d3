"""The counters, bounded whatever clients send."""

from __future__ import annotations

import asyncio

from robot_node.core.counters import OTHER_TOOLS, Counters, Link, Outcome, count_changes
from robot_node.core.state import CameraState, RobotState
from robot_node.robot.monitoring.factory import watch_loop_lag


def counted_state() -> tuple[RobotState, Counters]:
    state, counters = RobotState(), Counters()
    count_changes(state, counters)
    return state, counters


def test_calls_are_counted_by_tool_and_outcome_and_timed_whatever_the_outcome() -> None:
    counters = Counters()
    counters.register_tools(["take_photo"])
    for outcome, seconds in ((Outcome.OK, 0.02), (Outcome.OK, 0.025), (Outcome.ERROR, 40.0)):
        counters.record_tool_call("take_photo", outcome, seconds)
    calls = counters.tools["take_photo"]
    assert {outcome: count for outcome, count in calls.outcomes.items() if count} == {Outcome.OK: 2, Outcome.ERROR: 1}
    assert calls.seconds.count == 3
    assert calls.seconds.sum_s == 40.045
    within = dict(calls.seconds.cumulative())
    assert (within[0.01], within[0.025], within[30.0], within[float("inf")]) == (0, 2, 2, 3)


def test_unknown_tool_names_are_counted_under_one_name() -> None:
    counters = Counters()
    counters.register_tools(["take_photo"])
    for number in range(1000):
        counters.record_tool_call(f"made_up_{number}", Outcome.ERROR, 0.001)
    assert set(counters.tools) == {OTHER_TOOLS}
    assert counters.tools[OTHER_TOOLS].outcomes[Outcome.ERROR] == 1000


def test_the_first_connection_is_no_reconnect() -> None:
    state, counters = counted_state()
    state.update(mcp_connected=True)
    assert counters.reconnects(Link.MCP) == 0
    for _ in range(2):
        state.update(mcp_connected=False, link_error="The broker went away.")
        state.update(mcp_connected=True, link_error="")
    assert (counters.reconnects(Link.MCP), counters.reconnects(Link.SIGNALING)) == (2, 0)


def test_reconnects_of_the_dialer() -> None:
    counters = Counters()
    for connected in (False, True, False, False, True):
        counters.set_dialer_connected(connected=connected)
    assert counters.dialer_connected
    assert counters.reconnects(Link.DIALER) == 1


def test_sessions_and_faults_are_counted_when_they_begin() -> None:
    state, counters = counted_state()
    for sessions in (1, 2, 1, 2, 0):
        state.update(sessions=sessions)
    assert counters.sessions_opened == 3
    state.set_fault("camera", "It is unplugged.", camera=CameraState.FAILED)
    state.set_fault("camera", "It is still unplugged.")
    for _ in range(3):  # it is tried again by itself
        state.set_fault("camera", "", camera=CameraState.STARTING)
        state.set_fault("camera", "It is still unplugged.", camera=CameraState.FAILED)
    state.set_fault("camera", "", camera=CameraState.ON)
    state.set_fault("camera", "The encoder failed.")
    state.set_fault("reactions", "The service reactions crashed.")
    state.set_fault("face", "The service face crashed.")
    state.set_fault("face", "")
    assert +counters.faults == {"camera": 2, "reactions": 1, "face": 1}


async def test_the_lag_of_a_busy_event_loop_is_recorded() -> None:
    counters = Counters()
    watching = asyncio.create_task(watch_loop_lag(counters, interval_s=0.01))
    await asyncio.sleep(0)
    blocked_until = asyncio.get_running_loop().time() + 0.3
    while asyncio.get_running_loop().time() < blocked_until:
        pass
    while not counters.loop_lag.count:
        await asyncio.sleep(0)
    watching.cancel()
    assert counters.loop_lag.sum_s > 0.2
