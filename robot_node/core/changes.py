"""Wait for changes of something that calls listeners; a burst of changes counts once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

Listen = Callable[[Callable[[Any], None]], Callable[[], None]]
"""Registers a listener for changes; returns a function that removes it."""


class Changes:
    """Notices changes within a block: ``with Changes(state.listen) as changes: await changes.wait()``.

    Used from the event loop only.

    Args:
        sources: Where to listen, such as :meth:`robot_node.core.state.RobotState.listen`.
        value: Returns what matters; a change that leaves it as it was does not count. None: every change counts.
    """

    def __init__(self, *sources: Listen, value: Callable[[], object] | None = None) -> None:
        self._sources = sources
        self._value = value
        self._last = None if value is None else value()
        self._changed = asyncio.Event()
        self._stops = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for listen in self._sources:
            self._stops.callback(listen(self._on_change))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stops.close()

    async def wait(self, *, settle_s: float = 0.0, shortest_s: float = 0.0, longest_s: float | None = None) -> bool:
        """Wait for a change since the previous wait; return whether there was one. Later changes count for the next.

        Args:
            settle_s: Wait for so many seconds after a change, so that a burst counts once.
            shortest_s: Wait for so many seconds at least, so that changes are not handled more often.
            longest_s: Wait for so many seconds at most, but for ``settle_s``; None: for ever.
        """
        await asyncio.sleep(shortest_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if longest_s is None else max(0.0, longest_s - shortest_s)):
                await self._changed.wait()
        if self._changed.is_set():
            await asyncio.sleep(settle_s)
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def _on_change(self, _: object) -> None:
        if self._value is not None:
            before, self._last = self._last, self._value()
            if self._last == before:
                return
        self._changed.set()
