"""Coming and going leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.signaling import Offer, Terminated
from tests.memory import resident_bytes
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.counts import counts
from tests.webrtc.peer import peer
from tests.webrtc.scene import difference, grey_of, read_number

# Fragments and caches of the allocator, on both sides; 200 sessions that stayed would take several times as much.
_MEMORY_BOUND_BYTES = 16 * 1024 * 1024


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[Robot]:
    """A robot that takes any number of offers: they are what may leave a trace."""
    settings = WebRtcSettings(offers_per_minute=100_000, all_offers_per_minute=100_000)
    async with running_robot(broker, settings) as running:
        yield running


def _nobody_is_served() -> bool:
    return not any(task.get_name().startswith("WebRTC viewer") for task in asyncio.all_tasks())


async def _come_and_go(robot: Robot, times: int) -> None:
    for number in range(times):
        async with peer(robot.broker, f"viewer-{number % 3}") as viewer:
            await viewer.offer()
            await viewer.frame()
            if number % 2:
                await viewer.send(Terminated())
        await robot.has_viewers(0)


@pytest.mark.slow  # sessions that are cut off, below, are quick
@pytest.mark.parametrize("number", [15, 200])
async def test_viewers_come_and_go_without_a_trace(robot: Robot, number: int) -> None:
    await _come_and_go(robot, 20)  # whatever is made once and kept, is made now
    await eventually(_nobody_is_served)
    gc.collect()
    before, memory_before = counts(), resident_bytes()
    await _come_and_go(robot, number)
    await eventually(_nobody_is_served)
    gc.collect()
    await eventually(lambda: counts().no_more_than(before))
    assert not robot.scene.encoding
    assert resident_bytes() - memory_before < _MEMORY_BOUND_BYTES
    assert robot.statistics.snapshot().totals.connected == 20 + number


async def test_sessions_cut_off_at_any_stage_leave_no_trace(robot: Robot) -> None:
    async with peer(robot.broker, "hasty") as viewer:
        sdp, candidates = await viewer.make_offer()
        gc.collect()
        before = counts()
        for turns in range(40):
            await viewer.send(Offer(sdp))
            for candidate in candidates:
                await viewer.send(candidate)
            for _ in range(turns):
                await asyncio.sleep(0)
            await viewer.send(Terminated())
        await eventually(lambda: counts().no_more_than(before))


async def test_a_camera_toggled_50_times_while_watched_leaves_no_trace(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        last = read_number(grey_of(await viewer.frame()))
        gc.collect()
        before = counts()
        for _ in range(50):
            robot.scene.switch(on=False)
            encoded = robot.scene.encoded
            robot.scene.switch(on=True)
            await eventually(lambda encoded=encoded: robot.scene.encoded > encoded)  # type: ignore[misc]  # bound now
        target = robot.scene.encoded
        async with asyncio.timeout(DEADLINE_S):
            while read_number(grey_of(frame := await viewer.frame())) <= target:
                assert read_number(grey_of(frame)) > last
        assert difference(frame) < 8
        assert robot.viewers == 1
        assert viewer.silent()
        assert robot.scene.starts == 51
        await eventually(lambda: counts().no_more_than(before))
