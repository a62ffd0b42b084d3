"""A server in a thread with an event loop of its own: a command that is tested needs that of the test."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Self


class InAThread(ABC):
    """Serves in a thread until the block is left.

    Attributes:
        loop: The event loop that it runs in.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._online, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    @abstractmethod
    def serving(self) -> AbstractAsyncContextManager[object]:
        """Return what serves while it is entered."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._online.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self.loop.close()

    def _run(self) -> None:
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self._online.set()  # whoever waits for it is not to wait for ever

    async def _serve(self) -> None:
        async with self.serving():
            self._online.set()
            await self._end.wait()
