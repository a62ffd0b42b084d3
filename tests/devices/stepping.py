"""Does something at one chosen await of a task: the next one each time, until there is none left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any


class Stepper:
    """Counts the awaits at which the tasks of a name are suspended, and interrupts one of them.

    Args:
        task: The name of the tasks.
        at: At which await, the first being 1.
        interrupt: Called there, on the event loop, before anything else runs; an error that it returns is raised by
            the await instead of its result.
    """

    def __init__(self, task: str, at: int, interrupt: Callable[[], Exception | None]) -> None:
        self.task = task
        self.awaits = 0
        self._at = at
        self._interrupt = interrupt

    @property
    def interrupted(self) -> bool:
        """There was such an await."""
        return self.awaits >= self._at

    def suspended(self) -> Exception | None:
        """Take note of an await."""
        self.awaits += 1
        return self._interrupt() if self.awaits == self._at else None

    @contextmanager
    def in_all_tasks(self) -> Iterator[None]:
        """See all tasks that begin in this block."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(_Stepped(coro, self), loop=loop, **options))
        try:
            yield
        finally:
            loop.set_task_factory(None)


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine of which each suspension is told."""

    def __init__(self, coroutine: Any, stepper: Stepper) -> None:
        self._coroutine = coroutine
        self._stepper = stepper
        self._error: Exception | None = None

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        error, self._error = self._error, None
        return self._after(self._coroutine.send(value) if error is None else self._coroutine.throw(error))

    def throw(self, kind: Any, value: BaseException | object = None, traceback: TracebackType | None = None, /) -> Any:
        del value, traceback
        return self._after(self._coroutine.throw(kind))

    def close(self) -> None:
        self._coroutine.close()

    def _after(self, awaited: Any) -> Any:
        task = asyncio.current_task()
        if task is not None and task.get_name() == self._stepper.task:
            self._error = self._stepper.suspended()
        return awaited
