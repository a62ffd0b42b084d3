"""The read stream between a broker's messages and the SDK."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from robot_node.mcp_mqtt.inbox import Inbox


async def test_messages_come_out_in_order_also_to_a_reader_who_waits_already() -> None:
    inbox: Inbox[int] = Inbox(10)
    reading = asyncio.create_task(inbox.receive())
    await asyncio.sleep(0)
    assert inbox.put(1)
    assert inbox.put(2)
    assert await reading == 1
    assert await inbox.receive() == 2


async def test_a_full_inbox_says_so_until_somebody_reads() -> None:
    inbox: Inbox[int] = Inbox(1)
    assert inbox.put(1)
    assert not inbox.put(2)
    assert await inbox.receive() == 1
    assert inbox.put(3)
    assert await inbox.receive() == 3


async def test_an_inbox_is_full_by_memory_too_but_takes_one_message_of_any_size() -> None:
    taken: list[tuple[str, int]] = []
    inbox: Inbox[str] = Inbox(10, max_bytes=100, on_taken=lambda item, size: taken.append((item, size)))
    assert inbox.put("huge", 500)
    assert not inbox.put("small", 1)
    assert await inbox.receive() == "huge"
    assert inbox.put("half", 50)
    assert inbox.put("other half", 50)
    assert not inbox.put("a byte more", 1)
    assert inbox.put("weightless")
    assert await inbox.receive() == "half"
    assert inbox.put("a byte more", 1)
    assert taken == [("huge", 500), ("half", 50)]


async def test_after_the_end_the_reader_gets_what_was_there() -> None:
    inbox: Inbox[int] = Inbox(10)
    inbox.put(1)
    inbox.end()
    inbox.put(2)
    assert [item async for item in inbox] == [1]
    with pytest.raises(anyio.EndOfStream):
        await inbox.receive()


async def test_the_end_reaches_a_reader_who_waits() -> None:
    inbox: Inbox[int] = Inbox(10)
    reading = asyncio.create_task(anext(inbox, None))
    await asyncio.sleep(0)
    inbox.end()
    assert await reading is None


async def test_a_closed_inbox_gives_nothing_more_and_takes_what_comes() -> None:
    inbox: Inbox[int] = Inbox(1)
    async with inbox:
        inbox.put(1)
    assert inbox.put(2)
    assert inbox.put(3)
    with pytest.raises(anyio.ClosedResourceError):
        await inbox.receive()


async def test_a_reader_that_is_cancelled_loses_no_message() -> None:
    inbox: Inbox[int] = Inbox(10)
    reading = asyncio.create_task(inbox.receive())
    await asyncio.sleep(0)
    inbox.put(1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await inbox.receive() == 1
