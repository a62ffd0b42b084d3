"""Operations on a device with a state of its own, one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from robot_node.errors import RobotNodeError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class OperationQueue:
    """Runs a device's operations one at a time; a caller's cancellation never interrupts one.

    Each runs in a task of its own, in the order of the calls, so that no half-opened device is left behind. Used from
    the event loop only.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, name: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation after those before it, and return its result.

        Args:
            name: Of its task.
            operation: Called when those before it have ended.

        Raises:
            Exception: what the operation raises.
        """
        task = self._task(name, self._after_others(operation))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_unexpected)
            raise

    def submit(self, name: str, operation: Callable[[], Awaitable[None]]) -> None:
        """Run an operation after those before it, without waiting for it."""
        self.spawn(name, self._after_others(operation))

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something at once, concurrently with the operations, without waiting for it; return its task."""
        task = self._task(name, work)
        task.add_done_callback(_log_unexpected)
        return task

    async def close(self) -> None:
        """Cancel the operations that are left, and wait until they have ended."""
        remaining = tuple(self._tasks)
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)

    async def _after_others(self, operation: Callable[[], Awaitable[T]]) -> T:
        async with self._lock:  # asyncio's lock is fair: first come, first served
            return await operation()

    def _task(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _log_unexpected(task: asyncio.Task[Any]) -> None:
    """Log an error that no caller gets. A device's own errors were reported and logged where they happened."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, RobotNodeError):
        logger.error("%s failed unexpectedly", task.get_name(), exc_info=error)
