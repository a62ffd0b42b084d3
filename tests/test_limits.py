"""A test that fails, fails alone: what it leaves behind is found, and harms no other."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import aiomqtt
import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests import limits
from tests.limits import assert_ended, lasting_threads, within
from tests.shared_broker import SharedBroker
from tests.waiting import DEADLINE_S


async def test_a_test_that_takes_too_long_leaves_its_blocks() -> None:
    left = asyncio.Event()

    @contextlib.asynccontextmanager
    async def robot() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(0)
            left.set()

    async def test() -> None:
        async with robot():
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await within(0.05, test)()
    assert left.is_set()


async def test_a_test_that_goes_on_when_it_is_cancelled_fails() -> None:
    async def test() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="did not end"):
        await within(0.05, test)()


def test_a_thread_that_stays_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_END_S", 0.05)
    before, released = lasting_threads(), threading.Event()

    def decode_for_ever() -> None:
        released.wait()

    thread = threading.Thread(target=decode_for_ever, name="video-decoder")
    thread.start()
    try:
        left = lasting_threads() - before
        with pytest.raises(AssertionError, match=r"video-decoder(.|\n)*decode_for_ever"):
            assert_ended(left)
    finally:
        released.set()
        thread.join()
    assert_ended(left)


async def test_who_stays_at_the_broker_of_all_is_left_alone_with_it() -> None:
    shared = SharedBroker(patience_s=0.05)
    with contextlib.suppress(aiomqtt.MqttError):  # it loses its connection
        async with client_of(first := await shared.ready()):
            with pytest.raises(AssertionError, match="left the broker"):
                await shared.tidy()
            second = await shared.ready()
            assert second.port != first.port
            async with asyncio.timeout(DEADLINE_S), client_of(second):
                pass
    await shared.close()


def client_of(broker: PrivateBroker) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5)
