"""The switch of calls, and what the statistics of streaming say of a call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from robot_node.core.state import CallState, RobotState
from robot_node.webrtc.call_control import CallControl
from robot_node.webrtc.stats import CallStats, Statistics


def test_the_statistics_name_the_backend_and_since_when_the_call_is_in_its_state() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    calls = CallControl(RobotState(), backend="eyes", clock=lambda: now)
    statistics = Statistics()
    assert statistics.snapshot().call is None
    statistics.show_call(calls.stats)
    assert statistics.snapshot().call == CallStats(CallState.DISCONNECTED, "eyes", "2026-01-01T00:00:00.000+00:00")
    now += timedelta(seconds=1)
    calls.call()
    for _ in range(3):  # further attempts don't begin anew
        now += timedelta(seconds=1)
        calls.report_attempt()
        calls.report_failed("busy")
    assert statistics.snapshot().call == CallStats(CallState.CONNECTING, "eyes", "2026-01-01T00:00:01.000+00:00")
    calls.report_connected()
    assert statistics.snapshot().call == CallStats(CallState.CONNECTED, "eyes", "2026-01-01T00:00:04.000+00:00")
