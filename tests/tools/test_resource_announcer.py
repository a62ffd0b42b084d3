"""Which changes of a robot are announced as updates of its resources."""

from __future__ import annotations

import asyncio

from robot_node.core.backoff import RestartPolicy
from robot_node.core.state import CameraState
from robot_node.robot.robot import Robot
from robot_node.robot.supervisor import Supervisor
from robot_node.tools.resources import ResourceAnnouncer
from tests.waiting import DEADLINE_S


async def announced(parts: Robot, settle_s: float = 0.02) -> tuple[asyncio.Queue[str], asyncio.Task[None]]:
    told: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(ResourceAnnouncer(parts.telemetry, told.put_nowait, settle_s=settle_s).run())
    await asyncio.sleep(0)
    return told, task


async def test_a_burst_is_told_once_with_its_last_state(parts: Robot) -> None:
    told, task = await announced(parts, settle_s=0.5)
    for emotion in ("happy", "sad", "tired") * 5:
        parts.telemetry.state.update(emotion=emotion)
        for _ in range(3):
            await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        assert {await told.get() for _ in range(4)} == {
            *("robot://status", "robot://face", "robot://face.png", "robot://events")
        }
    assert parts.telemetry.state.snapshot.emotion == "tired"
    parts.telemetry.state.update(camera=CameraState.ON)
    async with asyncio.timeout(DEADLINE_S):
        assert {await told.get() for _ in range(3)} == {"robot://status", "robot://camera", "robot://events"}
    assert told.empty()
    task.cancel()


async def test_what_changed_and_changed_back_and_mere_counters_are_not_told(parts: Robot) -> None:
    told, task = await announced(parts)
    parts.telemetry.statistics.offer()
    parts.telemetry.state.update(link_error="no resource shows it")
    parts.telemetry.state.update(emotion="happy")
    parts.telemetry.state.update(emotion="neutral")
    async with asyncio.timeout(DEADLINE_S):
        assert await told.get() == "robot://events"
        parts.telemetry.state.update(viewers=1)
        assert {await told.get() for _ in range(3)} == {"robot://status", "robot://camera", "robot://events"}
    task.cancel()


async def test_changes_between_a_crash_of_the_announcer_and_its_restart_are_announced(parts: Robot) -> None:
    told, crashed, state = asyncio.Queue[str](), asyncio.Event(), parts.telemetry.state

    def announce(uri: str) -> None:
        if not crashed.is_set():
            crashed.set()
            raise RuntimeError("in the middle of it")
        told.put_nowait(uri)

    async def supervise() -> None:
        async with Supervisor(state, policy=RestartPolicy(initial_s=0.2, maximum_s=0.2)) as services:
            services.run("resource updates", ResourceAnnouncer(parts.telemetry, announce, settle_s=0.01).run)

    supervising = asyncio.create_task(supervise())
    await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        state.update(emotion="happy")
        await crashed.wait()
        state.update(camera=CameraState.ON)  # nobody listens now
        expected = {"robot://status", "robot://camera", "robot://face", "robot://face.png", "robot://events"}
        while expected:
            expected.discard(await told.get())
    supervising.cancel()
    await asyncio.wait([supervising])


async def test_a_device_that_is_added_later_needs_nothing_but_the_log(parts: Robot) -> None:
    told, task = await announced(parts)
    parts.telemetry.events.add("input", "Button left was pressed.")
    async with asyncio.timeout(DEADLINE_S):
        assert await told.get() == "robot://events"
    task.cancel()
