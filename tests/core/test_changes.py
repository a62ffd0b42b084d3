"""Waiting for changes: bursts count once, nothing is lost, and nothing is left behind."""

from __future__ import annotations

import asyncio

from robot_node.core.changes import Changes
from robot_node.core.state import RobotState
from tests.waiting import DEADLINE_S, eventually


async def test_a_change_between_two_waits_is_not_lost() -> None:
    state = RobotState()
    async with asyncio.timeout(DEADLINE_S):
        with Changes(state.listen) as changes:
            state.update(viewers=1)
            assert await changes.wait()
            assert not await changes.wait(longest_s=0.0)
            state.update(viewers=2)
            state.update(viewers=3)
            assert await changes.wait()
            assert not await changes.wait(longest_s=0.0)


async def test_a_burst_counts_once_and_its_end_is_part_of_it() -> None:
    state, seen = RobotState(), list[int]()
    with Changes(state.listen) as changes:

        async def watch() -> None:
            while True:
                await changes.wait(settle_s=0.05)
                seen.append(state.snapshot.viewers)

        watching = asyncio.create_task(watch())
        for viewers in range(1, 101):
            state.update(viewers=viewers)
            await asyncio.sleep(0)
        await eventually(lambda: seen[-1:] == [100])
        assert len(seen) < 10
        watching.cancel()


async def test_it_waits_no_longer_than_it_may_and_no_shorter() -> None:
    state, loop = RobotState(), asyncio.get_running_loop()
    with Changes(state.listen) as changes:
        assert not await changes.wait(longest_s=0.01)
        state.update(viewers=1)
        began = loop.time()
        assert await changes.wait(shortest_s=0.05, longest_s=0.05)
        assert loop.time() - began >= 0.049


async def test_only_a_change_of_the_value_counts() -> None:
    state = RobotState()
    with Changes(state.listen, value=lambda: state.snapshot.viewers) as changes:
        state.update(emotion="happy")
        assert not await changes.wait(longest_s=0.0)
        state.update(viewers=1)
        assert await changes.wait()


async def test_several_sources_are_heard_and_none_after_the_end() -> None:
    state, other, heard = RobotState(), RobotState(), list[str]()

    def value() -> int:
        heard.append("asked")
        return len(heard)

    with Changes(state.listen, other.listen, value=value) as changes:
        other.update(viewers=1)
        assert await changes.wait()
        state.update(viewers=1)
        assert await changes.wait()
    asked = len(heard)
    state.update(viewers=2)
    other.update(viewers=2)
    assert len(heard) == asked
