"""The read stream that the SDK is given: a bounded queue that costs one turn of the event loop per message.

A memory stream of anyio makes two: it lets everybody else run before it looks whether something is there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Self, TypeVar

import anyio

from robot_node.mcp_mqtt.streams import SdkStream

T = TypeVar("T")


class Inbox(SdkStream, Generic[T]):
    """Messages on their way to one reader, a ``ReadStream`` of the SDK.

    Args:
        capacity: Messages that may wait.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._ended = False
        self._closed = False

    def put(self, item: T) -> bool:
        """Append a message; False when there is no room. What comes after the end is dropped."""
        if self._ended or self._closed:
            return True
        if len(self._items) >= self._capacity:
            return False
        self._items.append(item)
        self._wake()
        return True

    def end(self) -> None:
        """Nothing more will come: the reader gets what is there, then the end of the stream."""
        self._ended = True
        self._wake()

    def close(self) -> None:
        """Nobody reads any more, or nobody shall: drop what is there."""
        self._closed = True
        self._items.clear()
        self._wake()

    async def receive(self) -> T:
        """Wait for the next message.

        Raises:
            EndOfStream: there will be none.
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
        return self._items.popleft()

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
