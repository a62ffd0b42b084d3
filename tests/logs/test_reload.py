"""What becomes of SIGHUP when the settings cannot be read; with a whole robot: test_robot.py."""

from __future__ import annotations

import asyncio

import pytest

from robot_node.errors import SettingsError
from robot_node.logs.reload import _reload_on_request
from robot_node.settings.logs import LogSettings
from tests.waiting import DEADLINE_S, eventually


async def test_a_mistake_at_one_signal_does_not_make_the_next_one_go_unheard(caplog: pytest.LogCaptureFixture) -> None:
    loop, asked, read = asyncio.get_running_loop(), asyncio.Event(), asyncio.Queue[None]()
    mistakes: list[Exception] = [LookupError("ours"), SettingsError("The file is wrong.")]

    def load() -> LogSettings:
        loop.call_soon_threadsafe(read.put_nowait, None)
        raise mistakes.pop(0)

    task = asyncio.create_task(_reload_on_request(asked, load))
    async with asyncio.timeout(DEADLINE_S):
        while mistakes:
            asked.set()
            await read.get()
    await eventually(lambda: "Log settings not reloaded. The file is wrong." in caplog.text)
    task.cancel()
    await asyncio.wait([task])
    assert "Log settings not reloaded" in caplog.text
    assert "LookupError: ours" in caplog.text
