"""A device's thread: calls that are given up, and what they have opened."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from robot_node.devices.worker import DeviceWorker, HangingError
from tests.waiting import DEADLINE_S, eventually


class Exclusive:
    """Something that can be opened once at a time, and whose opening may hang."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.returns = threading.Event()
        self.returns.set()

    def open(self) -> Exclusive:
        assert self.opened == self.closed, "it is in use"
        self.opened += 1
        self.returns.wait(DEADLINE_S)
        return self

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def worker() -> Iterator[DeviceWorker]:
    made = DeviceWorker("device")
    yield made
    made.close()


async def test_what_a_call_opens_that_was_given_up_is_closed_before_the_next_attempt(worker: DeviceWorker) -> None:
    device = Exclusive()
    device.returns.clear()
    with pytest.raises(HangingError, match=r"a call took longer than 0\.05 seconds"):
        await worker.open_within(0.05, device.open, Exclusive.close)
    assert (device.opened, device.closed) == (1, 0)
    again = asyncio.create_task(worker.open_within(DEADLINE_S, device.open, Exclusive.close))
    device.returns.set()
    assert await again is device
    assert (device.opened, device.closed) == (2, 1)


async def test_what_a_call_opens_whose_caller_was_cancelled_is_closed(worker: DeviceWorker) -> None:
    device = Exclusive()
    device.returns.clear()
    opening = asyncio.create_task(worker.open_within(DEADLINE_S, device.open, Exclusive.close))
    await eventually(lambda: device.opened)
    opening.cancel()
    await asyncio.wait({opening})
    device.returns.set()
    await eventually(lambda: device.closed)


async def test_what_was_opened_just_before_its_caller_was_cancelled_is_closed_too(worker: DeviceWorker) -> None:
    device = Exclusive()
    opening = asyncio.create_task(worker.open_within(DEADLINE_S, device.open, Exclusive.close))
    await asyncio.sleep(0)
    while not device.opened:
        time.sleep(0.001)  # noqa: ASYNC251  # the event loop must not take note of it
    opening.cancel()
    await asyncio.wait({opening})
    assert opening.cancelled()
    await eventually(lambda: device.closed)


async def test_what_cannot_be_closed_harms_no_later_call(
    worker: DeviceWorker, caplog: pytest.LogCaptureFixture
) -> None:
    returns = threading.Event()

    def refuse(_: object) -> None:
        raise OSError("it refuses")

    with pytest.raises(HangingError):
        await worker.open_within(0.05, returns.wait, refuse)
    returns.set()
    assert await worker.run(lambda: 1) == 1
    assert "What a late call of the device has opened cannot be closed" in caplog.text


async def test_an_event_loop_that_is_late_makes_no_call_hang(worker: DeviceWorker) -> None:
    call = asyncio.create_task(worker.run_within(0.1, lambda: "result"))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251  # as on an overloaded machine
    assert await call == "result"


async def test_an_error_of_the_library_is_passed_on_also_when_it_is_a_timeout(worker: DeviceWorker) -> None:
    def fail() -> None:
        raise TimeoutError("the library's own")

    with pytest.raises(TimeoutError, match="the library's own"):
        await worker.run_within(DEADLINE_S, fail)
