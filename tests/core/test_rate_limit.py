"""Token buckets, one or many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from robot_node.core.rate_limit import RateLimiter, TokenBucket


def test_a_bucket_lets_a_burst_pass_and_then_its_rate() -> None:
    bucket = TokenBucket(per_s=2, burst=3, now=10.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(10.0) == 0.5
    assert not bucket.take(10.25)
    assert bucket.wait_s(10.25) == 0.25
    assert bucket.take(10.5)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_bucket_counts_bytes_too() -> None:
    bucket = TokenBucket(per_s=10, burst=100, now=0.0)
    assert bucket.take(0.0, 60)
    assert not bucket.take(0.0, 60)
    assert bucket.take(2.0, 60)
    assert not bucket.take(1000.0, 101)


def test_the_number_of_buckets_is_bounded() -> None:
    limiter = RateLimiter(1, max_keys=3)
    for key in range(100):
        assert limiter.wait_s(key, 0.0) == 0.0
        limiter.take(key, 0.0)
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
            assert limiter.take("a", now)
            passed += 1
        else:
            assert limiter.wait_s("a", now + wait_s) == 0, "who waits as long as told gets through"
    assert passed <= max(1.0, per_minute / 6) + now * per_minute / 60 + 1e-3
