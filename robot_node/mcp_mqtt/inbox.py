"""The SDK's read stream: a bounded queue that costs one turn of the event loop per message.

A memory stream of anyio costs two: it yields to other tasks before it looks for a message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Self, TypeVar

import anyio

from robot_node.mcp_mqtt.streams import SdkStream

T = TypeVar("T")


class Inbox(SdkStream, Generic[T]):
    """A bounded queue of messages with one reader, a ``ReadStream`` of the SDK.

    Args:
        capacity: Messages that may wait.
        max_bytes: Memory that they may hold together; one alone may hold more. 0 for any.
        on_taken: Called with each message that the reader takes, and its size.
    """

    def __init__(
        self, capacity: int, *, max_bytes: int = 0, on_taken: Callable[[T, int], None] = lambda _item, _size: None
    ) -> None:
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._on_taken = on_taken
        self._items: deque[tuple[T, int]] = deque()
        self._held = 0
        self._waiting: asyncio.Future[None] | None = None
        self._ended = False
        self._closed = False

    def put(self, item: T, size: int = 0) -> bool:
        """Append a message; False when there is no room. What comes after the end is dropped.

        Args:
            item: The message.
            size: Bytes of memory that it holds.
        """
        if self._ended or self._closed:
            return True
        if len(self._items) >= self._capacity or (0 < self._max_bytes < self._held + size and self._held):
            return False
        self._items.append((item, size))
        self._held += size
        self._wake()
        return True

    def end(self) -> None:
        """End the stream after the messages that wait."""
        self._ended = True
        self._wake()

    def close(self) -> None:
        """End reading, and drop the messages that wait."""
        self._closed = True
        self._items.clear()
        self._wake()

    async def receive(self) -> T:
        """Wait for the next message.

        Raises:
            EndOfStream: the stream has ended.
            ClosedResourceError: the inbox was closed.
        """
        while not self._items:
            if self._closed:
                raise anyio.ClosedResourceError
            if self._ended:
                raise anyio.EndOfStream
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        item, size = self._items.popleft()
        self._held -= size
        self._on_taken(item, size)
        return item

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
