"""Offers that aiortc reads, and stumbles over later: refused with a reason, one line in the log, nothing left open."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from collections.abc import AsyncIterator, Callable

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.webrtc.signaling import Offer, Terminated
from tests.waiting import eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.counts import counts
from tests.webrtc.peer import peer

BROKEN: dict[str, Callable[[str], str]] = {
    "bundled with a section that there is not": lambda sdp: re.sub("a=group:BUNDLE ", "a=group:BUNDLE none ", sdp),
    "two sections of one name": lambda sdp: re.sub(r"a=mid:\d+", "a=mid:0", sdp) + _second_section(sdp),
}
"""By kind."""


def _second_section(sdp: str) -> str:
    video = sdp[sdp.index("m=video") :]
    return re.sub(r"a=mid:\d+", "a=mid:0", video[: video.find("m=", 2)] if "m=" in video[2:] else video)


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[Robot]:
    async with running_robot(broker) as running:
        yield running


@pytest.mark.parametrize("kind", BROKEN)
async def test_an_offer_that_aiortc_stumbles_over_is_refused_in_one_line(
    robot: Robot, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(repr(context)))
    async with peer(robot.broker) as viewer:
        viewer.rtc.createDataChannel("status")
        sdp, _ = await viewer.make_offer()
        before = counts()
        with caplog.at_level(logging.INFO):
            await viewer.send(Offer(BROKEN[kind](sdp)))
            assert "The offer cannot be used" in (await viewer.receive(Terminated)).reason
            await eventually(lambda: counts().no_more_than(before))
        gc.collect()
        assert not problems
        lines = [record for record in caplog.records if record.name.startswith("robot_node")]
        assert [record.exc_info for record in lines] == [None]
