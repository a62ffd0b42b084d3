"""One thing after the other, each to its end: how the calls into a device with a state of its own are served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from robot_node.errors import RobotNodeError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Turns:
    """Serves operations one after the other, in tasks of their own. Used from the event loop only.

    An operation runs to its end even when its caller is cancelled, so that no half-opened device is left behind.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def busy(self) -> bool:
        """An operation has its turn."""
        return self._lock.locked()

    async def take(self, name: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation in its turn, and return what it returns.

        Args:
            name: Of its task.
            operation: Called when the turn has come.

        Raises:
            Exception: what the operation raises.
        """
        task = self._task(name, self._in_turn(operation))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_nobody_asks_any_more)
            raise

    def take_later(self, name: str, operation: Callable[[], Awaitable[None]]) -> None:
        """Let an operation have its turn, while nobody waits for it."""
        self.beside(name, self._in_turn(operation))

    def beside(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run something that waits for no turn, while nobody waits for it."""
        self._task(name, work).add_done_callback(_nobody_asks_any_more)

    async def close(self) -> None:
        """Cancel whatever is left, and wait until it has ended."""
        remaining = tuple(self._tasks)
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)

    async def _in_turn(self, operation: Callable[[], Awaitable[T]]) -> T:
        async with self._lock:
            return await operation()

    def _task(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _nobody_asks_any_more(task: asyncio.Task[Any]) -> None:
    """Whoever asked was cancelled. That the device failed has been reported and logged; anything else is a mistake."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, RobotNodeError):
        logger.error("%s went wrong", task.get_name(), exc_info=error)
