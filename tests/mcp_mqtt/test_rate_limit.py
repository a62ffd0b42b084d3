"""Limits on how often: token buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from robot_node.mcp_mqtt.rate_limit import CallLimits, RateLimiter


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


def test_the_number_of_buckets_is_bounded() -> None:
    limiter = RateLimiter(1, max_keys=3)
    for key in range(100):
        assert limiter.wait_s(key, 0.0) == 0.0
        limiter.count(key, 0.0)
    assert len(limiter) == 3
    assert limiter.wait_s(99, 0.0) > 0


@given(
    st.floats(min_value=0.5, max_value=6000), st.lists(st.floats(min_value=0, max_value=30), min_size=1, max_size=60)
)
def test_whatever_the_pauses_no_more_than_the_burst_and_the_rate_pass(per_minute: float, pauses: list[float]) -> None:
    limiter = RateLimiter(per_minute)
    now, passed = 0.0, 0
    for pause in pauses:
        now += pause
        wait_s = limiter.wait_s("a", now)
        if wait_s == 0:
            limiter.count("a", now)
            passed += 1
        else:
            assert limiter.wait_s("a", now + wait_s) == 0, "who waits as long as told gets through"
    assert passed <= max(1.0, per_minute / 6) + now * per_minute / 60 + 1e-3
