"""Services that crash: what follows, what is told, and when it is too much."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from robot_node.core.backoff import Crashes, RestartPolicy
from robot_node.core.events import EventLog, record
from robot_node.core.state import RobotState
from robot_node.errors import NotReadyError, ServiceError, SettingsError
from robot_node.robot.supervisor import Supervisor
from tests.waiting import DEADLINE_S

SEEDED = random.Random(1)
AT_ONCE = RestartPolicy(initial_s=0.001, maximum_s=0.001, stable_after_s=600)


class Flaky:
    """A service that crashes some times, and then runs until it is cancelled."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.starts = 0
        self.runs = asyncio.Event()

    async def __call__(self) -> None:
        self.starts += 1
        if self.errors:
            raise self.errors.pop(0)
        self.runs.set()
        await asyncio.Event().wait()


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def supervised(state: RobotState, policy: RestartPolicy, **services: Callable[..., object]) -> asyncio.Task[None]:
    async def run() -> None:
        async with Supervisor(state, policy=policy) as supervisor:
            for name, service in services.items():
                supervisor.run(name, service)  # type: ignore[arg-type]  # keyword arguments have one type

    return asyncio.create_task(run())


def delays(crashes: Crashes, *, lives_s: float, count: int) -> list[float | None]:
    """What a service gets that lives so long each time, while the clock starts anywhere."""
    now, found = 1e6, list[float | None]()
    for _ in range(count):
        began, now = now, now + lives_s
        found.append(crashes.next_delay(began=began, now=now))
        now += found[-1] or 0.0
    return found


def test_delays_grow_up_to_a_limit_and_vary_by_a_quarter() -> None:
    policy = RestartPolicy(initial_s=1, maximum_s=8, most_crashes=100)
    found = [delays(Crashes(policy, random.Random(seed)), lives_s=0, count=6) for seed in range(20)]
    for full, each in zip((1, 2, 4, 8, 8, 8), zip(*found, strict=True), strict=True):
        assert all(delay is not None and 0.75 * full <= delay <= full for delay in each)
        assert len(set(each)) > 10


def test_the_first_delay_is_the_shortest_again_after_a_stable_time() -> None:
    crashes = Crashes(RestartPolicy(initial_s=1, maximum_s=64, stable_after_s=60, most_crashes=100), SEEDED)
    assert (delays(crashes, lives_s=59, count=5)[-1] or 0) >= 12
    assert (delays(crashes, lives_s=60, count=1)[-1] or 9) <= 1


def test_too_many_crashes_within_the_window_are_the_end_however_long_it_ran_in_between() -> None:
    policy = RestartPolicy(initial_s=0, maximum_s=0, stable_after_s=60, most_crashes=10, window_s=600)
    assert delays(Crashes(policy), lives_s=0, count=10).index(None) == 9
    assert delays(Crashes(policy), lives_s=66, count=10).index(None) == 9
    assert None not in delays(Crashes(policy), lives_s=67, count=500)


async def test_a_crashed_service_is_started_again_and_the_others_never_notice() -> None:
    flaky, steady = Flaky(RuntimeError("one"), ValueError("two")), Flaky()
    task = supervised(RobotState(), AT_ONCE, flaky=flaky, steady=steady)
    async with asyncio.timeout(DEADLINE_S):
        await flaky.runs.wait()
    assert (flaky.starts, steady.starts) == (3, 1)
    await stop(task)


async def test_a_crash_is_a_fault_and_an_event_until_the_service_has_run_for_a_while() -> None:
    state, log = RobotState(), EventLog()
    record(state, log)
    flaky = Flaky(RuntimeError("no such eye"))
    policy = RestartPolicy(initial_s=0.001, stable_after_s=0.05)
    task = supervised(state, policy, face=flaky)
    async with asyncio.timeout(DEADLINE_S):
        async for snapshot in state.changes():
            if snapshot.faults:
                break
        assert snapshot.faults == {"face": "The service face crashed: RuntimeError: no such eye."}
        async for snapshot in state.changes():
            if not snapshot.faults:
                break
    assert [(event.kind, event.text) for event in log.after()] == [
        ("fault", "The service face crashed: RuntimeError: no such eye."),
        ("recovered", "Face: works again."),
    ]
    await stop(task)


async def test_a_finished_service_is_not_restarted_and_leaves_no_fault() -> None:
    state, attempts = RobotState(), [RuntimeError("once")]

    async def check() -> None:
        if attempts:
            raise attempts.pop()

    async with asyncio.timeout(DEADLINE_S):
        await supervised(state, AT_ONCE, check=check)
    assert not attempts
    assert state.snapshot.faults == {}


async def test_the_same_crash_is_written_with_its_traceback_once(caplog: pytest.LogCaptureFixture) -> None:
    flaky = Flaky(*(RuntimeError("same") for _ in range(3)), RuntimeError("other"))
    task = supervised(RobotState(), AT_ONCE, flaky=flaky)
    async with asyncio.timeout(DEADLINE_S):
        await flaky.runs.wait()
    await stop(task)
    lines = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [line.exc_info is not None for line in lines] == [True, False, False, True]
    assert all("The service flaky crashed: RuntimeError: " in line.getMessage() for line in lines)


async def test_a_group_of_errors_is_reported_by_its_first_error() -> None:
    group = BaseExceptionGroup("two", [ExceptionGroup("one", [KeyError("name")]), ValueError("x")])
    state, flaky = RobotState(), Flaky(group)
    task = supervised(state, AT_ONCE, flaky=flaky)
    async with asyncio.timeout(DEADLINE_S):
        await flaky.runs.wait()
    assert state.snapshot.faults == {"flaky": "The service flaky crashed: KeyError: 'name'."}
    await stop(task)


async def test_a_service_that_crashes_for_ever_ends_all_of_them_with_an_error_that_names_it() -> None:
    steady = Flaky()
    ended = asyncio.Event()

    async def last_words() -> None:
        try:
            await steady()
        finally:
            await asyncio.sleep(0)  # a goodbye
            ended.set()

    broken = Flaky(*(RuntimeError(f"Number {number}.") for number in range(20)))
    policy = RestartPolicy(initial_s=0.001, maximum_s=0.001, most_crashes=4)
    with pytest.raises(ServiceError) as failed:
        async with asyncio.timeout(DEADLINE_S):
            await supervised(RobotState(), policy, broken=broken, steady=last_words)
    assert "The service broken crashed 4 times within 600 s, the last time by RuntimeError: Number 3." in str(
        failed.value
    )
    assert broken.starts == 4
    assert ended.is_set()


async def test_a_service_that_is_blocked_from_outside_is_retried_for_as_long_as_it_takes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = RobotState()
    taken = NotReadyError("The port is taken.", remedy="Choose another one.")
    web = Flaky(*(ExceptionGroup("its tasks", [taken]) for _ in range(20)))
    task = supervised(state, replace(AT_ONCE, most_crashes=4), web=web)
    async with asyncio.timeout(DEADLINE_S):
        await web.runs.wait()
    fault = "The service web does not work: The port is taken. Choose another one."
    assert state.snapshot.faults == {"web": fault}
    await stop(task)
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage() == f"{fault} It is tried again."
    assert line.exc_info is None


async def test_a_bug_beside_what_blocks_a_service_counts() -> None:
    mixed = ExceptionGroup("its tasks", [NotReadyError("The port is taken."), KeyError("name")])
    with pytest.raises(ServiceError):
        async with asyncio.timeout(DEADLINE_S):
            await supervised(RobotState(), replace(AT_ONCE, most_crashes=4), web=Flaky(*(mixed for _ in range(20))))


async def test_a_fault_that_a_service_reports_under_another_name_stays() -> None:
    state, told = RobotState(), asyncio.Event()

    async def keep() -> None:
        state.set_fault("state file", "The disk is full.")
        told.set()
        await asyncio.Event().wait()

    flaky = Flaky(RuntimeError("once"))
    task = supervised(state, RestartPolicy(initial_s=0.001, stable_after_s=0.05), keep=keep, flaky=flaky)
    async with asyncio.timeout(DEADLINE_S):
        await told.wait()
        async for snapshot in state.changes():  # until the other one has run for longer than stable_after_s
            if flaky.runs.is_set() and "flaky" not in snapshot.faults:
                break
    assert state.snapshot.faults == {"state file": "The disk is full."}
    await stop(task)


async def test_wrong_settings_end_it_at_once() -> None:
    broken = Flaky(ExceptionGroup("of a service's own tasks", [SettingsError("No such role.")]))
    with pytest.raises(SettingsError, match="No such role"):
        async with asyncio.timeout(DEADLINE_S):
            await supervised(RobotState(), AT_ONCE, broken=broken, steady=Flaky())
    assert broken.starts == 1


async def test_a_cancellation_that_nobody_requested_is_a_crash() -> None:
    flaky = Flaky(asyncio.CancelledError())
    task = supervised(RobotState(), AT_ONCE, flaky=flaky)
    async with asyncio.timeout(DEADLINE_S):
        await flaky.runs.wait()
    await stop(task)


async def test_a_service_that_waits_for_its_restart_can_be_stopped() -> None:
    state = RobotState()
    broken = Flaky(*(RuntimeError("x") for _ in range(20)))
    task = supervised(state, RestartPolicy(initial_s=600, maximum_s=600), broken=broken)
    async with asyncio.timeout(DEADLINE_S):
        async for snapshot in state.changes():
            if snapshot.faults:
                break
        await stop(task)
    assert broken.starts == 1


async def test_a_service_that_crashes_when_it_is_stopped_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    running, starts = asyncio.Event(), []

    async def service() -> None:
        starts.append(1)
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("while leaving")

    task = supervised(RobotState(), AT_ONCE, service=service)
    async with asyncio.timeout(DEADLINE_S):
        await running.wait()
        await stop(task)
    assert starts == [1]
    assert "The service service failed while it was stopped" in caplog.text
