"""Tasks that are cancelled and waited for."""

from __future__ import annotations

import asyncio

from robot_node.core.asyncio_tools import cancel_and_wait


async def test_cancelling_while_tasks_are_ended_waits_for_their_end() -> None:
    ended = asyncio.Event()
    cleaning = asyncio.Event()
    finish = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await finish.wait()
            ended.set()

    task = asyncio.create_task(slow_to_end())
    await asyncio.sleep(0)
    ending = asyncio.create_task(cancel_and_wait(task))
    await cleaning.wait()
    ending.cancel()
    done, _ = await asyncio.wait([ending], timeout=0.05)
    assert not done
    finish.set()
    await asyncio.wait([ending])
    assert ending.cancelled()
    assert ended.is_set()
