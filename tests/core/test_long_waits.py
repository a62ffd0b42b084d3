"""A long wait: ends with a change, and reports while there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from robot_node.core.changes import Changes
from robot_node.core.long_waits import LongWait


async def test_it_reports_until_something_changes() -> None:
    listeners: list[Callable[[Any], None]] = []
    reports: list[float] = []

    def listen(listener: Callable[[Any], None]) -> Callable[[], None]:
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    async def report(seconds: float) -> None:
        reports.append(seconds)

    wait = LongWait(report, every_s=0.01)
    with Changes(listen) as changes:
        await wait.next(changes)
        await wait.next(changes)
        assert len(reports) == 2
        assert 0 < reports[0] < reports[1] <= wait.seconds
        listeners[0](None)
        await wait.next(changes)
        assert len(reports) == 2


async def test_it_waits_no_longer_than_it_may() -> None:
    async def report(_: float) -> None:
        reported.set()

    reported = asyncio.Event()
    with Changes() as changes:
        await LongWait(report, every_s=1000).next(changes, longest_s=0.01)
    assert reported.is_set()
