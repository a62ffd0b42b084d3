"""A servo never turns further or faster than it may, whoever asks for what, and stops when it is told to."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_node.devices.motion import STEP_S, Bounds, Mover, advance
from robot_node.errors import DeviceError

SERVO = Bounds(-45, 45, rate=60)
MOTOR = Bounds(-1, 1, rate=2)


class Bench:
    """A mover whose clock goes only when somebody sleeps."""

    def __init__(self, bounds: Bounds, *, start: float = 0.0, rest: float | None = None, late_s: float = 0.0) -> None:
        self.now = 100.0
        self.written: list[tuple[float, float]] = []
        self.late_s = late_s
        self.fails = False
        self.mover = Mover(
            "neck", self._write, bounds, start=start, rest=rest, clock=lambda: self.now, sleep=self.sleep
        )

    async def _write(self, value: float) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise DeviceError("The servo 'neck' cannot be used: burnt.")
        self.written.append((self.now, value))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late_s
        await asyncio.sleep(0)

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.written]


def test_a_step_goes_as_far_as_its_time_allows_and_not_beyond_the_target() -> None:
    assert advance(0, 10, rate=60, elapsed_s=0.02) == pytest.approx(1.2)
    assert advance(0, -10, rate=60, elapsed_s=0.02) == pytest.approx(-1.2)
    assert advance(9.5, 10, rate=60, elapsed_s=0.02) == 10
    assert advance(0, 90, rate=60, elapsed_s=5) == pytest.approx(60 * 2 * STEP_S), "late, not faster"
    assert advance(0, 90, rate=60, elapsed_s=-1) == 0


async def test_it_gets_there_in_the_time_that_the_way_takes() -> None:
    bench = Bench(SERVO)
    assert await bench.mover.order(30)
    assert bench.values[-1] == bench.mover.value == 30
    assert bench.now - 100 == pytest.approx(0.5, abs=3 * STEP_S)
    began = bench.now
    assert await bench.mover.order(0, rate=10)
    assert bench.now - began == pytest.approx(3.0, abs=3 * STEP_S)


async def test_the_last_order_counts() -> None:
    bench = Bench(SERVO)
    first = bench.mover.order(45)
    for _ in range(20):
        await asyncio.sleep(0)
    second = bench.mover.order(-45)
    assert not await first
    assert await second
    assert 0 < max(bench.values) < 45
    assert bench.values[-1] == -45


async def test_stopped_it_stays_where_it_is() -> None:
    bench = Bench(SERVO)
    going = bench.mover.order(45)
    for _ in range(20):
        await asyncio.sleep(0)
    assert bench.mover.stop()
    assert not await going
    await bench.mover.close()
    assert 0 < bench.values[-1] < 45
    assert bench.mover.value == bench.values[-1]
    assert not bench.mover.stop(), "nothing moves any more"


async def test_an_owner_stops_what_it_began_and_nothing_else() -> None:
    bench, mine, other = Bench(SERVO), object(), object()
    going = bench.mover.order(45, owner=mine)
    assert not bench.mover.stop(other)
    theirs = bench.mover.order(-45, owner=other)
    assert not bench.mover.stop(mine), "another's order has replaced mine"
    assert bench.mover.stop(other)
    assert not await going
    assert not await theirs
    await bench.mover.close()


async def test_a_motor_speeds_up_holds_slows_down_and_stops_by_itself() -> None:
    bench = Bench(MOTOR, rest=0.0)
    assert await bench.mover.order(0.8, hold_s=2.0)
    await bench.mover.close()
    assert max(bench.values) == 0.8
    assert bench.values[-1] == 0
    reached, left = (next(at for at, value in order if value == 0.8) for order in (bench.written, bench.written[::-1]))
    assert reached - 100 == pytest.approx(0.4, abs=3 * STEP_S)
    assert left < 102 + STEP_S
    assert bench.now == pytest.approx(102.4, abs=5 * STEP_S)


async def test_a_motor_that_is_stopped_stops_at_once() -> None:
    bench = Bench(MOTOR, rest=0.0)
    going = bench.mover.order(1.0, hold_s=60)
    for _ in range(40):
        await asyncio.sleep(0)
    assert bench.values[-1] > 0.2
    before = bench.now
    bench.mover.stop()
    assert not await going
    await bench.mover.close()
    assert bench.values[-1] == 0
    assert bench.now - before <= 2 * STEP_S


async def test_a_failing_pin_ends_the_motion_with_its_error_and_the_next_may_work() -> None:
    bench = Bench(SERVO)
    bench.fails = True
    with pytest.raises(DeviceError, match="burnt"):
        await bench.mover.order(30)
    bench.fails = False
    await bench.mover.close()
    assert await bench.mover.order(30)


ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["order", "order", "order", "stop", "wait"]),
        st.floats(-200, 200),
        st.integers(0, 12),
        st.sampled_from([None, 1.0, 1000.0]),
    ),
    max_size=30,
)


@given(one=ORDERS, other=ORDERS, late_s=st.sampled_from([0.0, 0.001, 0.5]))
@settings(max_examples=60, deadline=None)
def test_two_agents_cannot_make_it_exceed_limits_or_rate(
    one: list[tuple[str, float, int, float | None]], other: list[tuple[str, float, int, float | None]], late_s: float
) -> None:
    bench = Bench(SERVO, late_s=late_s)

    async def agent(orders: list[tuple[str, float, int, float | None]]) -> None:
        me = object()
        for what, target, turns, rate in orders:
            if what == "order":
                bench.mover.order(target, owner=me, rate=rate)
            elif what == "stop":
                bench.mover.stop(me)
            for _ in range(turns):
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(agent(one), agent(other))
        await bench.mover.close()

    asyncio.run(both())
    known_at, known = -1.0, 0.0  # at the start it may be anywhere near its start angle
    for at, value in bench.written:
        assert SERVO.low <= value <= SERVO.high
        longest = 2 * STEP_S if known_at < 0 else min(at - known_at, 2 * STEP_S)
        assert abs(value - known) <= SERVO.rate * longest + 1e-6, "faster than it may"
        known_at, known = at, value
