"""Which candidates belong to which offer of a viewer, and when it counts as one."""

from __future__ import annotations

import asyncio

import pytest

from robot_node.webrtc.signaling import Candidate, Offer, Terminated
from robot_node.webrtc.stats import Cause
from robot_node.webrtc.viewers import ViewerClient
from tests.waiting import eventually
from tests.webrtc.conftest import Robot
from tests.webrtc.peer import peer

FIRST, SECOND = (Offer(f"v=0\r\na=ice-ufrag:{name}\r\n") for name in ("first", "second"))


def candidate(address: str, fragment: str | None = None) -> Candidate:
    return Candidate(f"candidate:1 1 udp 1 {address} 9 typ host", "0", username_fragment=fragment)


PLAIN, OF_FIRST, OF_SECOND = candidate("192.0.2.1"), candidate("192.0.2.2", "first"), candidate("192.0.2.3", "second")


def served(*candidates: Candidate) -> ViewerClient:
    """A client whose first offer is being served when these candidates come."""
    client = ViewerClient("page")
    client.begin_offer(FIRST)
    client.candidates.extend(candidates)
    return client


def test_candidates_that_came_before_an_offer_are_its_own_but_for_those_of_another_generation() -> None:
    client = ViewerClient("page")
    client.candidates.extend([PLAIN, OF_FIRST, OF_SECOND])
    assert client.begin_offer(FIRST) == [PLAIN, OF_FIRST]


def test_the_end_of_a_session_takes_no_candidate_from_the_offer_that_waits() -> None:
    for cause in Cause:
        client = served()
        client.next_offer = SECOND
        client.candidates.extend([PLAIN, OF_SECOND])
        client.end_offer(cause)
        assert client.begin_offer(SECOND) == [PLAIN, OF_SECOND]


def test_of_a_session_that_ended_only_candidates_of_another_generation_are_kept() -> None:
    client = served(PLAIN, OF_FIRST, OF_SECOND)
    client.end_offer(Cause.CLOSED)
    assert client.begin_offer(SECOND) == [OF_SECOND]


def test_what_comes_after_a_termination_is_for_the_next_offer() -> None:
    client = served(PLAIN)
    client.end_offer(Cause.TERMINATED)
    assert client.begin_offer(SECOND) == [PLAIN]


async def test_a_viewer_that_offers_anew_stays_the_same_viewer(robot: Robot) -> None:
    counted: list[int] = []

    async def count() -> None:
        async for snapshot in robot.state.changes():
            if not counted or counted[-1] != snapshot.viewers:
                counted.append(snapshot.viewers)

    counting = asyncio.create_task(count())
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        for _ in range(2):
            viewer.new_connection()
            await viewer.offer()
            await viewer.frame()
        assert robot.statistics.snapshot().totals.connected == 3
    await robot.has_viewers(0)
    await eventually(lambda: counted[-1] == 0)
    counting.cancel()
    assert counted == [0, 1, 0]


async def test_a_viewer_that_closes_before_it_offers_anew_stays_the_same_viewer(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robot_node.webrtc.viewers.RETURN_GRACE_S", 3600)
    counted: set[int] = set()
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        counting = asyncio.create_task(_count_viewers(robot, counted))
        await viewer.rtc.close()
        await eventually(lambda: robot.statistics.snapshot().totals.ended.get("closed") == 1)
        viewer.new_connection()
        await viewer.offer()
        await viewer.frame()
        await viewer.rtc.close()
        await eventually(lambda: robot.statistics.snapshot().totals.ended.get("closed") == 2)
        assert counted == {1}
        await viewer.send(Terminated())  # this one does not return
        await robot.has_viewers(0)
    counting.cancel()


async def test_a_viewer_that_closes_and_does_not_return_is_gone(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robot_node.webrtc.viewers.RETURN_GRACE_S", 0.01)
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        await viewer.rtc.close()
        await robot.has_viewers(0)


async def _count_viewers(robot: Robot, counted: set[int]) -> None:
    async for snapshot in robot.state.changes():
        counted.add(snapshot.viewers)
