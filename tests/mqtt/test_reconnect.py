"""Keeping a connection to real mosquitto: when it is made anew, and how soon."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import signal
from collections.abc import Awaitable, Callable

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.errors import BrokerError
from robot_node.mqtt import Backoff, Broker, Connection, ConnectOptions, ReconnectError, keep_connected
from tests.waiting import DEADLINE_S, eventually


def test_delays_double_up_to_the_maximum_and_vary() -> None:
    backoff = Backoff(initial_s=1.0, maximum_s=8.0, random=random.Random(1))
    delays = [backoff.next_delay() for _ in range(50)]
    for delay, full in zip(delays, [1.0, 2.0, 4.0] + [8.0] * 47, strict=True):
        assert 0.75 * full <= delay <= full
    assert len(set(delays)) == 50
    backoff.reset()
    assert backoff.next_delay() <= 1.0


class Recorder:
    """Runs keep_connected, and says what happened."""

    def __init__(
        self,
        broker: PrivateBroker,
        serve: Callable[[Connection], Awaitable[None]],
        backoff: Backoff | None = None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.client_ids: list[str] = []
        self._names = (f"client-{number}" for number in itertools.count())

        async def work(connection: Connection) -> None:
            self.client_ids.append(connection.client_id)
            await serve(connection)

        self.task = asyncio.create_task(
            keep_connected(
                Broker.from_url(broker.url),
                lambda: ConnectOptions(client_id=next(self._names)),
                work,
                name="Test",
                backoff=backoff or Backoff(initial_s=0.01, maximum_s=0.02),
                on_status=lambda status: None if status.connected else on_lost(),
            )
        )


async def test_reconnecting_on_request_takes_new_options_and_no_delay(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    up = asyncio.Event()

    async def serve(connection: Connection) -> None:
        if connection.client_id == "client-0":
            raise ReconnectError("Other options are needed.")
        up.set()
        await asyncio.Event().wait()

    recorder = Recorder(broker, serve)
    await asyncio.wait_for(up.wait(), DEADLINE_S)
    await cancel_and_wait(recorder.task)
    assert recorder.client_ids == ["client-0", "client-1"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_asking_to_reconnect_again_and_again_is_slowed_down(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(_: Connection) -> None:
        raise ReconnectError("Other options are needed.")

    recorder = Recorder(broker, serve)
    await eventually(lambda: caplog.text.count("Other options are needed. Next attempt in") >= 3)
    await cancel_and_wait(recorder.task)


@pytest.mark.parametrize(("stable_after_s", "grows"), [(0.0, False), (60.0, True)])
async def test_delays_begin_anew_after_a_connection_that_lived(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture, stable_after_s: float, *, grows: bool
) -> None:
    async def serve(_: Connection) -> None:
        raise BrokerError("This connection is of no use.")

    backoff = Backoff(initial_s=0.01, maximum_s=10.0, stable_after_s=stable_after_s)
    recorder = Recorder(broker, serve, backoff)
    await eventually(lambda: caplog.text.count("Next attempt in") >= 4)
    await cancel_and_wait(recorder.task)
    assert (backoff.next_delay() > 0.1) == grows


async def test_a_service_that_was_cancelled_by_nobody_it_knows_is_started_again_and_told_as_down(
    broker: PrivateBroker,
) -> None:
    lost, runs = asyncio.Event(), 0

    async def serve(_: Connection) -> None:
        nonlocal runs
        runs += 1
        inner = asyncio.ensure_future(asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner

    recorder = Recorder(broker, serve, on_lost=lost.set)
    await asyncio.wait_for(lost.wait(), DEADLINE_S)
    await eventually(lambda: runs >= 3)
    await cancel_and_wait(recorder.task)
    assert recorder.task.cancelled()


async def test_a_mistake_of_ours_is_not_retried(broker: PrivateBroker) -> None:
    async def serve(_: Connection) -> None:
        raise ZeroDivisionError

    recorder = Recorder(broker, serve)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(recorder.task, DEADLINE_S)


@pytest.mark.own_broker
async def test_a_goodbye_that_a_lost_connection_cuts_short_is_no_complaint(broker: PrivateBroker) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))

    async def serve(connection: Connection) -> None:
        try:
            broker.signal(signal.SIGKILL)
            await asyncio.Event().wait()
        finally:
            await connection.publish("goodbye", b"", qos=1)

    lost = asyncio.Event()
    recorder = Recorder(broker, serve, on_lost=lost.set)
    await asyncio.wait_for(lost.wait(), DEADLINE_S)
    await cancel_and_wait(recorder.task)
    del recorder
    gc.collect()
    assert not complaints


@pytest.mark.own_broker
async def test_a_mistake_that_a_lost_connection_brings_to_light_is_not_retried(broker: PrivateBroker) -> None:
    async def serve(_: Connection) -> None:
        try:
            broker.signal(signal.SIGKILL)
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError

    recorder = Recorder(broker, serve)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(recorder.task, DEADLINE_S)


async def test_a_goodbye_is_said_while_the_connection_still_works(broker: PrivateBroker) -> None:
    up = asyncio.Event()

    async def serve(connection: Connection) -> None:
        try:
            up.set()
            await asyncio.Event().wait()
        finally:
            await connection.publish("goodbye", b"", qos=1)

    recorder = Recorder(broker, serve)
    await asyncio.wait_for(up.wait(), DEADLINE_S)
    recorder.task.cancel()
    await asyncio.wait([recorder.task])
    assert recorder.task.cancelled()
    await eventually(lambda: "Received DISCONNECT from client-0" in broker.log)
    assert 0 < broker.log.index("'goodbye'") < broker.log.index("Received DISCONNECT from client-0")
