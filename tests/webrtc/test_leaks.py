"""Coming and going leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

from robot_node.webrtc.signaling import Offer, Terminated
from tests.webrtc.conftest import Robot, until
from tests.webrtc.peer import peer


def _counts() -> tuple[int, int, int]:
    return len(asyncio.all_tasks()), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


async def _come_and_go(robot: Robot, times: int) -> None:
    for number in range(times):
        async with peer(robot.broker, f"viewer-{number % 3}") as viewer:
            await viewer.offer()
            await viewer.frame()
            if number % 2:
                await viewer.send(Terminated())
        await robot.has_viewers(0)


async def test_30_viewers_come_and_go_without_a_trace(robot: Robot) -> None:
    await _come_and_go(robot, 3)  # whatever is made once and kept, is made now
    await until(lambda: not any(task.get_name().startswith("WebRTC viewer") for task in asyncio.all_tasks()))
    gc.collect()
    before = _counts()
    await _come_and_go(robot, 30)
    gc.collect()
    await until(lambda: _counts() <= before)
    assert not robot.scene.encoding


async def test_sessions_cut_off_at_any_stage_leave_no_trace(robot: Robot) -> None:
    async with peer(robot.broker, "hasty") as viewer:
        sdp, candidates = await viewer.make_offer()
        gc.collect()
        before = _counts()
        for turns in range(40):
            await viewer.send(Offer(sdp))
            for candidate in candidates:
                await viewer.send(candidate)
            for _ in range(turns):
                await asyncio.sleep(0)
            await viewer.send(Terminated())
        await until(lambda: _counts() <= before)
