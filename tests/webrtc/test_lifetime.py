"""The life of a session or call, as tasks."""

from __future__ import annotations

import asyncio

from robot_node.webrtc.lifetime import Lifetime


async def for_ever(cleaned_up: asyncio.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        cleaned_up.set()


async def test_the_first_end_counts_and_no_task_outlives_it() -> None:
    life: Lifetime[str] = Lifetime()
    cleaned_up = asyncio.Event()

    async def negotiate() -> None:
        life.spawn(for_ever(cleaned_up), "test")
        await asyncio.sleep(0)
        life.end("first")
        life.end("second")

    assert await life.run(negotiate()) == "first"
    assert life.over
    assert cleaned_up.is_set()


async def test_the_negotiation_is_never_cancelled_by_the_end() -> None:
    life: Lifetime[str] = Lifetime()
    began, may_go_on, went_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def negotiate() -> None:
        began.set()
        await may_go_on.wait()
        went_on.set()

    running = asyncio.create_task(life.run(negotiate()))
    await began.wait()
    life.end("over")
    done, _ = await asyncio.wait({running}, timeout=0.05)
    assert not done
    may_go_on.set()
    assert await running == "over"
    assert went_on.is_set()


async def test_after_the_end_nothing_begins_and_nobody_waits() -> None:
    life: Lifetime[str] = Lifetime()
    life.end("over")
    assert life.spawn(for_ever(asyncio.Event()), "test") is None
    await life.wait_for(asyncio.get_running_loop().create_future(), 1000)
