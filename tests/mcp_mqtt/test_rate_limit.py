"""Limits on how often a client may call tools."""

from __future__ import annotations

from robot_node.mcp_mqtt.rate_limit import CallLimits


def test_a_burst_passes_and_then_one_at_a_time() -> None:
    limits = CallLimits(60)
    assert [limits.take("a", "t", 0.0) for _ in range(10)] == [0.0] * 10
    assert limits.take("a", "t", 0.0) == 1.0
    assert limits.take("a", "t", 0.25) == 0.75
    assert limits.take("a", "t", 1.0) == 0.0
    assert limits.take("a", "t", 1.0) == 1.0


def test_one_clients_calls_do_not_count_for_another() -> None:
    limits = CallLimits(1)
    assert limits.take("a", "t", 0.0) == 0.0
    assert limits.take("a", "t", 0.0) == 60.0
    assert limits.take("b", "t", 0.0) == 0.0


def test_a_tool_may_have_a_limit_of_its_own_and_refused_calls_do_not_count() -> None:
    limits = CallLimits(12, {"photo": 6, "free": 0})
    assert limits.take("a", "photo", 0.0) == 0.0
    assert limits.take("a", "photo", 0.0) == 10.0
    assert limits.take("a", "other", 0.0) == 0.0  # the second of the two that may come at once
    assert limits.take("a", "free", 0.0) == 5.0


def test_calls_of_a_free_tool_are_neither_counted_nor_refused() -> None:
    limits = CallLimits(6, {"rare": 6}, free={"stop", "rare"})
    assert [limits.take("a", "stop", 0.0) for _ in range(9)] == [0.0] * 9
    assert limits.take("a", "other", 0.0) == 0.0
    assert limits.take("a", "other", 0.0) == 10.0
    assert limits.take("a", "stop", 0.0) == 0.0
    assert [limits.take("a", "rare", 0.0) for _ in range(2)] == [0.0, 10.0]  # a limit of its own holds


def test_without_limits_there_is_nothing_to_count() -> None:
    assert not CallLimits()
    assert not CallLimits(0, {"photo": 0})
    assert CallLimits(0, {"photo": 1})
    assert CallLimits().take("a", "t", 0.0) == 0.0
