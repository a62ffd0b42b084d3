"""The life of a peer connection, as tasks: it begins with a negotiation, and ends when somebody says how."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

End = TypeVar("End")


class Lifetime(Generic[End]):
    """Runs a negotiation, and the tasks that follow from it, until the first :meth:`end`."""

    def __init__(self) -> None:
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def over(self) -> bool:
        """It has ended, or is about to."""
        return self._end.done()

    def end(self, how: End) -> None:
        """Make :meth:`run` return ``how``; only the first call counts."""
        if not self._end.done():
            self._end.set_result(how)

    async def wait_for(self, something: asyncio.Future[Any], limit_s: float) -> None:
        """Return when it is done, when the time is up, or when it is over: whatever comes first."""
        either: set[asyncio.Future[Any]] = {something, self._end}
        await asyncio.wait(either, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Start a task that is cancelled at the end; None when it is not begun, or over."""
        if self._group is None or self._end.done():
            coroutine.close()
            return None
        task = self._group.create_task(coroutine, name=f"WebRTC {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run(self, negotiation: Coroutine[Any, Any, None]) -> End:
        """Return how it ended, when no task is left."""
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(negotiation, name="WebRTC negotiation")
            how = await self._end
            # Not the negotiation: aiortc leaves sockets open when it is cancelled there. It ends soon by itself.
            for task in tuple(self._tasks):
                task.cancel()
        return how
