"""A clock that jumps by years, back and forth, as that of a Pi without battery does: nobody loses the robot."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import agent, events, status, structured
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, wait_until_online
from tests.waiting import DEADLINE_S, eventually

YEARS = 365


def faked_time(offset: Path) -> dict[str, str]:
    """Environment of a process whose clock is off by what that file says; durations are measured as ever."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",  # it is read again after one second
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


async def says_the_year(client: Client, year: int) -> bool:
    """Whether what happens to the robot now is of that year, or the one beside it."""
    shown = (await status(client))["emotion"]
    await structured(client, "change_emotion", emotion="sad" if shown == "happy" else "happy")
    return abs(int((await events(client))[-1]["time"][:4]) - year) <= 1


@pytest.mark.slow
async def test_a_clock_that_jumps_by_years_costs_nobody_anything(broker: PrivateBroker, tmp_path: Path) -> None:
    offset = tmp_path / "offset"

    def jump(days: int) -> None:
        offset.write_text(f"{days:+}d")

    jump(-50 * YEARS)  # a Pi wakes up in the past
    settings = {
        "ROBOT_NODE_CAMERA__ON_AT_START": "true",
        "ROBOT_NODE_CAMERA__WIDTH": "320",
        "ROBOT_NODE_CAMERA__HEIGHT": "180",
        "ROBOT_NODE_CAMERA__FRAME_RATE": "15",
    }
    robot = RobotProcess(broker, tmp_path, settings={**settings, **faked_time(offset)})
    await robot.start()
    try:
        await wait_until_online(broker)
        async with agent(broker) as client, watching(broker, "viewer-1") as viewer:
            await viewer.frames(5)
            uptime = (await status(client))["uptime_s"]
            for days in (10 * YEARS, -20 * YEARS):
                await asyncio.to_thread(jump, days)
                year = (datetime.now(UTC) + timedelta(days=days)).year
                await eventually(partial(says_the_year, client, year), f"its clock says {year}")
                await viewer.frames(30)
                now = await status(client)
                assert (now["viewers"], now["faults"]) == (1, {})
                assert uptime <= now["uptime_s"] < uptime + 10 * DEADLINE_S
        assert broker.log.count(f"as {SERVER_ID} (") == 1, "it was never away"
        assert "Traceback" not in robot.log
        assert await robot.stop() == 0
    finally:
        await robot.kill()
